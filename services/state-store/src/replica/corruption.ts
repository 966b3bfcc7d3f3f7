import { errorFrom } from "@trireme/base";
import { type Command, type MvccStore, type Outcome, keyFrames } from "@trireme/mvcc";
import type { Logger } from "@trireme/telemetry";
import { hex } from "../cluster.ts";
import { hashFrames } from "../grpc/state-hash.ts";
import type { AskMember } from "../leases/lease-keeper.ts";

/** Compactions whose hashes are kept: a member that is a little behind is compared at the one before. */
const KEPT_HASHES = 10;

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
    if (this.options.periodMs > 0) this.timer = setInterval(() => void this.check(), this.options.periodMs);
  }

  stop(): void {
    clearInterval(this.timer);
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
    const { self, voters, log } = this.options;
    const ids = voters();
    const hashes = new Map([[self, own]]);
    await Promise.all(
      ids.map(async (id) => {
        const hash = id === self ? own : await this.askFor(id, revision);
        if (hash !== undefined) hashes.set(id, hash);
      }),
    );
    for (const culprit of decideCulprits(hashes, ids.length)) {
      const seen = [...hashes].map(([id, hash]) => `${hex(id)}=${hash}`).join(" ");
      log.error("members differ", { revision, culprit: hex(culprit), hashes: seen });
      await raise(culprit);
    }
    return hashes.size === ids.length;
  }

  private async askFor(id: bigint, revision: number): Promise<number | undefined> {
    try {
      const question = { $case: "compactionHash", value: { revision: BigInt(revision) } } as const;
      const answer = await this.options.ask(id, question, ASK_MS);
      return answer.$case === "compactionHash" && answer.value.known ? answer.value.hash : undefined;
    } catch (error) {
      this.options.log.debug("a member's hash is not known", { member: hex(id), err: errorFrom(error) });
      return undefined;
    }
  }
}
