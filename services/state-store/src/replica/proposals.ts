import { randomBytes } from "node:crypto";
import type { TriremeError } from "@trireme/base";
import { type Clock } from "@trireme/base";
import type { Outcome } from "@trireme/mvcc";
import type { Entry, NodeId } from "@trireme/raft";
import { type Origin, counterOf, payloadOf } from "../apply/command.ts";
import { FAILURE } from "./failures.ts";

/** Requests of clients that wait for their entry; more is back-pressure, as etcd's "too many requests". */
const MAX_PENDING_PROPOSALS = 10_000;

/** Ends of leases still get in when nothing else does: with them goes what they hold, and that may be the way out. */
const URGENT_EXTRA = 1000;

/** After a change of leader, what the old one had been given shows within this time or most likely never. */
const OLD_LEADER_GRACE_MS = 1000;

interface Pending {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: TriremeError) => void;
  readonly deadline: number;
  /** Earlier than the deadline once the leader that was given the request is gone. */
  lostAt: number;
  /** Set once the core took it: from then on its outcome may be unknown. */
  proposed: boolean;
  /** Where this leader put it; another term there means that it did not happen. */
  place: { readonly index: number; readonly term: number } | undefined;
  /** The leader it was sent to, when that is another member. */
  forwardedTo: NodeId | undefined;
}

/** Requests on their way through the log, answered when their entry is applied here. */
export class Proposals {
  readonly life = randomBytes(8);
  private readonly clock: Clock;
  private readonly onFailed: () => void;
  private readonly pending = new Map<number, Pending>();
  private readonly places = new Map<number, number>();
  private counter = 0;

  /** `onFailed`: told of each request that is not answered by its entry. */
  constructor(clock: Clock, onFailed: () => void = () => undefined) {
    this.clock = clock;
    this.onFailed = onFailed;
  }

  get size(): number {
    return this.pending.size;
  }

  /** Whether there is room for one more request. */
  hasRoom(urgent = false): boolean {
    return this.pending.size < MAX_PENDING_PROPOSALS + (urgent ? URGENT_EXTRA : 0);
  }

  /** Begins a request, for which there is room. */
  begin(timeoutMs: number): { origin: Origin; outcome: Promise<Outcome> } {
    const counter = ++this.counter;
    const outcome = new Promise<Outcome>((resolve, reject) => {
      const deadline = this.clock.monotonic() + timeoutMs;
      this.pending.set(counter, {
        resolve,
        reject,
        deadline,
        lostAt: Infinity,
        proposed: false,
        place: undefined,
        forwardedTo: undefined,
      });
    });
    return { origin: { life: this.life, counter }, outcome };
  }

  /** The core put the request into its own log. */
  proposed(counter: number, place: { readonly index: number; readonly term: number }): void {
    const pending = this.pending.get(counter);
    if (pending === undefined) return;
    pending.proposed = true;
    pending.place = place;
    this.places.set(place.index, counter);
  }

  /** The core sent the request to the leader. */
  forwarded(counter: number, leader: NodeId): void {
    const pending = this.pending.get(counter);
    if (pending === undefined) return;
    pending.proposed = true;
    pending.forwardedTo = leader;
  }

  /** Whether the request still waits for an answer. */
  isOpen(counter: number): boolean {
    return this.pending.has(counter);
  }

  /** The request certainly did not and will not happen. */
  refuse(counter: number, error: TriremeError): void {
    this.fail(counter, error);
  }

  /** An entry was applied: answers its request, and the one that had hoped for its place. */
  applied(entry: Entry, outcome: Outcome): void {
    const hoped = this.places.get(entry.index);
    if (hoped !== undefined && this.pending.get(hoped)?.place?.term !== entry.term) {
      this.refuse(hoped, FAILURE.leaderChanged());
    }
    const payload = payloadOf(entry);
    if (payload === undefined) return;
    const counter = counterOf(payload, this.life);
    if (counter !== undefined) this.take(counter)?.resolve(outcome);
  }

  /**
   * Nobody will say what became of what was proposed: a snapshot jumped over entries, or there has been no leader for
   * long.
   */
  giveUp(): void {
    for (const [counter, pending] of this.pending) {
      if (pending.proposed) this.fail(counter, FAILURE.timeout());
    }
  }

  /** Another member leads now: what was proposed before will show soon, or its outcome stays unknown. */
  leaderChanged(): void {
    const lostAt = this.clock.monotonic() + OLD_LEADER_GRACE_MS;
    for (const pending of this.pending.values())
      if (pending.proposed) pending.lostAt = Math.min(pending.lostAt, lostAt);
  }

  /** The wire to `leader` broke: what it was sent may never have arrived. */
  linkLost(leader: NodeId): void {
    const lostAt = this.clock.monotonic() + OLD_LEADER_GRACE_MS;
    for (const pending of this.pending.values()) {
      if (pending.forwardedTo === leader) pending.lostAt = Math.min(pending.lostAt, lostAt);
    }
  }

  /**
   * The first entry of `leader`'s term is applied: what an earlier leader had been given is in the log before it, and
   * answered, or lost. Not certainly lost, since that member may lead again and find the message then.
   */
  termBegan(leader: NodeId): void {
    for (const [counter, pending] of this.pending) {
      const elsewhere = pending.forwardedTo !== undefined && pending.forwardedTo !== leader;
      if (elsewhere) this.fail(counter, FAILURE.leaderLost());
    }
  }

  /** Gives up on what has waited too long. */
  expire(): void {
    const now = this.clock.monotonic();
    for (const [counter, pending] of this.pending) {
      if (pending.lostAt <= now) this.fail(counter, FAILURE.leaderLost());
      else if (pending.deadline <= now) {
        this.fail(counter, pending.proposed ? FAILURE.timeout() : FAILURE.noLeader());
      }
    }
  }

  private fail(counter: number, error: TriremeError): void {
    const pending = this.take(counter);
    if (pending === undefined) return;
    this.onFailed();
    pending.reject(error);
  }

  private take(counter: number): Pending | undefined {
    const pending = this.pending.get(counter);
    if (pending === undefined) return undefined;
    this.pending.delete(counter);
    if (pending.place !== undefined && this.places.get(pending.place.index) === counter) {
      this.places.delete(pending.place.index);
    }
    return pending;
  }
}
