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
    const snapshot = takeSnapshot(leader.store);
    const reader = new SnapshotReader();
    for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) reader.push(frame);
    follower.store.replaceWith(reader.finish());
    follower.hub.publish();
    expect(revisions(watcher)).toEqual([6, 7, 8, 9, 10, 11]);
    expect([revisions(quiet), quiet.progress()]).toEqual([[], 11]);
  });
});
