import type { TriremeError } from "@trireme/base";
import { type Clock } from "@trireme/base";
import type { Raft, ReadState } from "@trireme/raft";
import { FAILURE } from "./failures.ts";

/** A round without an answer for this long is asked again, under a new id: messages may be lost. As etcd. */
const RETRY_MS = 500;

/** Reads that wait; more is back-pressure. */
const MAX_WAITING_READS = 20_000;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: TriremeError) => void;
  readonly deadline: number;
  readonly noLeaderDeadline: number;
}

interface Round {
  readonly id: bigint;
  readonly startedAt: number;
  readonly waiters: Waiter[];
}

/**
 * Linearizable reads: one ReadIndex round is on its way, and everyone who asks meanwhile waits for the next one, since
 * a round proves only what was true after it began.
 */
export class Reads {
  private readonly raft: Pick<Raft, "readIndex">;
  private readonly clock: Clock;
  private waiting: Waiter[] = [];
  private round: Round | undefined;
  /** Confirmed rounds that wait for the state machine. */
  private confirmed: { index: number; waiters: Waiter[] }[] = [];

  constructor(raft: Pick<Raft, "readIndex">, clock: Clock) {
    this.raft = raft;
    this.clock = clock;
  }

  /** Resolves when the local state is at least as new as this call. */
  wait(timeoutMs: number, noLeaderMs: number): Promise<void> {
    if (this.waiting.length >= MAX_WAITING_READS) return Promise.reject(FAILURE.tooManyRequests());
    const now = this.clock.monotonic();
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject, deadline: now + timeoutMs, noLeaderDeadline: now + noLeaderMs });
    });
  }

  /** Begins a round if one is wanted and possible. Call it before asking the core for its Ready. */
  begin(): void {
    if (this.round !== undefined || this.waiting.length === 0) return;
    const result = this.raft.readIndex();
    if (result.kind === "refused") return;
    this.round = { id: result.id, startedAt: this.clock.monotonic(), waiters: this.waiting };
    this.waiting = [];
  }

  /** What the core said about rounds. */
  answered(states: readonly ReadState[], dropped: readonly bigint[]): void {
    for (const state of states) {
      if (state.id !== this.round?.id) continue;
      this.confirmed.push({ index: state.index, waiters: this.round.waiters });
      this.round = undefined;
    }
    for (const id of dropped) if (id === this.round?.id) this.again();
  }

  /** The state machine has reached `index`. */
  applied(index: number): void {
    while (this.confirmed.length > 0 && this.confirmed[0]!.index <= index) {
      for (const waiter of this.confirmed.shift()!.waiters) waiter.resolve();
    }
  }

  /** Asks again, and gives up on what has waited too long. Call it at each tick. */
  tick(hasLeader: boolean): void {
    const now = this.clock.monotonic();
    if (this.round !== undefined && now - this.round.startedAt > RETRY_MS) this.again();
    this.waiting = this.waiting.filter((waiter) => {
      if (now > waiter.deadline) waiter.reject(FAILURE.readTimeout());
      else if (!hasLeader && now > waiter.noLeaderDeadline) waiter.reject(FAILURE.noLeader());
      else return true;
      return false;
    });
  }

  private again(): void {
    // Those who waited for the lost round are older than those who came since.
    if (this.round !== undefined) this.waiting = [...this.round.waiters, ...this.waiting];
    this.round = undefined;
  }
}
