import { type Clock, assert, errorFrom, sleep } from "@trireme/base";
import type { Resource } from "@trireme/api";
import { type StoreClient, type Watch, type WatchEvent, prefixEnd } from "@trireme/store-client";
import type { Logger } from "@trireme/telemetry";
import { decodeObject } from "./codec.ts";
import { REGISTRY_PREFIX, type RangeKind, parseKey, resourceId } from "./keys.ts";
import { ResourceCache } from "./resource-cache.ts";
import { type StoredEvent, StoredObject } from "./stored-object.ts";

/** Keys read at a time while the cache fills: about a megabyte of pods, well under a message's limit. */
const SNAPSHOT_PAGE = 500;

/**
 * The cache starts this many revisions in the past and plays them again, so that watchers of a restarted server resume
 * instead of listing everything. Bounded by the per-resource history anyway.
 */
const START_BEHIND_REVISIONS = 1000;

const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2000;

/** How long a waiter sits still before the store is asked how far it is: usually the event is on its way already. */
const PROGRESS_NUDGE_MS = 20;

/** Told of each event of one resource, in order; and when the cache had to start over and history was lost. */
export interface CacheListener {
  onEvent(event: StoredEvent): void;
  onReset(): void;
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
}

/** What the cache needs. */
export interface WatchCacheOptions {
  readonly store: StoreClient;
  readonly resources: readonly Resource[];
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Every object under `/registry/`, following one store watch: one order, one applied revision.
 *
 * Invariant: at any moment outside of `apply`, the caches hold exactly the state at `revision`, and every listener has
 * been told of every event up to it.
 */
export class WatchCache {
  private readonly store: StoreClient;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly resources: readonly Resource[];
  private readonly ids: ReadonlySet<string>;
  private caches = new Map<string, ResourceCache>();
  private claimed = new Map<string, Set<string>>();
  private readonly listeners = new Map<string, Set<CacheListener>>();
  private waiters: Waiter[] = [];
  private applied = 0;
  private isSynced = false;
  private watch: Watch | undefined;
  private readonly stopped = new AbortController();
  private nudge: (() => void) | undefined;

  constructor(options: WatchCacheOptions) {
    this.store = options.store;
    this.clock = options.clock;
    this.log = options.log;
    this.resources = options.resources;
    this.ids = new Set(options.resources.map(resourceId));
    this.reset(0);
  }

  /** The revision that the cache has reached. */
  get revision(): number {
    return this.applied;
  }

  /** Whether the cache has caught up with the store since it last started over. */
  get synced(): boolean {
    return this.isSynced;
  }

  /** The objects of one resource. */
  of(resource: Pick<Resource, "group" | "resource">): ResourceCache {
    const cache = this.caches.get(resourceId(resource));
    assert(cache !== undefined, `no cache for ${resourceId(resource)}`);
    return cache;
  }

  /** What is allocated of one kind, as the last part of its keys. */
  claims(kind: RangeKind): ReadonlySet<string> {
    return this.claimed.get(kind) ?? new Set();
  }

  /** Fills the cache and follows the store until `stop`; resolves when it is first in step. */
  async start(): Promise<void> {
    let delay = RETRY_MIN_MS;
    while (!this.stopped.signal.aborted) {
      try {
        await this.fill();
        return;
      } catch (thrown) {
        if (this.stopped.signal.aborted) return;
        this.log.warn("watch cache could not fill, trying again", { err: thrown, delayMs: delay });
        await sleep(delay, this.stopped.signal).catch((reason: unknown) => errorFrom(reason));
        delay = Math.min(delay * 2, RETRY_MAX_MS);
      }
    }
  }

  stop(): void {
    this.stopped.abort(new Error("the watch cache stops"));
    this.watch?.close();
    this.nudge?.();
    for (const waiter of this.waiters.splice(0)) waiter.resolve(false);
  }

  /** Whether the cache reached `revision` within `timeoutMs`. */
  waitFor(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.applied >= revision && this.isSynced) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = this.clock.after(timeoutMs, () => {
        this.waiters = this.waiters.filter((one) => one !== waiter);
        resolve(false);
      });
      const waiter: Waiter = {
        revision,
        resolve: (reached) => {
          cancel();
          resolve(reached);
        },
      };
      this.waiters.push(waiter);
      this.nudge ??= this.clock.after(PROGRESS_NUDGE_MS, () => {
        this.nudge = undefined;
        if (this.waiters.length > 0) this.watch?.requestProgress();
      });
    });
  }

  /** Follows one resource from the cache's present revision on; returns what ends it. */
  subscribe(resource: Pick<Resource, "group" | "resource">, listener: CacheListener): () => void {
    const set = this.listeners.get(resourceId(resource)) ?? new Set();
    this.listeners.set(resourceId(resource), set);
    set.add(listener);
    return () => set.delete(listener);
  }

  private reset(floor: number): void {
    this.caches = new Map(this.resources.map((resource) => [resourceId(resource), new ResourceCache(floor)]));
    this.claimed = new Map();
    this.applied = floor;
    this.isSynced = false;
  }

  private async fill(): Promise<void> {
    const newest = await this.store.readRevision();
    const kvs = await this.snapshot(Math.max(1, newest - START_BEHIND_REVISIONS)).catch((thrown: unknown) => {
      if (errorFrom(thrown).code !== "Expired") throw thrown;
      return this.snapshot(newest);
    });
    this.reset(kvs.revision);
    for (const { key, value, modRevision } of kvs.items) this.place(key, value, modRevision);
    for (const cache of this.caches.values()) cache.seeded();
    for (const set of this.listeners.values()) for (const listener of [...set]) listener.onReset();
    this.log.info("watch cache filled", { revision: kvs.revision, newest, keys: kvs.items.length });
    this.follow();
    if (this.applied >= newest) this.markSynced();
    else await this.caughtUp(newest);
  }

  private async snapshot(revision: number): Promise<{
    revision: number;
    items: { key: string; value: Uint8Array; modRevision: number }[];
  }> {
    const items: { key: string; value: Uint8Array; modRevision: number }[] = [];
    const rangeEnd = prefixEnd(REGISTRY_PREFIX);
    for (let key = REGISTRY_PREFIX; ;) {
      const page = await this.store.range({ key, rangeEnd, limit: SNAPSHOT_PAGE, revision });
      items.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { revision, items };
      key = `${last.key}\0`;
    }
  }

  /** Puts one pair of the snapshot in place. */
  private place(key: string, value: Uint8Array, modRevision: number): void {
    const parsed = parseKey(key);
    if (parsed === undefined) return;
    if (this.ids.has(parsed.resourceId)) {
      const state = new StoredObject(parsed.path, decodeObject(value, modRevision), modRevision);
      this.caches.get(parsed.resourceId)!.seed(state);
    } else {
      this.claim(parsed.resourceId, parsed.path, true);
    }
  }

  private claim(id: string, path: string, taken: boolean): void {
    if (!id.startsWith("ranges/")) return;
    const kind = id.slice("ranges/".length);
    const set = this.claimed.get(kind) ?? new Set<string>();
    this.claimed.set(kind, set);
    if (taken) set.add(path);
    else set.delete(path);
  }

  private follow(): void {
    this.watch?.close();
    this.watch = this.store.watch(
      {
        key: REGISTRY_PREFIX,
        rangeEnd: prefixEnd(REGISTRY_PREFIX),
        startRevision: this.applied + 1,
        progressNotify: true,
      },
      {
        onEvents: (events, revision) => this.apply(events, revision),
        onProgress: (revision) => this.advance(revision),
        onEnd: (end) => {
          this.log.warn("watch cache lost its watch, filling again", { err: end });
          this.isSynced = false;
          void this.start().catch((thrown: unknown) => this.log.error("watch cache failed", { err: thrown }));
        },
      },
    );
  }

  private apply(events: readonly WatchEvent[], revision: number): void {
    for (const { type, kv } of events) {
      const parsed = parseKey(kv.key);
      if (parsed === undefined) continue;
      const cache = this.caches.get(parsed.resourceId);
      if (cache === undefined) {
        this.claim(parsed.resourceId, parsed.path, type === "put");
        continue;
      }
      const next =
        type === "put"
          ? new StoredObject(parsed.path, decodeObject(kv.value, kv.modRevision), kv.modRevision)
          : undefined;
      const event = cache.apply(parsed.path, kv.modRevision, next);
      if (event === undefined) continue;
      for (const listener of this.listeners.get(parsed.resourceId) ?? []) listener.onEvent(event);
    }
    this.advance(revision);
  }

  private advance(revision: number): void {
    if (revision > this.applied) this.applied = revision;
    if (this.waiters.length === 0) return;
    const reached = this.waiters.filter((waiter) => waiter.revision <= this.applied && this.isSynced);
    if (reached.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !reached.includes(waiter));
    for (const waiter of reached) waiter.resolve(true);
  }

  /** Polls progress until the history that lies between the snapshot and `newest` has been played. */
  private async caughtUp(newest: number): Promise<void> {
    while (this.applied < newest) {
      this.watch?.requestProgress();
      await sleep(PROGRESS_NUDGE_MS, this.stopped.signal);
    }
    this.markSynced();
  }

  private markSynced(): void {
    this.isSynced = true;
    this.advance(this.applied);
  }
}
