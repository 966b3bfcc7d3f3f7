import { quorumIndex } from "./quorum.ts";
import type { Voters } from "./quorum.ts";
import type { NodeId } from "./types.ts";

/** A linearizable read that waits for proof that its leader still leads. */
export interface PendingRead {
  readonly id: bigint;
  /** The member that asked: the leader itself or a follower. */
  readonly from: NodeId;
  /** Only state at this index or later may answer. */
  readonly index: number;
}

interface QueuedRead extends PendingRead {
  readonly deadline: number;
  seq: number;
}

/**
 * The leader's reads (thesis 6.4). Reads that gather between two Readys share one heartbeat round, numbered by a counter
 * that only grows: an answer to round n proves leadership for every read that was queued before round n was *sent*, and
 * for no later one. A retried read is a new read with a new index (a re-used round number once served stale data).
 */
export class ReadQueue {
  private queue: QueuedRead[] = [];
  private readonly acks = new Map<NodeId, number>();
  private seq = 0;
  private unsent = false;

  get size(): number {
    return this.queue.length;
  }

  add(read: PendingRead, deadline: number): void {
    this.queue.push({ ...read, deadline, seq: Number.MAX_SAFE_INTEGER });
    this.unsent = true;
  }

  get wantsRound(): boolean {
    return this.unsent;
  }

  /** Starts a round for all reads that have none; the caller broadcasts heartbeats carrying `currentSeq`. */
  startRound(): void {
    this.seq += 1;
    this.unsent = false;
    for (const read of this.queue) if (read.seq > this.seq) read.seq = this.seq;
  }

  /** What heartbeats carry: the newest round while some read waits for it, else 0. */
  get currentSeq(): number {
    return this.queue.length > 0 ? this.seq : 0;
  }

  /** `from` answered round `seq`. */
  acknowledge(from: NodeId, seq: number): void {
    if (seq > (this.acks.get(from) ?? 0)) this.acks.set(from, seq);
  }

  /** Takes out the reads that a quorum of `conf` has confirmed; `self` always agrees with itself. */
  takeConfirmed(conf: Voters, self: NodeId): readonly PendingRead[] {
    if (this.queue.length === 0) return [];
    const confirmed = quorumIndex(conf, (id) => (id === self ? this.seq : (this.acks.get(id) ?? 0)));
    const count = this.queue.findIndex((read) => read.seq > confirmed);
    return this.queue.splice(0, count === -1 ? this.queue.length : count);
  }

  /** Takes out the reads whose deadline has passed. */
  takeExpired(tick: number): readonly PendingRead[] {
    const count = this.queue.findIndex((read) => read.deadline > tick);
    return this.queue.splice(0, count === -1 ? this.queue.length : count);
  }

  /** Takes out everything: leadership is lost. */
  takeAll(): readonly PendingRead[] {
    this.acks.clear();
    this.seq = 0;
    this.unsent = false;
    return this.queue.splice(0);
  }
}
