import { TriremeError } from "@trireme/base";
import * as mvcc from "@trireme/mvcc";
import type {
  KeyValue,
  RangeRequest,
  RangeResult,
  StoreClient,
  TxnOp,
  TxnOpResult,
  Watch,
  WatchHandlers,
  WatchRequest,
} from "./types.ts";

/** Events that one callback carries at most (a revision is never split). */
const MAX_BATCH_EVENTS = 256;

/**
 * A store in this process, over the real state machine: for tests of what stands on the store. Calls settle and watch
 * handlers run asynchronously, in order, as they do over the wire.
 */
export function createMemoryStore(): StoreClient {
  const store = new mvcc.MvccStore();
  const hub = new mvcc.WatchHub(store);
  const watches = new Set<MemoryWatch>();
  let closed = false;

  const run = async (command: mvcc.Command): Promise<{ revision: number; result: mvcc.OpResult }> => {
    await Promise.resolve();
    if (closed) throw new TriremeError("ServiceUnavailable", "the store client is closed");
    const outcome = store.apply(store.appliedIndex + 1, command);
    hub.publish();
    if (outcome.error !== undefined) throw outcome.error;
    return { revision: outcome.revision, result: outcome.result as mvcc.OpResult };
  };

  return {
    async range(request) {
      await Promise.resolve();
      if (closed) throw new TriremeError("ServiceUnavailable", "the store client is closed");
      return toRangeResult(store.range(toRangeOp(request)), store.revision);
    },
    async put(request) {
      const { revision, result } = await run(toOp({ put: request }) as mvcc.PutOp);
      return (toOpResult(result, revision) as { put: { revision: number } }).put;
    },
    async deleteRange(request) {
      const { revision, result } = await run(toOp({ deleteRange: request }) as mvcc.DeleteRangeOp);
      return (toOpResult(result, revision) as Extract<TxnOpResult, { deleteRange: unknown }>).deleteRange;
    },
    async txn(request) {
      const { revision, result } = await run({
        type: "txn",
        compare: request.compare.map((compare) =>
          compare.target === "value"
            ? { ...compare, key: toBytes(compare.key), rangeEnd: "" }
            : { ...compare, key: toBytes(compare.key), rangeEnd: "", value: BigInt(compare.value) },
        ),
        success: request.success.map(toOp),
        failure: (request.failure ?? []).map(toOp),
      });
      const txn = result as mvcc.TxnResult;
      return { revision, succeeded: txn.succeeded, responses: txn.responses.map((each) => toOpResult(each, revision)) };
    },
    async readRevision() {
      await Promise.resolve();
      return store.revision;
    },
    async compact(revision) {
      await run({ type: "compact", revision });
      while (store.trim(MAX_BATCH_EVENTS));
    },
    watch(request, handlers) {
      const watch = new MemoryWatch(store, hub, request, handlers, () => watches.delete(watch));
      watches.add(watch);
      return watch;
    },
    async status() {
      await Promise.resolve();
      const index = store.appliedIndex;
      return {
        endpoint: "memory",
        memberId: "1",
        leader: "1",
        revision: store.revision,
        raftTerm: 1,
        raftIndex: index,
        dbSize: store.sizeBytes,
        version: "memory",
      };
    },
    async close() {
      await Promise.resolve();
      closed = true;
      for (const watch of watches) watch.close();
    },
  };
}

class MemoryWatch implements Watch {
  private readonly store: mvcc.MvccStore;
  private readonly handlers: WatchHandlers;
  private readonly progressNotify: boolean;
  private readonly forget: () => void;
  private readonly watcher: mvcc.Watcher;
  private scheduled = false;
  private progressWanted = false;
  private closed = false;

  constructor(
    store: mvcc.MvccStore,
    hub: mvcc.WatchHub,
    request: WatchRequest,
    handlers: WatchHandlers,
    forget: () => void,
  ) {
    this.store = store;
    this.handlers = handlers;
    this.progressNotify = request.progressNotify ?? false;
    this.forget = forget;
    const spec: mvcc.WatchSpec = {
      key: toBytes(request.key),
      rangeEnd: toBytes(request.rangeEnd ?? ""),
      startRevision: request.startRevision ?? 0,
      prevKv: request.prevKv ?? false,
      noPut: false,
      noDelete: false,
    };
    this.watcher = hub.watch(spec, () => this.schedule());
    const created = store.revision;
    queueMicrotask(() => {
      if (!this.closed) handlers.onCreated?.(created);
    });
    this.schedule();
  }

  requestProgress(): void {
    this.progressWanted = true;
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.watcher.close();
    this.forget();
  }

  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    queueMicrotask(() => this.drain());
  }

  private drain(): void {
    this.scheduled = false;
    let delivered = false;
    while (!this.closed) {
      const batch = this.watcher.take(MAX_BATCH_EVENTS);
      if (batch === undefined) break;
      if (batch.type === "compacted") {
        this.close();
        const { compactRevision } = batch;
        this.handlers.onEnd({ code: "Expired", message: mvcc.ERROR_TEXT.compacted, compactRevision });
        return;
      }
      if (batch.events.length === 0) continue;
      delivered = true;
      this.handlers.onEvents(
        batch.events.map((event) => ({
          type: event.type,
          kv: toKeyValue(event.kv),
          ...(event.prevKv === undefined ? {} : { prevKv: toKeyValue(event.prevKv) }),
        })),
        batch.revision,
      );
    }
    const progress = this.closed ? undefined : this.watcher.progress();
    if (progress === undefined || !(this.progressWanted || (this.progressNotify && !delivered))) return;
    this.progressWanted = false;
    this.handlers.onProgress?.(progress);
  }
}

function toBytes(key: string): string {
  return Buffer.from(key, "utf8").toString("latin1");
}

function toKeyValue(kv: mvcc.KeyValue): KeyValue {
  return {
    key: Buffer.from(kv.key, "latin1").toString("utf8"),
    value: kv.value,
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
  };
}

function toRangeOp(request: RangeRequest): mvcc.RangeOp {
  return mvcc.rangeOp(toBytes(request.key), toBytes(request.rangeEnd ?? ""), {
    limit: request.limit ?? 0,
    revision: request.revision ?? 0,
    keysOnly: request.keysOnly ?? false,
    countOnly: request.countOnly ?? false,
  });
}

function toOp(op: TxnOp): mvcc.Op {
  if ("range" in op) return toRangeOp(op.range);
  if ("put" in op) return mvcc.putOp(toBytes(op.put.key), op.put.value, { prevKv: op.put.prevKv ?? false });
  const { key, rangeEnd, prevKv } = op.deleteRange;
  return { type: "deleteRange", key: toBytes(key), rangeEnd: toBytes(rangeEnd ?? ""), prevKv: prevKv ?? false };
}

function toRangeResult(result: mvcc.RangeResult, revision: number): RangeResult {
  return { revision, kvs: result.kvs.map(toKeyValue), more: result.more, count: result.count };
}

function toOpResult(result: mvcc.OpResult, revision: number): TxnOpResult {
  switch (result.type) {
    case "range":
      return { range: toRangeResult(result, revision) };
    case "put":
      return {
        put: { revision, ...(result.prevKv === undefined ? {} : { prevKv: toKeyValue(result.prevKv) }) },
      };
    case "deleteRange":
      return { deleteRange: { revision, deleted: result.deleted, prevKvs: result.prevKvs.map(toKeyValue) } };
    case "txn":
      throw new TriremeError("InternalError", "nested transactions are not part of this interface");
  }
}
