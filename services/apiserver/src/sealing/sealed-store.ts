import { TriremeError, assert, errorFrom } from "@trireme/base";
import type {
  KeyValue,
  PutRequest,
  StoreClient,
  TxnOp,
  TxnOpResult,
  TxnRequest,
  TxnResult,
  WatchEvent,
  WatchHandlers,
  WatchRequest,
} from "@trireme/store-client";
import { SEALED_PREFIX, type SealingKeys, WRITER_KEY } from "./sealing-keys.ts";

/**
 * Attempts of one write while the writing key changes under it. A rotation changes it once; a second one in the few
 * milliseconds between two attempts means that something is very wrong.
 */
const MAX_ATTEMPTS = 4;

/**
 * The same store with Secrets sealed in it: what is written below {@link SEALED_PREFIX} is sealed on its way down and what
 * is read is opened on its way up, in lists, history, transactions and watches alike. Whoever stands on it sees open values
 * only, so that nobody can forget to seal.
 *
 * Invariant: a value is sealed with the key that writes at its own revision: each such transaction compares the writer's
 * revision, and is made again with the new key when that has moved. So once another key writes, none is sealed with the old.
 */
export function sealedStore(store: StoreClient, keys: SealingKeys): StoreClient {
  return {
    async range(request) {
      const result = await store.range(request);
      return { ...result, kvs: await openAll(keys, result.kvs) };
    },
    async put(request) {
      if (!isSealedKey(request.key)) return store.put(request);
      const result = await writeSealed(store, keys, { compare: [], success: [{ put: request }] });
      const [answer] = result.responses;
      assert(answer !== undefined && "put" in answer, "a put answers a put");
      return answer.put;
    },
    async deleteRange(request) {
      const result = await store.deleteRange(request);
      return { ...result, prevKvs: await openAll(keys, result.prevKvs) };
    },
    async txn(request) {
      const seals = request.success.some((op) => "put" in op && isSealedKey(op.put.key));
      return openTxn(keys, seals ? await writeSealed(store, keys, request) : await store.txn(request));
    },
    watch: (request, handlers) => watchOpened(store, keys, request, handlers),
    readRevision: () => store.readRevision(),
    compact: (revision) => store.compact(revision),
    status: () => store.status(),
    close: () => store.close(),
  };
}

function isSealedKey(key: string): boolean {
  return key.startsWith(SEALED_PREFIX);
}

async function writeSealed(store: StoreClient, keys: SealingKeys, request: TxnRequest): Promise<TxnResult> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const writer = await keys.writer();
    await keys.mustHold(writer.keyId);
    const seal = (op: TxnOp): TxnOp =>
      "put" in op && isSealedKey(op.put.key) ? { put: sealPut(keys, op.put, writer.keyId) } : op;
    assert(
      (request.failure ?? []).every((op) => "range" in op),
      "a write that may be repeated only reads when it fails",
    );
    const result = await store.txn({
      compare: [...request.compare, { key: WRITER_KEY, target: "mod", result: "=", value: writer.revision }],
      success: request.success.map(seal),
      failure: [...(request.failure ?? []), { range: { key: WRITER_KEY } }],
    });
    if (result.succeeded) return result;
    const answer = result.responses.at(-1);
    assert(answer !== undefined && "range" in answer, "the writer is read last");
    const found = answer.range.kvs[0];
    if (found?.modRevision === writer.revision) return { ...result, responses: result.responses.slice(0, -1) };
    keys.learn(found);
  }
  throw new TriremeError("Conflict", "the key that seals Secrets changed again and again; please try again");
}

function sealPut(keys: SealingKeys, put: PutRequest, keyId: string): PutRequest {
  const value = keys.sealer.seal(put.key, put.value, keyId);
  assert(value !== undefined, `key ${keyId} was held a moment ago`);
  return { ...put, value };
}

async function openTxn(keys: SealingKeys, result: TxnResult): Promise<TxnResult> {
  const responses: TxnOpResult[] = [];
  for (const one of result.responses) {
    if ("range" in one) responses.push({ range: { ...one.range, kvs: await openAll(keys, one.range.kvs) } });
    else if ("deleteRange" in one) {
      const prevKvs = await openAll(keys, one.deleteRange.prevKvs);
      responses.push({ deleteRange: { ...one.deleteRange, prevKvs } });
    } else responses.push(one);
  }
  return { ...result, responses };
}

/** Opens pairs, after looking for a key that is missing. Most reads find nothing sealed, and cost nothing. */
async function openAll(keys: SealingKeys, kvs: readonly KeyValue[]): Promise<readonly KeyValue[]> {
  if (!kvs.some(mayBeSealed)) return kvs;
  const opened: KeyValue[] = [];
  for (const kv of kvs) {
    const first = tryOpen(keys, kv);
    if ("missing" in first) {
      await keys.mustHold(first.missing);
      const second = tryOpen(keys, kv);
      assert(!("missing" in second), `key ${first.missing} was just found`);
      opened.push(second);
    } else opened.push(first);
  }
  return opened;
}

/** A read without values, and the event of a deletion, hold nothing to open. */
function mayBeSealed(kv: KeyValue): boolean {
  return kv.value.length > 0 && isSealedKey(kv.key);
}

function tryOpen(keys: SealingKeys, kv: KeyValue): KeyValue | { readonly missing: string } {
  if (!mayBeSealed(kv)) return kv;
  const opened = keys.sealer.unseal(kv.key, kv.value);
  return "missing" in opened ? opened : { ...kv, value: opened.value };
}

/** Opened once for the cache and all who stand behind it. What cannot be opened ends the watch, and its reader starts over. */
function watchOpened(
  store: StoreClient,
  keys: SealingKeys,
  request: WatchRequest,
  handlers: WatchHandlers,
): ReturnType<StoreClient["watch"]> {
  const watch = store.watch(request, {
    ...handlers,
    onEvents(events, revision) {
      let opened: WatchEvent[];
      try {
        opened = events.map((event) => openEvent(keys, event));
      } catch (thrown) {
        watch.close();
        handlers.onEnd({ code: "ServiceUnavailable", message: errorFrom(thrown).message });
        return;
      }
      handlers.onEvents(opened, revision);
    },
  });
  return watch;
}

function openEvent(keys: SealingKeys, event: WatchEvent): WatchEvent {
  if (!isSealedKey(event.kv.key)) return event;
  const open = (kv: KeyValue): KeyValue => {
    const opened = tryOpen(keys, kv);
    if (!("missing" in opened)) return opened;
    throw new TriremeError(
      "ServiceUnavailable",
      `${kv.key} is sealed with key ${opened.missing}, which is not held here`,
    );
  };
  return { ...event, kv: open(event.kv), ...(event.prevKv === undefined ? {} : { prevKv: open(event.prevKv) }) };
}
