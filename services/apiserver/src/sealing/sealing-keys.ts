import { TriremeError, assert, errorFrom, sleep } from "@trireme/base";
import { type SealingKey, type SealingRing, withSealingKeys, withoutSealingKeys } from "@trireme/pki";
import { type KeyValue, type StoreClient, prefixEnd } from "@trireme/store-client";
import type { Logger } from "@trireme/telemetry";
import { sealingKeyOf } from "./envelope.ts";
import { readRingFile, writeRingFile } from "./ring-file.ts";
import { Sealer } from "./sealer.ts";

/** What is sealed: Secrets, as Kubernetes' first advice goes. ConfigMaps are for what may be read. */
export const SEALED_PREFIX = "/registry/core/secrets/";

/** Says which key every server seals with. Its mod revision guards each write that seals. */
export const WRITER_KEY = "/registry/sealing/writer";

/** Stands for a key's id where values are counted that no key seals: those of a release before sealing. */
export const OPEN_VALUES = "";

/** Values looked at in one question: 64 of the largest are under a message's limit of the store's clients. */
const PAGE = 64;

const RETRY_MS = 500;

/** Which key writes, and since which revision. */
export interface Writer {
  readonly keyId: string;
  readonly revision: number;
}

/** Asks the other servers for their rings; answers the keys of those that answered. */
export type AskPeers = () => Promise<readonly SealingKey[]>;

/**
 * The keys of this server: the file, the sealer that uses them, and the store's word on which one writes. A key that is
 * missing is looked for in the file (somebody may have copied it) and at the other servers, which hold it if anybody does.
 */
export class SealingKeys {
  readonly sealer: Sealer;
  readonly file: string;
  private readonly store: StoreClient;
  private readonly log: Logger;
  private readonly askPeers: AskPeers;
  private known: Writer | undefined;
  private looking: Promise<void> | undefined;

  /** Reads the ring; throws when there is none. `store` is the store as it is, values sealed. */
  constructor(file: string, store: StoreClient, log: Logger, askPeers: AskPeers) {
    this.file = file;
    this.store = store;
    this.log = log;
    this.askPeers = askPeers;
    this.sealer = new Sealer(readRingFile(file));
  }

  /**
   * Makes sure, before anything is served, that this server opens all that is sealed and seals with what the others open.
   * Waits for a store that does not answer yet; throws when a key is nowhere to be found.
   */
  async begin(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { keyId } = await this.writer();
        for (const id of new Set([keyId, ...(await this.usage()).keys()]))
          if (id !== OPEN_VALUES) await this.mustHold(id);
        this.log.info("secrets are sealed", { key: keyId, keys: this.sealer.keys.keys.length, file: this.file });
        return;
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (!error.retryable) throw thrown;
        this.log.warn("cannot look at sealed values yet, trying again", { err: thrown });
      }
      await sleep(RETRY_MS, signal).catch((reason: unknown) => errorFrom(reason));
    }
  }

  /** Which key writes now, as far as is known here: a write proves it. */
  async writer(): Promise<Writer> {
    if (this.known !== undefined) return this.known;
    const { kvs } = await this.store.range({ key: WRITER_KEY });
    if (kvs[0] === undefined) await this.found();
    else this.learn(kvs[0]);
    return this.known!;
  }

  /** Takes in what the store says of the writer. */
  learn(kv: KeyValue | undefined): void {
    this.known = kv === undefined ? undefined : { keyId: parseWriter(kv.value), revision: kv.modRevision };
  }

  /** Has another key write from now on, at all servers; false when the writer is another than it was believed. */
  async promote(believed: Writer, keyId: string): Promise<boolean> {
    assert(this.sealer.holds(keyId), `key ${keyId} is to write and is not held`);
    const { succeeded } = await this.store.txn({
      compare: [{ key: WRITER_KEY, target: "mod", result: "=", value: believed.revision }],
      success: [{ put: { key: WRITER_KEY, value: renderWriter(keyId) } }],
    });
    this.known = undefined;
    return succeeded;
  }

  /** How many values each key seals; {@link OPEN_VALUES} counts those that are not sealed. */
  async usage(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    for await (const { value } of this.values()) {
      const id = sealingKeyOf(value) ?? OPEN_VALUES;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  /** Everything that is or ought to be sealed, as it is in the store. */
  async *values(): AsyncGenerator<KeyValue> {
    const rangeEnd = prefixEnd(SEALED_PREFIX);
    let key = SEALED_PREFIX;
    for (;;) {
      const page = await this.store.range({ key, rangeEnd, limit: PAGE });
      yield* page.kvs;
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return;
      key = `${last.key}\0`;
    }
  }

  /** Resolves when the key is held; looks in the file and at the other servers. Throws the error that says so when it is not. */
  async mustHold(keyId: string): Promise<void> {
    if (this.sealer.holds(keyId)) return;
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
    });
    await this.looking;
    if (this.sealer.holds(keyId)) return;
    const held = this.sealer.keys.keys.map((key) => key.id).join(", ");
    throw new TriremeError(
      "Invalid",
      `Secrets are sealed with key ${keyId}, and ${this.file} does not hold it (it holds ${held}); no other server that ` +
        "answers holds it either. Copy the file from a server that has the key (mode 600), or restore a backup (tri restore)",
    );
  }

  /** Adds keys to the ring, on disk first. */
  add(keys: readonly SealingKey[]): SealingRing {
    return this.change(withSealingKeys(this.sealer.keys, keys));
  }

  /** Drops keys from the ring, never the one that writes. */
  async drop(ids: readonly string[]): Promise<SealingRing> {
    this.known = undefined;
    const { keyId } = await this.writer();
    if (ids.includes(keyId)) throw new TriremeError("Conflict", `key ${keyId} writes, and is not dropped`);
    await this.mustHold(keyId);
    return this.change(withoutSealingKeys(this.sealer.keys, ids));
  }

  private change(ring: SealingRing): SealingRing {
    const before = this.sealer.keys.keys.map((key) => key.id);
    const after = ring.keys.map((key) => key.id);
    if (before.join() === after.join()) return ring;
    writeRingFile(this.file, ring);
    this.sealer.use(ring);
    this.log.info("sealing keys changed", { before, after, file: this.file });
    return ring;
  }

  /** The first writer of a cluster is the first key of whichever server comes first. */
  private async found(): Promise<void> {
    const first = this.sealer.keys.keys[0]!.id;
    const result = await this.store.txn({
      compare: [{ key: WRITER_KEY, target: "mod", result: "=", value: 0 }],
      success: [{ put: { key: WRITER_KEY, value: renderWriter(first) } }, { range: { key: WRITER_KEY } }],
      failure: [{ range: { key: WRITER_KEY } }],
    });
    const seen = result.responses.at(-1)!;
    assert("range" in seen, "the writer is read last");
    this.learn(seen.range.kvs[0]);
  }

  private async look(): Promise<void> {
    // Another process (an operator's, a join's) may have written the file since it was read.
    this.sealer.use(withSealingKeys(readRingFile(this.file), this.sealer.keys.keys));
    this.add(await this.askPeers());
  }
}

function renderWriter(keyId: string): Uint8Array {
  return Buffer.from(JSON.stringify({ key: keyId }));
}

function parseWriter(value: Uint8Array): string {
  const { key } = JSON.parse(Buffer.from(value).toString()) as { key: string };
  return key;
}
