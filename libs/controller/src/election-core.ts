/** What a candidate read of the Lease that stands for the office. */
export interface ObservedLease {
  readonly holder: string;
  /** Changes with each renewal; compared for equality only, never with a clock. */
  readonly renewal: string;
  readonly leaseDurationMs: number;
}

/** How long offices last. */
export interface ElectionTiming {
  /** Others may take over when they have not seen a renewal for this long, by their own clock. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** A holder that could not renew for this long stops, before anyone may take over. */
  readonly renewDeadlineMs: number;
}

/** The timing of our elections. */
export const ELECTION_TIMING: ElectionTiming = { leaseMs: 4000, renewMs: 1000, renewDeadlineMs: 3000 };

/** What a candidate should do now. */
export type ElectionStep = "acquire" | "wait";

/**
 * Watches one office from outside. Pure, on monotonic time: a Lease counts as held until this observer has itself seen
 * it unchanged for the lease's duration, whatever the timestamps inside say.
 */
export class ElectionObserver {
  private seen: ObservedLease | undefined;
  private seenAt = 0;
  private readonly identity: string;

  constructor(identity: string) {
    this.identity = identity;
  }

  /** Judges a fresh read; `undefined`: there is no Lease yet. */
  observe(lease: ObservedLease | undefined, now: number): ElectionStep {
    if (lease === undefined || lease.holder === "" || lease.holder === this.identity) {
      // Our own name from before a restart: the office is ours by name, but its fence is not known: take it anew.
      return "acquire";
    }
    const changed = this.seen === undefined || this.seen.holder !== lease.holder || this.seen.renewal !== lease.renewal;
    if (changed) {
      this.seen = lease;
      this.seenAt = now;
      return "wait";
    }
    return now - this.seenAt >= lease.leaseDurationMs ? "acquire" : "wait";
  }

  /** Time until the Lease that was last seen may be taken, if it stays as it is. */
  expiresInMs(now: number): number {
    return this.seen === undefined ? Infinity : Math.max(0, this.seenAt + this.seen.leaseDurationMs - now);
  }
}
