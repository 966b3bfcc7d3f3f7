import { describe, expect, it } from "vitest";
import { SnapshotReader, takeSnapshot } from "./snapshot.ts";
import { MvccStore } from "./store.ts";
import { type Command, putOp } from "./types.ts";
import { WatchHub, type WatchSpec, type Watcher } from "./watch-hub.ts";

const spec = (key: string, over: Partial<WatchSpec> = {}): WatchSpec => ({
  key,
  rangeEnd: "",
  startRevision: 0,
  prevKv: false,
  noPut: false,
  noDelete: false,
  ...over,
});
const put = (key: string, value = 1): Command => putOp(key, Uint8Array.of(value));

function world(): { store: MvccStore; hub: WatchHub; run: (...commands: Command[]) => void } {
  const store = new MvccStore();
  const hub = new WatchHub(store);
  const run = (...commands: Command[]): void => {
    for (const command of commands) store.apply(store.appliedIndex + 1, command);
    hub.publish();
  };
  return { store, hub, run };
}

function revisions(watcher: Watcher, max = 100): number[] | string {
  const all: number[] = [];
  for (;;) {
    const batch = watcher.take(max);
    if (batch === undefined) return all;
    if (batch.type === "compacted") return `compacted at ${batch.compactRevision}`;
    all.push(...batch.events.map((event) => event.kv.modRevision));
  }
}

function restored(store: MvccStore): MvccStore {
  const snapshot = takeSnapshot(store);
  const reader = new SnapshotReader();
  for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) reader.push(frame);
  snapshot.release();
  return reader.finish();
}

describe("WatchHub", () => {
  it("wakes once, and only for the watcher's own range", () => {
    const { hub, run } = world();
    let woken = 0;
    const watcher = hub.watch(spec("b"), () => woken++);
    run(put("a"), put("c"));
    expect(woken).toBe(0);
    run(put("b"), put("b"));
    expect([woken, revisions(watcher)]).toEqual([1, [4, 5]]);
    run(put("b"));
    expect(woken).toBe(2);
    watcher.close();
    run(put("b"));
    expect([woken, hub.size]).toEqual([2, 0]);
  });

  it("ends one watch of a key or a range and leaves the others", () => {
    const { hub, run } = world();
    const all = [spec("b"), spec("b"), spec("a", { rangeEnd: "c" }), spec("a", { rangeEnd: "c" })].map((each) =>
      hub.watch(each, () => undefined),
    );
    run(put("b"));
    expect(all.map((watcher) => revisions(watcher))).toEqual([[2], [2], [2], [2]]);
    run(put("b"));
    all[0]!.close();
    all[2]!.close();
    run(put("b"));
    expect(all.map((watcher) => revisions(watcher))).toEqual([[], [3, 4], [], [3, 4]]);
    expect(hub.size).toBe(2);
  });

  it("hears only what is not filtered out, live and from history", () => {
    const { hub, run } = world();
    const specs = [spec("a", { noPut: true }), spec("a", { noDelete: true }), spec("a")];
    const live = specs.map((each) => hub.watch(each, () => undefined));
    run(put("a"), { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false }, put("a"));
    const late = specs.map((each) => hub.watch({ ...each, startRevision: 1 }, () => undefined));
    for (const all of [live, late]) {
      expect(all.map((watcher) => revisions(watcher))).toEqual([[3], [2, 4], [2, 3, 4]]);
    }
  });

  it("tells what was before only to those who ask, and never a deletion", () => {
    const { hub, run } = world();
    const [asks, other] = [true, false].map((prevKv) => hub.watch(spec("a", { prevKv }), () => undefined));
    run(put("a"), put("a"), { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false }, put("a"));
    const before = (watcher: Watcher): (number | undefined)[] => {
      const batch = watcher.take(100);
      return batch?.type === "events" ? batch.events.map((event) => event.prevKv?.modRevision) : [];
    };
    expect(before(asks!)).toEqual([undefined, 2, 3, undefined]);
    expect(before(other!)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("a watch begins at its start revision: after the newest, with it, or before it", () => {
    const { hub, run } = world();
    run(put("a"), put("a"));
    const starts = [0, 4, 3, 2].map((startRevision) => hub.watch(spec("a", { startRevision }), () => undefined));
    expect(starts.map((watcher) => watcher.progress())).toEqual([3, 3, undefined, undefined]);
    expect(starts.map((watcher) => revisions(watcher))).toEqual([[], [], [3], [2, 3]]);
    run(put("a"));
    expect(starts.map((watcher) => revisions(watcher))).toEqual([[4], [4], [4], [4]]);
  });

  it("says that more waits exactly when it does, and no progress before all is taken (B6)", () => {
    const { hub, run } = world();
    const live = hub.watch(spec("a"), () => undefined);
    run(put("a"), put("b"), put("a"), put("a"));
    const late = hub.watch(spec("a", { startRevision: 1 }), () => undefined);
    for (const watcher of [live, late]) {
      const said: unknown[] = [];
      for (let batch = watcher.take(2); batch?.type === "events"; batch = watcher.take(2)) {
        said.push([batch.events.length, batch.revision, batch.more, watcher.progress()]);
      }
      expect(said).toEqual([
        [2, 4, true, undefined],
        [1, 5, false, 5],
      ]);
    }
  });

  it("a start is one of whole revisions: none can be watched between an apply and its publication", () => {
    const { store, hub } = world();
    store.apply(1, put("a"));
    expect(() => hub.watch(spec("a"), () => undefined)).toThrow("between applies");
  });

  it("a long way through history without a match is taken in pieces, and ends where it should", () => {
    const { store, hub, run } = world();
    run(put("rare"));
    for (let i = 0; i < 25_000; i++) store.apply(store.appliedIndex + 1, put("busy"));
    run(put("rare"));
    const watcher = hub.watch(spec("rare", { startRevision: 1 }), () => undefined);
    const batches: unknown[] = [];
    for (let batch = watcher.take(10); batch?.type === "events"; batch = watcher.take(10)) {
      batches.push([batch.events.map((event) => event.kv.modRevision), batch.more, watcher.progress()]);
    }
    expect(batches).toEqual([
      [[2], true, undefined],
      [[], true, undefined],
      [[25_003], false, 25_003],
    ]);
  });

  it("never splits a revision", () => {
    const { hub, run } = world();
    const live = hub.watch(spec("a", { rangeEnd: "z" }), () => undefined);
    run(put("a"), {
      type: "txn",
      compare: [],
      success: ["b", "c", "d"].map((key) => putOp(key, Uint8Array.of(1))),
      failure: [],
    });
    const late = hub.watch(spec("a", { rangeEnd: "z", startRevision: 1 }), () => undefined);
    for (const watcher of [live, late]) {
      const sizes: number[] = [];
      for (let batch = watcher.take(2); batch?.type === "events"; batch = watcher.take(2))
        sizes.push(batch.events.length);
      expect(sizes).toEqual([4]);
    }
  });

  it("a watch from the future hears and says nothing before its start", () => {
    const { hub, run } = world();
    const watcher = hub.watch(spec("a", { startRevision: 4 }), () => undefined);
    run(put("a"));
    expect([revisions(watcher), watcher.progress()]).toEqual([[], undefined]);
    run(put("a"));
    expect(watcher.progress()).toBe(3);
    run(put("a"));
    expect([watcher.progress(), revisions(watcher), watcher.progress()]).toEqual([undefined, [4], 4]);
  });

  it("cancels a start that was compacted, and shows a deletion at the compacted revision", () => {
    const { store, hub, run } = world();
    run(put("a"), { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false }, put("b"), {
      type: "compact",
      revision: 3,
    });
    while (store.trim(10));
    expect(revisions(hub.watch(spec("a", { startRevision: 2 }), () => undefined))).toBe("compacted at 3");
    expect(revisions(hub.watch(spec("a", { startRevision: 3 }), () => undefined))).toEqual([3]);
    const copy = new WatchHub(restored(store));
    expect(revisions(copy.watch(spec("a", { startRevision: 3 }), () => undefined))).toEqual([3]);
  });

  it("a stalled watcher keeps a bounded queue and misses nothing", () => {
    const { hub, run } = world();
    const watcher = hub.watch(spec("a"), () => undefined);
    for (let i = 0; i < 3000; i++) run(put("a"));
    expect((watcher as unknown as { pending: unknown[] }).pending.length).toBeLessThanOrEqual(1024);
    expect(revisions(watcher)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 2));
    run(put("a"));
    expect(revisions(watcher)).toEqual([3002]);
  });

  it("a stalled watcher that compaction passes is told so", () => {
    const { store, hub, run } = world();
    const watcher = hub.watch(spec("a"), () => undefined);
    for (let i = 0; i < 3000; i++) run(put("a"));
    run({ type: "compact", revision: 2000 });
    while (store.trim(100));
    expect(revisions(watcher)).toBe("compacted at 2000");
    const late = hub.watch(spec("a", { startRevision: 2000 }), () => undefined);
    expect(revisions(late)).toEqual(Array.from({ length: 1002 }, (_, i) => i + 2000));
    run(put("a"), { type: "compact", revision: 3000 });
    while (store.trim(100));
    expect(revisions(hub.watch(spec("a", { startRevision: 3000 }), () => undefined))).toEqual([3000, 3001, 3002]);
  });

  it("a queue that is full within a transaction tells none of its events twice, and none never", () => {
    const { hub, run } = world();
    const watcher = hub.watch(spec("a", { rangeEnd: "z" }), () => undefined);
    const five: Command = {
      type: "txn",
      compare: [],
      success: ["a", "b", "c", "d", "e"].map((key) => putOp(key, Uint8Array.of(1))),
      failure: [],
    };
    for (let i = 0; i < 300; i++) run(five);
    expect(revisions(watcher, 7)).toEqual(Array.from({ length: 1500 }, (_, i) => 2 + Math.floor(i / 5)));
  });

  it("a snapshot that replaces the state wakes all, loses none's place, and starts no watch before its time (B5, B10)", () => {
    const leader = world();
    for (let i = 0; i < 10; i++) leader.run(put("a"));
    const follower = world();
    for (let i = 0; i < 4; i++) follower.run(put("a"));
    const woken: string[] = [];
    const watch = (name: string, over: Partial<WatchSpec>): Watcher =>
      follower.hub.watch(spec("a", over), () => woken.push(name));
    const fresh = watch("fresh", {});
    const waiting = watch("waiting", { startRevision: 6 });
    const range = watch("range", { rangeEnd: "b" });
    const behind = watch("behind", { startRevision: 3 });
    const future = watch("future", { startRevision: 13 });
    follower.run(put("a"));
    expect([revisions(fresh), woken.sort()]).toEqual([[6], ["fresh", "range", "waiting"]]);
    woken.length = 0;
    const rest = (from: number): number[] => Array.from({ length: 12 - from }, (_, i) => from + i);
    follower.store.replaceWith(restored(leader.store));
    follower.hub.publish();
    expect(woken).toContain("fresh");
    expect([fresh, waiting, range].map((watcher) => watcher.progress())).toEqual([undefined, undefined, undefined]);
    expect([fresh, waiting, range, behind, future].map((watcher) => revisions(watcher))).toEqual([
      rest(7),
      rest(6),
      rest(6),
      rest(3),
      [],
    ]);
    expect([fresh.progress(), future.progress()]).toEqual([11, undefined]);
    follower.run(put("a"));
    expect([revisions(fresh), revisions(future)]).toEqual([[12], []]);
    // The swap is seen once: what waits now is in the watchers' own queues again.
    follower.run(put("a"));
    expect([fresh, future].map((watcher) => (watcher as unknown as { behind: boolean }).behind)).toEqual([
      false,
      false,
    ]);
    expect([revisions(fresh), revisions(future)]).toEqual([[13], [13]]);
  });

  it("does not go back in time when a snapshot replaces the state", () => {
    const leader = world();
    for (let i = 0; i < 10; i++) leader.run(put("a"));
    const follower = world();
    const watcher = follower.hub.watch(spec("a"), () => undefined);
    const quiet = follower.hub.watch(spec("q"), () => undefined);
    for (let i = 0; i < 4; i++) follower.run(put("a"));
    expect(revisions(watcher)).toEqual([2, 3, 4, 5]);
    leader.run({ type: "compact", revision: 6 });
    follower.store.replaceWith(restored(leader.store));
    follower.hub.publish();
    expect(revisions(watcher)).toEqual([6, 7, 8, 9, 10, 11]);
    expect([revisions(quiet), quiet.progress()]).toEqual([[], 11]);
  });
});
