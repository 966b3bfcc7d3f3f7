import { type Clock, TriremeError, errorFrom, hasCode } from "@trireme/base";
import { type SealingKey, createSealingKey } from "@trireme/pki";
import type { KeyValue, StoreClient } from "@trireme/store-client";
import type { Logger } from "@trireme/telemetry";
import { sealingKeyOf } from "./envelope.ts";
import type { SealingPeers } from "./peers.ts";
import { decideRotation } from "./rotation.ts";
import type { SealingKeys, Writer } from "./sealing-keys.ts";

/** Values sealed anew at once: enough to fill the store's batches, few enough to leave room for everybody else. */
const REWRITES_AT_ONCE = 8;

/**
 * Times that all values are looked through. Once the new key writes, none is sealed with another one, so the second look
 * finds nothing; a third is for those who changed while they were being rewritten.
 */
const MAX_PASSES = 3;

/** What became of a rotation. */
export interface RotationReport {
  /** The key that writes now. */
  readonly key: string;
  /** Whether it is the key of a rotation that had broken off. */
  readonly resumed: boolean;
  /** Values that were sealed anew. */
  readonly rewritten: number;
  /** Keys that no server holds any more. */
  readonly dropped: readonly string[];
  /** Servers (addresses) that went away before they dropped the old keys: to be repeated. */
  readonly stillHeldBy: readonly string[];
}

/** What the sealing of a cluster looks like from one server. */
export interface SealingReport {
  readonly writer: string;
  readonly servers: readonly { readonly address: string; readonly keys: readonly string[]; readonly error?: string }[];
  /** Values by the key that seals them, `""` for open ones. */
  readonly values: Readonly<Record<string, number>>;
}

/** What a rotation works with. */
export interface RotatorParts {
  readonly keys: SealingKeys;
  readonly peers: SealingPeers;
  /** The store as it is. */
  readonly store: StoreClient;
  /** The same with Secrets opened. */
  readonly sealed: StoreClient;
  readonly own: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Replaces the key that Secrets are sealed with: hands the new one to every server; has it write; seals everything anew;
 * lets go of the history that the old one sealed; drops the old one. Each step is safe to repeat, and a rotation that
 * broke off anywhere is finished by the next (`decideRotation`).
 */
export class Rotator {
  private readonly parts: RotatorParts;
  private running: Promise<RotationReport> | undefined;

  constructor(parts: RotatorParts) {
    this.parts = parts;
  }

  /** Rotates; who asks while one is under way here gets its report. */
  rotate(): Promise<RotationReport> {
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  async report(): Promise<SealingReport> {
    const { keys, peers, own } = this.parts;
    const idsOf = (ring: { keys: readonly SealingKey[] }): string[] => ring.keys.map((key) => key.id);
    const others = (await peers.others()).map(async (address) => {
      try {
        return { address, keys: idsOf(await peers.ring(address)) };
      } catch (thrown) {
        return { address, keys: [], error: errorFrom(thrown).message };
      }
    });
    const servers = [{ address: own, keys: idsOf(keys.sealer.keys) }, ...(await Promise.all(others))];
    const { keyId } = await keys.writer();
    return { writer: keyId, servers, values: Object.fromEntries(await keys.usage()) };
  }

  private async run(): Promise<RotationReport> {
    const { keys, peers, clock, log } = this.parts;
    const writer = await this.freshWriter();
    await keys.mustHold(writer.keyId);
    const others = await peers.others();
    const rings = await Promise.all(others.map((address) => peers.ring(address).catch(nothingChanged)));
    const all = [keys.sealer.keys, ...rings];
    const plan = decideRotation({ writer: writer.keyId, rings: all.map((ring) => ring.keys) });
    const key =
      plan.type === "begin"
        ? createSealingKey(new Date(clock.now()).toISOString())
        : all.flatMap((ring) => ring.keys).find((one) => one.id === plan.key)!;
    log.info("sealing key rotation", { plan: plan.type, from: writer.keyId, to: key.id, servers: others.length + 1 });
    // Our own disk first: a key that any Secret may be sealed with is never in memory alone.
    keys.add([key]);
    const add = { keys: [key] };
    await Promise.all(others.map((address) => peers.change(address, { add }).catch(nothingChanged)));
    await this.promote(writer, key.id);
    const rewritten = await this.rewrite(key.id);
    await this.forgetHistory();
    return {
      key: key.id,
      resumed: plan.type === "finish",
      rewritten,
      dropped: plan.drop,
      stillHeldBy: await this.drop(plan.drop, others),
    };
  }

  private async freshWriter(): Promise<Writer> {
    this.parts.keys.learn(undefined);
    return this.parts.keys.writer();
  }

  private async promote(writer: Writer, keyId: string): Promise<void> {
    if (writer.keyId === keyId) return;
    if (await this.parts.keys.promote(writer, keyId)) return;
    const now = await this.freshWriter();
    if (now.keyId === keyId) return;
    throw new TriremeError(
      "Conflict",
      `another rotation put key ${now.keyId} into office meanwhile; run tri secrets rotate-key again to go on from there`,
    );
  }

  /** Seals anew what the key does not seal yet, each value on the condition that it is still the one that was read. */
  private async rewrite(keyId: string): Promise<number> {
    let rewritten = 0;
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      let found = 0;
      let batch: KeyValue[] = [];
      const flush = async (): Promise<void> => {
        const done = await Promise.all(batch.map((kv) => this.rewriteOne(kv)));
        rewritten += done.filter(Boolean).length;
        batch = [];
      };
      for await (const kv of this.parts.keys.values()) {
        if (sealingKeyOf(kv.value) === keyId) continue;
        found += 1;
        if (batch.push(kv) >= REWRITES_AT_ONCE) await flush();
      }
      await flush();
      if (found === 0) return rewritten;
    }
    throw new TriremeError(
      "Conflict",
      `Secrets were still sealed with other keys than ${keyId} after ${MAX_PASSES} passes; no key was dropped. Run ` +
        "tri secrets rotate-key again",
    );
  }

  private async rewriteOne(kv: KeyValue): Promise<boolean> {
    const opened = await this.parts.sealed.range({ key: kv.key });
    const now = opened.kvs[0];
    // Somebody else wrote or deleted it: with the new key, since no other writes any more.
    if (now === undefined || now.modRevision !== kv.modRevision) return false;
    const { succeeded } = await this.parts.sealed.txn({
      compare: [{ key: kv.key, target: "mod", result: "=", value: kv.modRevision }],
      success: [{ put: { key: kv.key, value: now.value } }],
    });
    return succeeded;
  }

  /** What history holds is sealed with the old keys: it goes before they do. Pages of older lists answer 410, as in time anyway. */
  private async forgetHistory(): Promise<void> {
    const { store } = this.parts;
    try {
      await store.compact(await store.readRevision());
    } catch (thrown) {
      if (!hasCode(thrown, "Expired")) throw thrown;
    }
  }

  private async drop(ids: readonly string[], others: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const { keys, peers, own, log } = this.parts;
    const failed: string[] = [];
    const attempt = async (address: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (thrown) {
        log.warn("old sealing keys not dropped", { address, err: thrown });
        failed.push(address);
      }
    };
    await Promise.all(others.map((address) => attempt(address, () => peers.change(address, { drop: ids }))));
    await attempt(own, () => keys.drop(ids));
    return failed;
  }
}

function nothingChanged(thrown: unknown): never {
  const error = errorFrom(thrown);
  throw new TriremeError(
    error.code,
    `${error.message}. Every server has to hold the new key before Secrets are sealed with it, so no Secret was touched: ` +
      "start that server or remove it, then run tri secrets rotate-key again",
    { cause: thrown },
  );
}
