import { StoredEvent, type StoredObject } from "./stored-object.ts";

/**
 * Events kept per resource for watchers that come back. At a busy 500 changes a second this is 8 s of history, at the
 * usual rate many minutes; a client that missed more lists again.
 */
const HISTORY_EVENTS = 4096;

/** All objects of one resource at the cache's revision, in key order, and the events that led there. */
export class ResourceCache {
  private readonly byPath = new Map<string, StoredObject>();
  /** Invariant: the keys of `byPath`, sorted; a namespace's objects stand side by side. */
  private paths: string[] = [];
  private history: StoredEvent[] = [];
  private historyFloor: number;

  constructor(floor: number) {
    this.historyFloor = floor;
  }

  get size(): number {
    return this.byPath.size;
  }

  /** Every event after this revision is still known. */
  get floor(): number {
    return this.historyFloor;
  }

  /** Revision of the newest event, or of the snapshot when none came since: an upper bound of the last change. */
  get lastChange(): number {
    return this.history.at(-1)?.revision ?? this.historyFloor;
  }

  get(path: string): StoredObject | undefined {
    return this.byPath.get(path);
  }

  /** Objects whose path starts with `prefix` (`""` for all), sorted by path, strictly after `after` when given. */
  *range(prefix: string, after?: string): Generator<StoredObject> {
    const from = after === undefined ? this.lowerBound(prefix) : this.lowerBound(`${after}\0`);
    for (let i = from; i < this.paths.length; i++) {
      const path = this.paths[i]!;
      if (!path.startsWith(prefix)) return;
      yield this.byPath.get(path)!;
    }
  }

  /** Puts a snapshot's object in place without an event. Snapshots come sorted. */
  seed(state: StoredObject): void {
    if (!this.byPath.has(state.path)) this.paths.push(state.path);
    this.byPath.set(state.path, state);
  }

  /** Restores the order after seeding: the store sorts bytes, we sort UTF-16 units. */
  seeded(): void {
    this.paths.sort();
  }

  /** Takes in one change and answers the event, or undefined for the deletion of what was not there. */
  apply(path: string, revision: number, next: StoredObject | undefined): StoredEvent | undefined {
    const previous = this.byPath.get(path);
    if (next === undefined) {
      if (previous === undefined) return undefined;
      this.byPath.delete(path);
      this.paths.splice(this.lowerBound(path), 1);
    } else {
      if (previous === undefined) this.paths.splice(this.lowerBound(path), 0, path);
      this.byPath.set(path, next);
    }
    const event = new StoredEvent(revision, path, next, previous);
    this.history.push(event);
    // Trimmed in one cut of a quarter, so that keeping the bound costs O(1) amortised.
    if (this.history.length > HISTORY_EVENTS * 1.25) {
      const cut = this.history.length - HISTORY_EVENTS;
      this.historyFloor = this.history[cut - 1]!.revision;
      this.history = this.history.slice(cut);
    }
    return event;
  }

  /** The events after `revision`, oldest first; only when `revision >= floor`. */
  eventsAfter(revision: number): readonly StoredEvent[] {
    let low = 0;
    let high = this.history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.history[middle]!.revision > revision) high = middle;
      else low = middle + 1;
    }
    return this.history.slice(low);
  }

  private lowerBound(path: string): number {
    let low = 0;
    let high = this.paths.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.paths[middle]! < path) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
