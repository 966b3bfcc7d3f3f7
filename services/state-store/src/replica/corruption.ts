import { errorFrom, sleep } from "@trireme/base";
import { type Command, type MvccStore, type Outcome, keyFrames } from "@trireme/mvcc";
import type { Logger } from "@trireme/telemetry";
import { hex } from "../cluster.ts";
import { hashFrames } from "../grpc/state-hash.ts";
import type { AskMember } from "../leases/lease-keeper.ts";
import type { Question } from "../peers/ask.ts";

/** Compactions whose hashes are kept: a member that is a little behind is compared at the one before. */
const KEPT_HASHES = 10;

/** A member that has just started asks so often, with this pause: the others may be starting, too. */
const START_ROUNDS = 10;
const START_RETRY_MS = 1000;

/** How long a member may take to answer. */
const ASK_MS = 5000;

/** Stands for "some member, nobody can say which". As etcd. */
export const UNKNOWN_CULPRIT = 0n;

/**
 * Whose data differ, judged by the hashes that members computed at one compaction. A majority of all voters that agree
 * names the others; without one the culprit is unknown. Nobody when all agree.
 */
export function decideCulprits(hashes: ReadonlyMap<bigint, number>, voters: number): bigint[] {
  const byHash = new Map<number, bigint[]>();
  for (const [id, hash] of hashes) byHash.set(hash, [...(byHash.get(hash) ?? []), id]);
  if (byHash.size <= 1) return [];
  for (const [hash, ids] of byHash) {
    if (ids.length * 2 <= voters) continue;
    return [...hashes].filter(([, other]) => other !== hash).map(([id]) => id);
  }
  return [UNKNOWN_CULPRIT];
}

export interface CorruptionOptions {
  readonly store: MvccStore;
  readonly self: bigint;
  readonly periodMs: number;
  readonly log: Logger;
  readonly ask: AskMember;
  readonly isLeader: () => boolean;
  /** Everyone whose hash is compared. */
  readonly voters: () => readonly bigint[];
  readonly raise: (culprit: bigint) => Promise<unknown>;
  /** Resolves when this member has caught up with what was acknowledged. */
  readonly ready: () => Promise<void>;
  /** A majority agrees that this member's data are wrong: it must end, and rejoin from the others. */
  readonly onSelfDiffers: () => void;
}

/**
 * Compares the members' data: each computes a hash at every compaction, at the same revision of the same history; now and
 * then the leader asks for the others' and raises an alarm against whoever differs.
 */
export class CorruptionCheck {
  private readonly options: CorruptionOptions;
  private readonly hashes = new Map<number, number>();
  private readonly checked = new Set<number>();
  private timer: NodeJS.Timeout | undefined;
  private running = false;

  constructor(options: CorruptionOptions) {
    this.options = options;
  }

  start(): void {
    if (this.options.periodMs === 0) return;
    this.timer = setInterval(() => void this.check(), this.options.periodMs);
    void this.checkAtStart();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** A command was applied: after a compaction the keys at its revision are counted, before they can be forgotten. */
  applied(command: Command | undefined, outcome: Outcome): void {
    if (command?.type !== "compact" || outcome.error !== undefined) return;
    const { store, log } = this.options;
    const { revision } = command;
    hashFrames(keyFrames(store, revision, revision)).then(
      (hash) => {
        this.hashes.set(revision, hash);
        for (const old of [...this.hashes.keys()].slice(0, -KEPT_HASHES)) {
          this.hashes.delete(old);
          this.checked.delete(old);
        }
      },
      (error: unknown) => log.warn("keys not hashed", { revision, err: errorFrom(error) }),
    );
  }

  /** The hash at a compaction; undefined when it is not known here. */
  hashAt(revision: number): number | undefined {
    return this.hashes.get(revision);
  }

  /** The hash of what lies between two revisions; undefined when one of them cannot be read here. */
  async hashBetween(revision: number, compactRevision: number): Promise<number | undefined> {
    const { store } = this.options;
    if (revision > store.revision || compactRevision < store.compactRevision) return undefined;
    return hashFrames(keyFrames(store, revision, compactRevision));
  }

  /**
   * A member that starts compares its data with the others' as soon as it has caught up: `true` when a majority of the
   * voters agrees against it. `undefined`: too few could say; it is asked again.
   */
  async differsFromMajority(): Promise<boolean | undefined> {
    const { store, self, voters } = this.options;
    const { revision, compactRevision } = store;
    const own = await this.hashBetween(revision, compactRevision);
    if (own === undefined) return undefined;
    const question = {
      $case: "keysHash",
      value: { revision: BigInt(revision), compactRevision: BigInt(compactRevision) },
    } as const;
    const ids = voters();
    const hashes = await this.gather(ids, own, question);
    if (hashes.size * 2 <= ids.length) return undefined;
    return decideCulprits(hashes, ids.length).includes(self);
  }

  /** At the start, until a majority has answered or the others have been given enough time: later rounds go on anyway. */
  private async checkAtStart(): Promise<void> {
    const { log, ready, onSelfDiffers } = this.options;
    for (let round = 0; round < START_ROUNDS && this.timer !== undefined; round++) {
      try {
        await ready();
        const differs = await this.differsFromMajority();
        if (differs === true) onSelfDiffers();
        if (differs !== undefined) return;
      } catch (error) {
        log.debug("not compared with the others yet", { err: errorFrom(error) });
      }
      await sleep(START_RETRY_MS);
    }
  }

  /** The leader compares the newest compaction that it has not compared with everybody. */
  async check(): Promise<void> {
    const { isLeader, log, raise } = this.options;
    if (this.running || !isLeader()) return;
    this.running = true;
    try {
      for (const [revision, hash] of [...this.hashes].toReversed()) {
        if (this.checked.has(revision)) return;
        const complete = await this.compare(revision, hash, raise);
        if (complete) this.checked.add(revision);
        if (complete) return;
      }
    } catch (error) {
      log.warn("members not compared", { err: errorFrom(error) });
    } finally {
      this.running = false;
    }
  }

  /** False when not everybody could say; then what is known is judged, and the rest another time. */
  private async compare(revision: number, own: number, raise: CorruptionOptions["raise"]): Promise<boolean> {
    const { voters, log } = this.options;
    const ids = voters();
    const question = { $case: "compactionHash", value: { revision: BigInt(revision) } } as const;
    const hashes = await this.gather(ids, own, question);
    for (const culprit of decideCulprits(hashes, ids.length)) {
      const seen = [...hashes].map(([id, hash]) => `${hex(id)}=${hash}`).join(" ");
      log.error("members differ", { revision, culprit: hex(culprit), hashes: seen });
      await raise(culprit);
    }
    return hashes.size === ids.length;
  }

  /** The hashes of all who answer, our own among them. */
  private async gather(ids: readonly bigint[], own: number, question: Question): Promise<Map<bigint, number>> {
    const { self } = this.options;
    const hashes = new Map([[self, own]]);
    await Promise.all(
      ids.map(async (id) => {
        const hash = id === self ? own : await this.askFor(id, question);
        if (hash !== undefined) hashes.set(id, hash);
      }),
    );
    return hashes;
  }

  private async askFor(id: bigint, question: Question): Promise<number | undefined> {
    try {
      const answer = await this.options.ask(id, question, ASK_MS);
      return answer.$case === "compactionHash" && answer.value.known ? answer.value.hash : undefined;
    } catch (error) {
      this.options.log.debug("a member's hash is not known", { member: hex(id), err: errorFrom(error) });
      return undefined;
    }
  }
}
