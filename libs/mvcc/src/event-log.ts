import type { Version } from "./version.ts";

/** Every write since the last compaction, oldest first: what watchers that are behind read. */
export class EventLog {
  private events: Version[] = [];
  /** Index of the first event that still counts; those before it go when they are half of the array. */
  private head = 0;

  get length(): number {
    return this.events.length - this.head;
  }

  at(position: number): Version | undefined {
    return this.events[this.head + position];
  }

  append(event: Version): void {
    this.events.push(event);
  }

  /** Position of the first event at `revision` or later. */
  find(revision: number): number {
    let low = this.head;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle]!.modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low - this.head;
  }

  /** Drops the oldest event. */
  shift(): void {
    this.head += 1;
    if (this.head > 1024 && this.head * 2 > this.events.length) {
      this.events = this.events.slice(this.head);
      this.head = 0;
    }
  }

  /** Takes events in any order, as a snapshot holds them, and puts them in order. */
  fill(events: Version[]): void {
    this.events = events.sort((a, b) => a.modRevision - b.modRevision || a.sub - b.sub);
    this.head = 0;
  }
}
