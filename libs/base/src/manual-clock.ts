import { assert } from "./assert.ts";
import type { Clock } from "./clock.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only when told to: for tests and the simulator. Callbacks run in order of time, then of creation. */
export class ManualClock implements Clock {
  private time: number;
  private order = 0;
  private pending: Pending[] = [];

  constructor(start = 0) {
    this.time = start;
  }

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, callback: () => void): () => void {
    const entry: Pending = { at: this.time + Math.max(0, ms), order: this.order++, callback };
    this.pending.push(entry);
    return () => {
      this.pending = this.pending.filter((other) => other !== entry);
    };
  }

  /** Moves time forward by `ms`, running every callback that falls due, including those scheduled on the way. */
  advance(ms: number): void {
    assert(ms >= 0, "a clock never goes back");
    const end = this.time + ms;
    for (;;) {
      const due = this.pending
        .filter((entry) => entry.at <= end)
        .toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.pending = this.pending.filter((other) => other !== due);
      this.time = Math.max(this.time, due.at);
      due.callback();
    }
    this.time = end;
  }
}
