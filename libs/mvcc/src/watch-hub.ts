import { assert } from "@trireme/base";
import { inRange } from "./bytes.ts";
import type { MvccStore } from "./store.ts";
import type { KeyValue } from "./types.ts";
import { type Version, isTombstone } from "./version.ts";

/**
 * Events that wait in a watcher's own queue. Past it the queue is dropped and the watcher reads the shared history
 * instead, so that a thousand stalled watchers cost a number each and not a copy of the stream.
 */
const MAX_PENDING_EVENTS = 1024;

/** History entries that one `take` looks at, so that a watcher far behind on a rare key cannot hold the event loop. */
const MAX_SCANNED_EVENTS = 10_000;

/** What to watch; ranges by etcd's rules. */
export interface WatchSpec {
  readonly key: string;
  readonly rangeEnd: string;
  /** Inclusive; 0: from now on. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
}

export interface WatchEvent {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
  readonly prevKv: KeyValue | undefined;
}

/** What a watcher has to say next. */
export type WatchBatch =
  /** Whole revisions, oldest first; every matching event up to `revision` is now delivered. `more`: call again. */
  | {
      readonly type: "events";
      readonly events: readonly WatchEvent[];
      readonly revision: number;
      readonly more: boolean;
    }
  /** The history that it needs is gone: the watch is over. */
  | { readonly type: "compacted"; readonly compactRevision: number };

/** One watch. The transport takes from it when it can write, so a slow reader holds back nobody. */
export interface Watcher {
  readonly spec: WatchSpec;
  /** Takes what is ready, about `maxEvents` (a revision is never split); undefined when there is nothing. */
  take(maxEvents: number): WatchBatch | undefined;
  /** The revision up to which everything has been taken, or undefined while something waits. */
  progress(): number | undefined;
  close(): void;
}

/**
 * Hands every applied event to the watchers whose range it is in.
 *
 * Guarantees, as etcd names them: ordered (by revision, then by order within the transaction), unique, reliable (no gap
 * between the start revision and what was taken), atomic (one revision is never split over batches), resumable.
 */
export class WatchHub {
  private readonly store: MvccStore;
  private readonly singles = new Map<string, Set<HubWatcher>>();
  private readonly ranges = new Set<HubWatcher>();
  private published: number;
  private restores: number;

  constructor(store: MvccStore) {
    this.store = store;
    this.published = store.revision;
    this.restores = store.restores;
  }

  get size(): number {
    let size = this.ranges.size;
    for (const watchers of this.singles.values()) size += watchers.size;
    return size;
  }

  /** Registers a watch. `wake` is called when something may be there to take; at most once until the next `take`. */
  watch(spec: WatchSpec, wake: () => void): Watcher {
    assert(this.published === this.store.revision, "watches are created between applies");
    const watcher = new HubWatcher(this.store, spec, wake, () => this.forget(watcher));
    if (spec.rangeEnd === "") {
      const watchers = this.singles.get(spec.key);
      if (watchers === undefined) this.singles.set(spec.key, new Set([watcher]));
      else watchers.add(watcher);
    } else {
      this.ranges.add(watcher);
    }
    return watcher;
  }

  /** Distributes everything applied since the last call. Call it after each batch of applies, before any trim. */
  publish(): void {
    const { store } = this;
    if (store.restores !== this.restores) {
      // The whole state was replaced: what waited is in the new history, unless that was compacted meanwhile.
      this.restores = store.restores;
      for (const watcher of this.all()) watcher.fallBehind(this.published);
    } else if (store.revision > this.published) {
      for (let i = store.log.find(this.published + 1); i < store.log.length; i++) this.distribute(store.log.at(i)!);
    }
    this.published = store.revision;
  }

  private distribute(event: Version): void {
    for (const watcher of this.ranges) {
      if (inRange(event.key, watcher.spec.key, watcher.spec.rangeEnd)) watcher.offer(event);
    }
    const singles = this.singles.get(event.key);
    if (singles !== undefined) for (const watcher of singles) watcher.offer(event);
  }

  private *all(): Generator<HubWatcher> {
    yield* this.ranges;
    for (const watchers of this.singles.values()) yield* watchers;
  }

  private forget(watcher: HubWatcher): void {
    if (watcher.spec.rangeEnd !== "") {
      this.ranges.delete(watcher);
      return;
    }
    const watchers = this.singles.get(watcher.spec.key);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.singles.delete(watcher.spec.key);
  }
}

class HubWatcher implements Watcher {
  readonly spec: WatchSpec;
  private readonly store: MvccStore;
  private readonly wake: () => void;
  private readonly forget: () => void;
  /** Everything before it has been taken, or waits in `pending`. */
  private next: number;
  private pending: Version[] = [];
  /** Reads history instead of `pending`. */
  private behind: boolean;
  private awake = false;

  constructor(store: MvccStore, spec: WatchSpec, wake: () => void, forget: () => void) {
    this.store = store;
    this.spec = spec;
    this.wake = wake;
    this.forget = forget;
    this.next = spec.startRevision === 0 ? store.revision + 1 : spec.startRevision;
    this.behind = this.next <= store.revision;
  }

  offer(event: Version): void {
    if (event.modRevision < this.next || this.behind || this.isFilteredOut(event)) return;
    if (this.pending.length >= MAX_PENDING_EVENTS) {
      this.fallBehind(event.modRevision - 1);
      return;
    }
    this.pending.push(event);
    this.rouse();
  }

  /** Turns to the shared history; what waited will be found there again. Everything to `offered` has been offered. */
  fallBehind(offered: number): void {
    if (!this.behind) this.next = Math.max(this.next, this.pending[0]?.modRevision ?? offered + 1);
    this.pending = [];
    this.behind = this.next <= this.store.revision;
    this.rouse();
  }

  take(maxEvents: number): WatchBatch | undefined {
    this.awake = false;
    return this.behind ? this.takeHistory(maxEvents) : this.takePending(maxEvents);
  }

  progress(): number | undefined {
    // A watch that starts in the future has nothing to say about revisions before its start.
    if (this.behind || this.pending.length > 0 || this.next > this.store.revision + 1) return undefined;
    return this.store.revision;
  }

  close(): void {
    this.forget();
    this.pending = [];
  }

  private takePending(maxEvents: number): WatchBatch | undefined {
    if (this.pending.length === 0) {
      return undefined;
    }
    let end = Math.min(maxEvents, this.pending.length);
    while (end < this.pending.length && this.pending[end]!.modRevision === this.pending[end - 1]!.modRevision) end += 1;
    const taken = this.pending.slice(0, end);
    this.pending = this.pending.slice(end);
    const revision = taken.at(-1)!.modRevision;
    this.next = Math.max(this.next, revision + 1);
    const events = taken.map((event) => this.toEvent(event));
    return { type: "events", events, revision, more: this.pending.length > 0 };
  }

  private takeHistory(maxEvents: number): WatchBatch | undefined {
    const { log, compactRevision } = this.store;
    if (this.next < compactRevision) return { type: "compacted", compactRevision };
    const events: WatchEvent[] = [];
    let revision = this.next - 1;
    let position = log.find(this.next);
    let scanned = 0;
    for (; position < log.length; position++, scanned++) {
      const event = log.at(position)!;
      if (event.modRevision !== revision && (events.length >= maxEvents || scanned >= MAX_SCANNED_EVENTS)) break;
      revision = event.modRevision;
      if (!inRange(event.key, this.spec.key, this.spec.rangeEnd) || this.isFilteredOut(event)) continue;
      events.push(this.toEvent(event));
    }
    if (position >= log.length) {
      this.behind = false;
      revision = this.store.revision;
    }
    this.next = revision + 1;
    if (events.length === 0) return this.behind ? { type: "events", events, revision, more: true } : undefined;
    // The header's revision of a batch is that of its last event, as when it had arrived live.
    return { type: "events", events, revision: events.at(-1)!.kv.modRevision, more: this.behind };
  }

  private toEvent(event: Version): WatchEvent {
    const { prev } = event;
    // What was before is told only while that revision can be read, so that all replicas tell the same.
    const known = prev !== undefined && !isTombstone(prev) && event.modRevision - 1 >= this.store.compactRevision;
    return {
      type: isTombstone(event) ? "delete" : "put",
      kv: event,
      prevKv: this.spec.prevKv && known ? prev : undefined,
    };
  }

  private isFilteredOut(event: Version): boolean {
    return isTombstone(event) ? this.spec.noDelete : this.spec.noPut;
  }

  private rouse(): void {
    if (this.awake) return;
    this.awake = true;
    this.wake();
  }
}
