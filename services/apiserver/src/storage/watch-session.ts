import { type Clock, TriremeError } from "@trireme/base";
import type { Resource } from "@trireme/api";
import type { WatchOptions } from "../pipeline/request.ts";
import { parseRevision } from "../registry/object-store.ts";
import type { Selection } from "../registry/selection.ts";
import type { ConsistentReads } from "./consistent-reads.ts";
import { type EventType, type StoredEvent, type StoredObject, frameOf } from "./stored-object.ts";
import type { WatchCache } from "./watch-cache.ts";

/**
 * Events that may wait for one watcher. A client that is this far behind would not catch up: its watch ends, and it
 * resumes from its last version at its own speed.
 */
const MAX_PENDING_EVENTS = 8192;

/** Between two bookmarks: a client that comes back resumes at most this far behind. */
const BOOKMARK_EVERY_MS = 5000;

/** One thing to tell a watcher. */
export type WatchItem =
  | { readonly type: EventType; readonly state: StoredObject; readonly frame: () => Buffer }
  | { readonly type: "BOOKMARK"; readonly revision: number; readonly endsInitial: boolean }
  | { readonly type: "ERROR"; readonly error: TriremeError };

/** What one watch follows. */
export interface WatchScope {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly selection: Selection;
}

/** One client's watch: a bounded queue between the cache, which never waits, and a connection, which may. */
export class WatchSession {
  private readonly cache: WatchCache;
  private readonly clock: Clock;
  private readonly scope: WatchScope;
  private readonly prefix: string;
  private pending: WatchItem[] = [];
  private wake: (() => void) | undefined;
  private ended = false;
  private after = 0;
  private unsubscribe: (() => void) | undefined;
  private cancelBookmark: (() => void) | undefined;
  private onEnd: (() => void) | undefined;

  private constructor(cache: WatchCache, clock: Clock, scope: WatchScope) {
    this.cache = cache;
    this.clock = clock;
    this.scope = scope;
    this.prefix = scope.namespace === undefined || scope.namespace === "" ? "" : `${scope.namespace}/`;
  }

  /** Opens a watch; throws `Expired` when the asked version lies before the known history. */
  static async open(
    cache: WatchCache,
    reads: ConsistentReads,
    clock: Clock,
    scope: WatchScope,
    options: WatchOptions,
  ): Promise<WatchSession> {
    const asked = options.resourceVersion ?? "";
    const revision = asked === "" ? 0 : parseRevision(asked);
    const resumes = revision > 0 && options.sendInitialEvents !== true;
    if (!resumes) {
      if (revision > 0) await reads.notOlderThan(revision);
      else if (asked === "" && !(await reads.fresh())) throw lagging();
    }
    if (!cache.synced) throw lagging();
    const session = new WatchSession(cache, clock, scope);
    if (resumes) session.resume(revision);
    else session.begin(options.sendInitialEvents);
    session.unsubscribe = cache.subscribe(scope.resource, {
      onEvent: (event) => session.take(event),
      onReset: () => session.finish(expired("the server's history started over")),
    });
    if (options.allowBookmarks === true) session.scheduleBookmark();
    return session;
  }

  /** What has come since, as soon as there is something; undefined when the watch is over. */
  async next(): Promise<readonly WatchItem[] | undefined> {
    while (this.pending.length === 0) {
      if (this.ended) return undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.pending.splice(0);
  }

  /** Has `listener` called when the watch ends, by whomever. */
  whenEnded(listener: () => void): void {
    this.onEnd = listener;
  }

  /** Ends the watch; what is pending can still be read. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd?.();
    this.unsubscribe?.();
    this.cancelBookmark?.();
    this.wake?.();
  }

  private resume(revision: number): void {
    const history = this.cache.of(this.scope.resource);
    if (revision < history.floor) throw expired(`too old resource version: ${revision} (${history.floor})`);
    this.after = revision;
    const news = history.eventsAfter(revision - 1);
    const at = news.findIndex((event) => event.revision > revision);
    const atRevision = at === -1 ? news.length : at;
    // A batch of bindings changes several objects at one revision. A client that broke off may have seen only some of
    // them: they come again, which harms nobody, and none is lost.
    if (atRevision > 1) this.after = revision - 1;
    for (const event of news) this.take(event);
    this.after = revision;
  }

  private begin(sendInitialEvents: boolean | undefined): void {
    this.after = this.cache.revision;
    if (sendInitialEvents === false) return;
    for (const state of this.cache.of(this.scope.resource).range(this.prefix)) {
      if (!this.scope.selection.matches(state.object)) continue;
      this.pending.push({ type: "ADDED", state, frame: () => frameOf("ADDED", state) });
    }
    if (sendInitialEvents === true) {
      this.pending.push({ type: "BOOKMARK", revision: this.after, endsInitial: true });
    }
  }

  private take(event: StoredEvent): void {
    if (event.revision <= this.after || !event.path.startsWith(this.prefix)) return;
    const { selection } = this.scope;
    const had = event.previous !== undefined && selection.matches(event.previous.object);
    const has = event.current !== undefined && selection.matches(event.current.object);
    // Leaving the selection is a deletion to whoever watches it, entering it an addition.
    const type = has ? (had ? "MODIFIED" : "ADDED") : had ? "DELETED" : undefined;
    if (type === undefined) return;
    this.push({ type, state: event.stateFor(type), frame: () => event.frame(type) });
  }

  private push(item: WatchItem): void {
    if (this.ended) return;
    if (this.pending.length >= MAX_PENDING_EVENTS) {
      this.cutBefore(item);
      this.close();
      return;
    }
    this.pending.push(item);
    this.wake?.();
  }

  /** Takes back what shares its revision with the first item that found no room: a revision is told whole or not. */
  private cutBefore(item: WatchItem): void {
    if (!("state" in item)) return;
    for (let last = this.pending.at(-1); last !== undefined && "state" in last; last = this.pending.at(-1)) {
      if (last.state.revision !== item.state.revision) return;
      this.pending.pop();
    }
  }

  private finish(error: TriremeError): void {
    this.push({ type: "ERROR", error });
    this.close();
  }

  private scheduleBookmark(): void {
    this.cancelBookmark = this.clock.after(BOOKMARK_EVERY_MS, () => {
      // Invariant: every event up to the cache's revision has been queued already, so a bookmark never runs ahead.
      const { revision } = this.cache;
      if (revision >= this.after && this.cache.synced) this.push({ type: "BOOKMARK", revision, endsInitial: false });
      if (!this.ended) this.scheduleBookmark();
    });
  }
}

function expired(message: string): TriremeError {
  return new TriremeError("Expired", message);
}

function lagging(): TriremeError {
  return new TriremeError(
    "ServiceUnavailable",
    "this server has not caught up with the store yet; ask again or ask another server",
    { details: { retryAfterSeconds: 1 } },
  );
}
