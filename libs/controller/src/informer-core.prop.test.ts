import { type StreamMessage, StreamPublisher, streamCodec } from "@trireme/bus";
import type { ApiObject, WatchEvent } from "@trireme/client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InformerCore, type InformerOutput } from "./informer-core.ts";
import type { Change } from "./informer-types.ts";
import { keyOfObject, revisionOf } from "./object-store.ts";

/*
 * Goal: whatever the bus, the relay and the API do, the local copy never claims to be further than it is (safety), and
 * once faults end it equals the server's state and follows the stream (liveness).
 * Method: a model server with transactions over several objects, watches, compaction, and a relay; the steps of a run
 * are drawn by fast-check: messages are lost, doubled, held back and reordered, lists and reads are answered late or
 * fail, relays are replaced, the bus goes down. After each step the safety invariant is checked against the history.
 */

interface Logged {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly key: string;
  readonly object: ApiObject;
}

const SUBJECT = "tri.v1.event.pods";

class World {
  readonly core = new InformerCore<ApiObject>();
  revision = 1;
  readonly log: Logged[] = [];
  readonly live = new Map<string, ApiObject>();
  compacted = 0;
  now = 0;
  busUp = true;
  term = 1;
  relay: StreamPublisher;
  /** Stream messages on their way. */
  wire: StreamMessage[] = [];
  watch: { session: number; from: number; next: number } | undefined;
  lists: { session: number; answer?: { items: ApiObject[]; revision: number } }[] = [];
  fetches: { session: number; key: string; revision: number; answer?: { object: ApiObject | undefined } }[] = [];
  /** The copy as rebuilt from the changes told. */
  readonly told = new Map<string, ApiObject>();
  readonly modes = new Set<string>();

  constructor() {
    this.relay = this.newRelay();
    this.take(this.core.start());
  }

  newRelay(): StreamPublisher {
    const relay = new StreamPublisher({
      epoch: `s-${this.term}-1`,
      publish: (_, bytes) => {
        if (this.busUp) this.wire.push(streamCodec.decode(bytes));
      },
    });
    relay.open(SUBJECT, this.revision);
    return relay;
  }

  transaction(keys: readonly number[], isDelete: boolean, isLarge: boolean): void {
    this.revision += 1;
    let changed = false;
    for (const n of new Set(keys)) {
      const key = `ns/k${n}`;
      const old = this.live.get(key);
      if (isDelete && old === undefined) continue;
      changed = true;
      const object: ApiObject = {
        metadata: { namespace: "ns", name: `k${n}`, resourceVersion: String(this.revision) },
      };
      const type = isDelete ? "DELETED" : old === undefined ? "ADDED" : "MODIFIED";
      if (isDelete) this.live.delete(key);
      else this.live.set(key, object);
      this.log.push({ revision: this.revision, type, key, object });
      const body = object as unknown as Readonly<Record<string, unknown>>;
      this.relay.event(SUBJECT, { revision: this.revision, type, key, ...(isLarge ? {} : { object: body }) });
    }
    if (!changed) this.revision -= 1;
  }

  take(output: InformerOutput<ApiObject>): void {
    for (const change of output.changes) this.tell(change);
    for (const command of output.commands) {
      switch (command.type) {
        case "closeWatch":
          this.watch = undefined;
          break;
        case "list":
          this.lists.push({ session: command.session });
          break;
        case "watch":
          this.watch = {
            session: command.session,
            from: command.from,
            next: this.log.filter((e) => e.revision <= command.from).length,
          };
          break;
        case "fetch":
          this.fetches.push({ session: command.session, key: command.key, revision: command.revision });
      }
    }
    this.modes.add(this.core.mode);
    this.checkSafety();
  }

  tell(change: Change<ApiObject>): void {
    expect(change.type === "added").toBe(!this.told.has(change.key));
    if (change.type === "deleted") this.told.delete(change.key);
    else this.told.set(change.key, change.object);
  }

  /** Everything at or below `complete` is in the store, as it was then or as it became later. */
  checkSafety(): void {
    const { complete, store } = this.core;
    if (!this.core.hasSynced) return;
    expect(complete).toBeLessThanOrEqual(this.revision);
    const last = new Map<string, Logged>();
    for (const entry of this.log) if (entry.revision <= complete) last.set(entry.key, entry);
    for (const [key, entry] of last) {
      const have = store.get(key);
      const goneLater = this.log.some((e) => e.key === key && e.type === "DELETED" && e.revision > complete);
      if (entry.type === "DELETED") expect(have === undefined || revisionOf(have) > complete).toBe(true);
      else if (have === undefined) expect(goneLater).toBe(true);
      else expect(revisionOf(have)).toBeGreaterThanOrEqual(entry.revision);
    }
    for (const object of store.all()) {
      if (!last.has(keyOfObject(object))) expect(revisionOf(object)).toBeGreaterThan(complete);
    }
  }

  /** The next event of the open watch, or the news that it is too old; false: there is nothing to tell. */
  stepWatch(): boolean {
    const { watch } = this;
    if (watch === undefined) return false;
    if (watch.from < this.compacted) {
      this.watch = undefined;
      this.take(this.core.onWatchEnded(watch.session, "expired"));
      return true;
    }
    const next = this.log[watch.next];
    if (next === undefined) return false;
    watch.next += 1;
    // An accepted watch is not disturbed by compaction.
    watch.from = Infinity;
    const event: WatchEvent<ApiObject> = { type: next.type, object: next.object };
    this.take(this.core.onWatchEvent(watch.session, event));
    return true;
  }

  /** A bookmark comes only when everything before it was sent. */
  bookmarkWatch(): void {
    while (this.stepWatch());
    if (this.watch === undefined) return;
    const object: ApiObject = { metadata: { resourceVersion: String(this.revision) } };
    this.take(this.core.onWatchEvent(this.watch.session, { type: "BOOKMARK", object }));
  }

  failWatch(): void {
    const { watch } = this;
    this.watch = undefined;
    if (watch !== undefined) this.take(this.core.onWatchEnded(watch.session, "failed"));
  }

  /** The server reads; the answer is on its way. */
  readList(index: number): void {
    const list = this.lists[index % Math.max(1, this.lists.length)];
    if (list !== undefined) list.answer ??= { items: [...this.live.values()], revision: this.revision };
  }

  answerList(index: number, fails: boolean): void {
    const [list] = this.lists.splice(index % Math.max(1, this.lists.length), 1);
    if (list === undefined) return;
    if (fails) return this.take(this.core.onListFailed(list.session));
    const answer = list.answer ?? { items: [...this.live.values()], revision: this.revision };
    this.take(this.core.onListed(list.session, answer.items, answer.revision));
  }

  readFetch(index: number): void {
    const fetch = this.fetches[index % Math.max(1, this.fetches.length)];
    if (fetch !== undefined) fetch.answer ??= { object: this.live.get(fetch.key) };
  }

  answerFetch(index: number, fails: boolean): void {
    const [fetch] = this.fetches.splice(index % Math.max(1, this.fetches.length), 1);
    if (fetch === undefined) return;
    if (fails) return this.take(this.core.onFetchFailed(fetch.session, fetch.key, fetch.revision));
    const object = fetch.answer === undefined ? this.live.get(fetch.key) : fetch.answer.object;
    this.take(this.core.onFetched(fetch.session, fetch.key, fetch.revision, object));
  }

  deliver(index: number, keep: boolean): void {
    const at = index % Math.max(1, this.wire.length);
    const message = this.wire[at];
    if (message === undefined) return;
    if (!keep) this.wire.splice(at, 1);
    this.take(this.core.onStream(message, this.now));
  }

  drop(index: number): void {
    this.wire.splice(index % Math.max(1, this.wire.length), 1);
  }

  replaceRelay(): void {
    this.term += 1;
    this.relay = this.newRelay();
  }

  setBus(up: boolean): void {
    this.busUp = up;
    if (up) return;
    this.wire = [];
    this.take(this.core.onBusDown());
  }

  advance(ms: number): void {
    this.now += ms;
    this.take(this.core.onTick(this.now));
  }

  /** No more faults: everything arrives, in order, until nothing is left to tell. */
  heal(): void {
    this.setBus(true);
    for (let round = 0; round < 4; round++) {
      while (this.lists.length > 0) this.answerList(0, false);
      while (this.fetches.length > 0) this.answerFetch(0, false);
      this.bookmarkWatch();
      this.relay.bookmarks(this.revision);
      while (this.wire.length > 0) this.deliver(0, false);
    }
  }
}

const key = fc.integer({ min: 0, max: 2 });
const at = fc.nat({ max: 9 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), fc.boolean(), fc.boolean())
      .map(([keys, isDelete, isLarge]) => ({
        name: "transaction",
        run: (w: World) => w.transaction(keys, isDelete, isLarge),
      })),
  },
  { weight: 20, arbitrary: fc.constant({ name: "deliver next", run: (w: World) => w.deliver(0, false) }) },
  { weight: 1, arbitrary: at.map((i) => ({ name: "deliver out of order", run: (w: World) => w.deliver(i, false) })) },
  { weight: 1, arbitrary: at.map((i) => ({ name: "deliver twice", run: (w: World) => w.deliver(i, true) })) },
  { weight: 1, arbitrary: at.map((i) => ({ name: "lose", run: (w: World) => w.drop(i) })) },
  { weight: 6, arbitrary: fc.constant({ name: "relay bookmark", run: (w: World) => w.relay.bookmarks(w.revision) }) },
  { weight: 12, arbitrary: fc.constant({ name: "watch event", run: (w: World) => void w.stepWatch() }) },
  { weight: 1, arbitrary: fc.constant({ name: "watch bookmark", run: (w: World) => w.bookmarkWatch() }) },
  { weight: 1, arbitrary: fc.constant({ name: "watch fails", run: (w: World) => w.failWatch() }) },
  { weight: 2, arbitrary: at.map((i) => ({ name: "list read", run: (w: World) => w.readList(i) })) },
  {
    weight: 12,
    arbitrary: fc
      .tuple(at, fc.nat({ max: 4 }))
      .map(([i, luck]) => ({ name: "list answered", run: (w: World) => w.answerList(i, luck === 0) })),
  },
  { weight: 6, arbitrary: at.map((i) => ({ name: "object read", run: (w: World) => w.readFetch(i) })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(at, fc.nat({ max: 4 }))
      .map(([i, luck]) => ({ name: "object answered", run: (w: World) => w.answerFetch(i, luck === 0) })),
  },
  { weight: 1, arbitrary: fc.constant({ name: "new relay", run: (w: World) => w.replaceRelay() }) },
  {
    weight: 1,
    arbitrary: fc.boolean().map((up) => ({ name: `bus ${up ? "up" : "down"}`, run: (w: World) => w.setBus(up) })),
  },
  { weight: 1, arbitrary: fc.constant({ name: "compaction", run: (w: World) => void (w.compacted = w.revision) }) },
  { weight: 1, arbitrary: fc.nat({ max: 4000 }).map((ms) => ({ name: `${ms} ms`, run: (w: World) => w.advance(ms) })) },
  { weight: 1, arbitrary: fc.constant({ name: "relist", run: (w: World) => w.take(w.core.relist()) }) },
);

/** What the copy should be: the server's objects at their revisions. */
function picture(objects: Iterable<ApiObject>): string[] {
  return [...objects].map((o) => `${keyOfObject(o)}@${revisionOf(o)}`).toSorted();
}

describe("InformerCore", () => {
  it("is never further than it says, and equals the server once faults end", () => {
    let streamed = 0;
    let fetched = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const world = new World();
        for (const { run } of steps) {
          run(world);
          streamed += world.core.mode === "stream" ? 1 : 0;
          fetched += world.fetches.length > 0 ? 1 : 0;
        }
        world.heal();
        expect(picture(world.core.store.all())).toEqual(picture(world.live.values()));
        expect(picture(world.told.values())).toEqual(picture(world.live.values()));
        expect(world.core.mode).toBe("stream");
        // And it goes on by the stream alone.
        world.transaction([0, 1], false, false);
        while (world.wire.length > 0) world.deliver(0, false);
        expect(picture(world.core.store.all())).toEqual(picture(world.live.values()));
        expect(world.core.mode).toBe("stream");
      }),
      { numRuns: 150 },
    );
    // The faults must not have kept the runs from what they are about.
    expect(streamed).toBeGreaterThan(1000);
    expect(fetched).toBeGreaterThan(100);
  });
});
