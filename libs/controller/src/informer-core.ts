import { type StreamMessage, type StreamPosition, judgeStreamMessage } from "@trireme/bus";
import type { ApiObject, WatchEvent } from "@trireme/client";
import type { Change } from "./informer-types.ts";
import { ObjectStore, keyOfObject, revisionOf } from "./object-store.ts";

/** What the shell is to do. Sessions number the lists and watches; what comes from an earlier one is ignored. */
export type InformerCommand =
  | { readonly type: "list"; readonly session: number; readonly pauseMs: number }
  | { readonly type: "watch"; readonly session: number; readonly pauseMs: number; readonly from: number }
  /** The stream carries on: end the API watch. */
  | { readonly type: "closeWatch" }
  /** Read one object whose event, of that revision, came without it. */
  | { readonly type: "fetch"; readonly session: number; readonly key: string; readonly revision: number };

/** What one input led to. */
export interface InformerOutput<T> {
  readonly changes: readonly Change<T>[];
  readonly commands: readonly InformerCommand[];
}

/** Why the stream was left, for logs and metrics. */
export type LeaveReason = "gap" | "epoch" | "silence" | "disconnected" | "fetch" | "relist";

/** A relay says something each second; three missed bookmarks mean that it, or the way to it, is gone. */
export const STREAM_SILENCE_MS = 3000;

const FIRST_PAUSE_MS = 50;
/** Longest pause between attempts to read the API: when it returns, everyone is back within seconds. */
const MAX_PAUSE_MS = 5000;

/** Objects read by key at once; past it one watch is cheaper than many reads. */
const MAX_FETCHES = 32;

const NOTHING = { changes: [], commands: [] } as const;

/**
 * Decides how a local copy is kept up: when to list, to watch, to follow the stream. Pure: told what came, answers what
 * changed and what to do.
 *
 * Invariant: every change at or below `complete` is in the store. A transaction may change several objects at one
 * revision, so an event of revision r proves completeness only up to r - 1; a bookmark, a list, or the count in a
 * stream's bookmark proves more. Whatever is uncertain is read again from `complete`; taking an event twice is harmless.
 */
export class InformerCore<T extends ApiObject> {
  readonly store = new ObjectStore<T>();
  mode: "idle" | "listing" | "watch" | "stream" = "idle";
  complete = 0;
  /** How often, and last why, the stream was left. */
  lastLeave: LeaveReason | undefined;
  private readonly matches: (object: T) => boolean;
  private session = 0;
  private failures = 0;
  private listed = false;
  /** Of the present watch: the highest revision seen and how many events came with it. */
  private seenRevision = 0;
  private seenCount = 0;
  private position: StreamPosition = { epoch: "", seq: 0 };
  private heardAt = 0;
  /** Keys that are being read: for which event, and since which (an earlier one that it overtook). */
  private readonly fetching = new Map<string, { readonly revision: number; readonly since: number }>();

  constructor(matches: (object: T) => boolean = () => true) {
    this.matches = matches;
  }

  get hasSynced(): boolean {
    return this.listed;
  }

  start(): InformerOutput<T> {
    return this.mode === "idle" ? this.relist() : NOTHING;
  }

  stop(): InformerOutput<T> {
    this.session += 1;
    this.mode = "idle";
    this.fetching.clear();
    return { changes: [], commands: [{ type: "closeWatch" }] };
  }

  /** The slow timer: reads everything again, in case anything at all went wrong unnoticed. */
  relist(): InformerOutput<T> {
    if (this.mode === "stream") this.lastLeave = "relist";
    return this.toListing(0);
  }

  onListed(session: number, objects: readonly T[], revision: number): InformerOutput<T> {
    if (session !== this.session || this.mode !== "listing") return NOTHING;
    this.failures = 0;
    this.listed = true;
    this.complete = revision;
    return { changes: this.store.replace(objects), commands: [this.toWatch(0)] };
  }

  onListFailed(session: number): InformerOutput<T> {
    if (session !== this.session || this.mode !== "listing") return NOTHING;
    return this.toListing(this.nextPause());
  }

  onWatchEvent(session: number, event: WatchEvent<T>): InformerOutput<T> {
    if (session !== this.session || this.mode !== "watch") return NOTHING;
    this.failures = 0;
    const revision = revisionOf(event.object);
    if (event.type === "BOOKMARK") {
      this.complete = Math.max(this.complete, revision);
      return NOTHING;
    }
    if (revision > this.seenRevision) {
      this.seenRevision = revision;
      this.seenCount = 1;
    } else if (revision === this.seenRevision) {
      this.seenCount += 1;
    }
    this.complete = Math.max(this.complete, revision - 1);
    const change = this.apply(event.type, keyOfObject(event.object), event.object, revision);
    return { changes: change === undefined ? [] : [change], commands: [] };
  }

  /** The watch ended, by itself or with an error; `expired`: its revision is no longer known to the server. */
  onWatchEnded(session: number, outcome: "ended" | "failed" | "expired"): InformerOutput<T> {
    if (session !== this.session || this.mode !== "watch") return NOTHING;
    if (outcome === "expired") return this.toListing(0);
    return { changes: [], commands: [this.toWatch(outcome === "ended" ? FIRST_PAUSE_MS : this.nextPause())] };
  }

  onStream(message: StreamMessage, now: number): InformerOutput<T> {
    if (this.mode === "watch") return this.mayAdopt(message) ? this.adopt(message, now) : NOTHING;
    if (this.mode !== "stream") return NOTHING;
    const verdict = judgeStreamMessage(this.position, message);
    switch (verdict) {
      case "old":
        return NOTHING;
      case "gap":
      case "epoch":
        return this.leaveStream(verdict);
      case "current":
        this.heardAt = now;
        if (message.kind === "bookmark") this.advance(Math.max(message.revision, message.through ?? 0));
        return NOTHING;
      case "next":
        this.heardAt = now;
        this.position = { epoch: message.epoch, seq: message.seq };
        return message.kind === "event" ? this.takeEvent(message) : NOTHING;
    }
  }

  onTick(now: number): InformerOutput<T> {
    if (this.mode !== "stream" || now - this.heardAt < STREAM_SILENCE_MS) return NOTHING;
    return this.leaveStream("silence");
  }

  onBusDown(): InformerOutput<T> {
    return this.mode === "stream" ? this.leaveStream("disconnected") : NOTHING;
  }

  /** An object was read by key for an event: as it is now (undefined: gone). */
  onFetched(session: number, key: string, revision: number, object: T | undefined): InformerOutput<T> {
    // A later event of the key came meanwhile, or the stream was left: what was read may be older than what we have.
    if (session !== this.session || this.fetching.get(key)?.revision !== revision) return NOTHING;
    this.fetching.delete(key);
    const gone = object === undefined || !this.matches(object);
    const change = gone ? this.store.remove(key, Infinity) : this.store.put(key, object, revisionOf(object));
    return { changes: change === undefined ? [] : [change], commands: [] };
  }

  onFetchFailed(session: number, key: string, revision: number): InformerOutput<T> {
    if (session !== this.session || this.fetching.get(key)?.revision !== revision) return NOTHING;
    return this.leaveStream("fetch");
  }

  /** Whether everything up to this message is in the store already, so that the stream can carry on from it. */
  private mayAdopt(message: StreamMessage): boolean {
    if (!this.listed) return false;
    if (this.complete >= message.revision) return true;
    if (message.kind === "event" || message.atRevision === undefined) return false;
    return this.seenRevision === message.revision && this.seenCount >= message.atRevision;
  }

  private adopt(message: StreamMessage, now: number): InformerOutput<T> {
    this.mode = "stream";
    this.session += 1;
    this.failures = 0;
    this.position = { epoch: message.epoch, seq: message.seq };
    this.heardAt = now;
    if (message.kind === "bookmark") this.advance(message.revision);
    return { changes: [], commands: [{ type: "closeWatch" }] };
  }

  private takeEvent(message: Extract<StreamMessage, { kind: "event" }>): InformerOutput<T> {
    const { revision, key, type } = message;
    this.advance(revision - 1);
    if (revision <= this.complete) return NOTHING;
    // Whatever is being read for this key is overtaken by this event.
    const since = this.fetching.get(key)?.since ?? revision;
    this.fetching.delete(key);
    if (type !== "DELETED" && message.object === undefined) {
      if (this.fetching.size >= MAX_FETCHES) return this.leaveStream("fetch");
      this.fetching.set(key, { revision, since });
      return { changes: [], commands: [{ type: "fetch", session: this.session, key, revision }] };
    }
    // The codec has checked that it is an object with metadata; the relay is the apiserver's own.
    const change = this.apply(type, key, message.object as unknown as T | undefined, revision);
    return { changes: change === undefined ? [] : [change], commands: [] };
  }

  private apply(type: string, key: string, object: T | undefined, revision: number): Change<T> | undefined {
    if (type === "DELETED" || object === undefined || !this.matches(object)) return this.store.remove(key, revision);
    return this.store.put(key, object, revision);
  }

  /** Raises `complete`, but never past an event whose object is still being read. */
  private advance(revision: number): void {
    let bound = revision;
    for (const { since } of this.fetching.values()) bound = Math.min(bound, since - 1);
    this.complete = Math.max(this.complete, bound);
  }

  private leaveStream(reason: LeaveReason): InformerOutput<T> {
    this.lastLeave = reason;
    this.fetching.clear();
    return { changes: [], commands: [this.toWatch(0)] };
  }

  private toWatch(pauseMs: number): InformerCommand {
    this.mode = "watch";
    this.session += 1;
    this.seenRevision = 0;
    this.seenCount = 0;
    return { type: "watch", session: this.session, pauseMs, from: this.complete };
  }

  private toListing(pauseMs: number): InformerOutput<T> {
    const commands: InformerCommand[] = this.mode === "watch" ? [{ type: "closeWatch" }] : [];
    this.mode = "listing";
    this.session += 1;
    this.fetching.clear();
    commands.push({ type: "list", session: this.session, pauseMs });
    return { changes: [], commands };
  }

  private nextPause(): number {
    const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures);
    this.failures += 1;
    return pause;
  }
}
