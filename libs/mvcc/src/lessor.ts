import { assert } from "@trireme/base";
import type { Leases } from "./leases.ts";

/** Leases that end in one second at most: each costs a log entry, and ten thousand at once would stop everything else. */
export const MAX_EXPIRIES_PER_SECOND = 1000;

/** After a change of leader, ends that fall together are spread to this rate: below the most, so that none pile up. */
const SPREAD_PER_SECOND = 750;

/** A lease whose revocation was asked for and did not come about is handed out again after this time. As etcd. */
const RETRY_MS = 3000;

const SECOND_MS = 1000;

/** What is left of leases that live longer than this is noted in the log this often. As etcd. */
export const CHECKPOINT_MS = 300_000;

/** Leases noted in one log entry. As etcd. */
const MAX_CHECKPOINTS = 1000;

/** One life of a lease, under one leader: an id may be granted again after its end, and the old life's turn still come. */
interface Life {
  readonly id: bigint;
  endsAt: number;
  /** Its revocation is on its way into the log, and may come about however often it seems to have failed. */
  isEnding: boolean;
}

/** A turn in the queue. */
interface Turn {
  readonly life: Life;
  /** Not before this moment; the lease may have been renewed since. */
  readonly at: number;
}

/**
 * Counts the leases' time, on the leader alone. Pure: every call says what time it is (monotonic milliseconds), and what
 * is due is handed out, not done.
 *
 * Invariant T1: a lease is never handed out before its whole time to live has passed since it was granted, last renewed,
 * or taken over from another leader; the take-over adds an election timeout, because the old leader may have renewed
 * it until it noticed that it had lost its office.
 */
export class Lessor {
  private readonly store: { readonly leases: Leases };
  /** When each lease ends, as far as this leader knows; undefined while it does not lead. */
  private lives: Map<bigint, Life> | undefined;
  /** Leases handed out as due; their end is certain but for a change of leader. */
  private readonly expiring = new Set<bigint>();
  /** One turn for each life: a renewal only moves its end, and the turn is put back when it comes too early. */
  private readonly queue = new TurnQueue();
  /** Leases whose remaining time was handed out to be noted, by this leader, and not taken back since. */
  private readonly noted = new Set<bigint>();
  private toNote: bigint[] = [];
  private noteAt = 0;
  /** From when on a lease lives for its whole time under this leader, whatever an earlier one promised. */
  private wholeFrom = 0;
  private budgetSecond = 0;
  private budget = MAX_EXPIRIES_PER_SECOND;

  private readonly checkpointMs: number;

  /** `store` is asked for its leases each time: a snapshot replaces them. */
  constructor(store: { readonly leases: Leases }, checkpointMs = CHECKPOINT_MS) {
    this.store = store;
    this.checkpointMs = checkpointMs;
  }

  private get leases(): Leases {
    return this.store.leases;
  }

  /** Whether this member counts time. */
  get isPrimary(): boolean {
    return this.lives !== undefined;
  }

  /** This member leads now: every lease lives on for its whole time and `extendMs`, spread where too many ends meet. */
  promote(now: number, extendMs: number): void {
    this.demote();
    this.lives = new Map();
    this.noteAt = now + this.checkpointMs;
    this.wholeFrom = now + extendMs;
    const all = this.leases.list().map(({ id, ttl, remaining = ttl }) => ({
      id,
      at: this.wholeFrom + remaining * SECOND_MS,
    }));
    all.sort((a, b) => a.at - b.at);
    const spread = all.length > SPREAD_PER_SECOND ? SECOND_MS / SPREAD_PER_SECOND : 0;
    let earliest = 0;
    for (const { id, at } of all) {
      const end = Math.max(at, earliest);
      earliest = end + spread;
      this.begin(id, end);
    }
  }

  /** Another member leads now. */
  demote(): void {
    this.lives = undefined;
    this.expiring.clear();
    this.queue.clear();
    this.noted.clear();
    this.toNote = [];
  }

  /** A grant was applied. */
  granted(id: bigint, now: number): void {
    const lease = this.leases.get(id);
    if (lease !== undefined) this.begin(id, now + lease.ttl * SECOND_MS);
  }

  private begin(id: bigint, endsAt: number): void {
    if (this.lives === undefined) return;
    const life = { id, endsAt, isEnding: false };
    this.lives.set(id, life);
    this.queue.push({ life, at: endsAt });
  }

  /** A revocation was applied. */
  revoked(id: bigint): void {
    this.lives?.delete(id);
    this.expiring.delete(id);
    this.noted.delete(id);
  }

  /**
   * Now and then: what is left of long leases, to be noted in the log. From here on a lease that is named must not be
   * renewed before a checkpoint of 0 was applied ({@link isNoted}): else the next leader would end it too early.
   */
  checkpoints(now: number): { id: bigint; remaining: number }[] {
    const { lives } = this;
    if (lives === undefined) return [];
    if (now >= this.noteAt) {
      this.noteAt = now + this.checkpointMs;
      this.toNote = [...lives.values()].filter(({ endsAt }) => endsAt - now > this.checkpointMs).map(({ id }) => id);
    }
    const taken = this.toNote.splice(0, MAX_CHECKPOINTS);
    return taken.flatMap((id) => {
      const life = lives.get(id);
      if (life === undefined || life.endsAt <= now || this.expiring.has(id)) return [];
      this.noted.add(id);
      return [{ id, remaining: Math.ceil((life.endsAt - now) / SECOND_MS) }];
    });
  }

  /** Whether another leader may believe that less than its whole time is left of the lease. */
  isNoted(id: bigint): boolean {
    return this.noted.has(id) || this.leases.get(id)?.remaining !== undefined;
  }

  /** The lease is about to be renewed: nothing is noted of it until {@link renew}. */
  keepUnnoted(id: bigint): void {
    this.toNote = this.toNote.filter((other) => other !== id);
  }

  /**
   * A checkpoint of 0 was applied, perhaps an earlier leader's that this one had in its log and not yet in its state when it took
   * office: then it counted what was noted before, and the holder may have been promised the whole time.
   */
  takenBack(id: bigint): void {
    const life = this.lives?.get(id);
    const lease = this.leases.get(id);
    if (life === undefined || lease === undefined || life.isEnding) return;
    life.endsAt = Math.max(life.endsAt, this.wholeFrom + lease.ttl * SECOND_MS);
  }

  /** A checkpoint of 0 was proposed after all others and is applied. */
  unnoted(id: bigint): void {
    if (this.leases.get(id)?.remaining === undefined) this.noted.delete(id);
  }

  /**
   * Whether a lease that was handed out as due is so still, now that everything committed before is applied; if so it will be
   * revoked, else it lives on.
   */
  stillDue(id: bigint, now: number): boolean {
    const life = this.lives?.get(id);
    if (life === undefined || !this.expiring.has(id)) return false;
    life.isEnding ||= life.endsAt <= now;
    if (!life.isEnding) this.expiring.delete(id);
    return life.isEnding;
  }

  /** Whether the lease has been handed out as due: it cannot be renewed any more, except by another leader. */
  isExpiring(id: bigint): boolean {
    return this.expiring.has(id);
  }

  /**
   * Gives the lease its whole time again; answers that time in seconds, or undefined when there is no such lease or it is
   * ending. The caller has made sure that it leads and that everything committed before the request is applied (B19).
   */
  renew(id: bigint, now: number): number | undefined {
    assert(this.lives !== undefined, "only the leader renews leases");
    const lease = this.leases.get(id);
    const life = this.lives.get(id);
    if (lease === undefined || life === undefined || this.expiring.has(id)) return undefined;
    assert(!this.isNoted(id), "what is noted of a lease is taken back before it is renewed");
    life.endsAt = Math.max(life.endsAt, now + lease.ttl * SECOND_MS);
    return lease.ttl;
  }

  /** Milliseconds that the lease has left, at least 0; undefined when there is no such lease. */
  remainingMs(id: bigint, now: number): number | undefined {
    const life = this.lives?.get(id);
    return life === undefined ? undefined : Math.max(0, life.endsAt - now);
  }

  /** Leases whose time is over, at most as many as the rate allows; each again after a while as long as it exists. */
  due(now: number): bigint[] {
    const { lives } = this;
    if (lives === undefined) return [];
    const second = Math.floor(now / SECOND_MS);
    if (second !== this.budgetSecond) {
      this.budgetSecond = second;
      this.budget = MAX_EXPIRIES_PER_SECOND;
    }
    const due: bigint[] = [];
    while (this.budget > 0) {
      const next = this.queue.peek();
      if (next === undefined || next.at > now) break;
      this.queue.pop();
      const { life } = next;
      if (lives.get(life.id) !== life) continue;
      if (life.endsAt > now) {
        this.queue.push({ life, at: life.endsAt });
        continue;
      }
      this.budget -= 1;
      this.expiring.add(life.id);
      this.queue.push({ life, at: now + RETRY_MS });
      due.push(life.id);
    }
    return due;
  }
}

/** A binary heap, earliest turn first. */
class TurnQueue {
  private heap: Turn[] = [];

  peek(): Turn | undefined {
    return this.heap[0];
  }

  clear(): void {
    this.heap = [];
  }

  push(turn: Turn): void {
    const { heap } = this;
    let at = heap.push(turn) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at <= turn.at) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = turn;
  }

  pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child += 1;
      if (heap[child]!.at >= last.at) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
