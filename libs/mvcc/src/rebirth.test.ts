import { describe, expect, it } from "vitest";
import { REBIRTH_REVISIONS, reborn } from "./rebirth.ts";
import { SnapshotReader, takeSnapshot } from "./snapshot.ts";
import { MvccStore } from "./store.ts";
import { type Command, END_OF_KEYS, putOp, rangeOp } from "./types.ts";
import { WatchHub } from "./watch-hub.ts";

const member = (id: bigint) => ({ id, name: `m${id}`, peerUrls: [`https://m${id}:2380`], clientUrls: [] });
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const all = (store: MvccStore, revision = 0) => store.range(rangeOp("\0", END_OF_KEYS, { revision })).kvs;

function before(): MvccStore {
  const store = MvccStore.empty(1, [member(1n), member(2n)]);
  const run = (command: Command): unknown => store.apply(store.appliedIndex + 1, command);
  run({ type: "leaseGrant", id: 5n, ttl: 10 });
  run(putOp("a", text("old")));
  run(putOp("a", text("new"), { lease: 5n }));
  run(putOp("fences/x", text("held")));
  run(putOp("host-m1", text("lost")));
  run(putOp("lock-7", text("held")));
  run(putOp("host-m10", text("a node's")));
  run(putOp("gone", text("x")));
  run({ type: "deleteRange", key: "gone", rangeEnd: "", prevKv: false });
  run({ type: "memberAdd", member: member(3n) });
  run({ type: "memberRemove", id: 3n });
  run({ type: "alarm", alarm: { member: 2n, type: "noSpace" }, on: true });
  return store;
}

describe("a state that becomes another cluster's", () => {
  const old = before();
  const born = reborn(old, { member: member(9n), appliedIndex: 1, leaveBehind: ["fences/", "host-m1", "lock-"] });

  it("has the newest values under their own revisions, and nothing that is left behind", () => {
    expect(all(born).map((kv) => [kv.key, kv.modRevision, kv.version])).toEqual([
      ["a", 3, 2],
      // A whole key is not a prefix: whoever has a longer name is somebody else.
      ["host-m10", 7, 1],
    ]);
    expect(born.leases.keysOf(5n)).toEqual(["a"]);
    expect(born.appliedIndex).toBe(1);
    // Neither history nor deletions: there is nothing to compact.
    expect([born.keyCount, born.log.length, born.sizeBytes - born.liveBytes]).toEqual([2, 0, 200]);
    expect(born.alarms.list()).toEqual([]);
  });

  it("knows no revision that the lost cluster gave out, or would have", () => {
    expect(born.revision).toBe(old.revision + REBIRTH_REVISIONS);
    expect(born.compactRevision).toBe(born.revision);
    for (const revision of [1, old.revision, old.revision + 1, born.revision - 1]) {
      expect(() => all(born, revision), String(revision)).toThrow("compacted");
    }
    expect(all(born, born.revision)).toHaveLength(2);
    const hub = new WatchHub(born);
    const spec = { key: "", rangeEnd: END_OF_KEYS, prevKv: false, noPut: false, noDelete: false };
    const stale = hub.watch({ ...spec, startRevision: old.revision + 7 }, () => undefined);
    expect(stale.take(10)).toEqual({ type: "compacted", compactRevision: born.revision });
  });

  it("has one member, and never again one of the old", () => {
    expect(born.members.list()).toEqual([member(9n)]);
    expect(born.members.removed()).toEqual([1n, 2n, 3n]);
    for (const id of [2n, 3n]) {
      expect(() => reborn(old, { member: member(id), appliedIndex: 1 }), `${id}`).toThrow("none of the old one's");
    }
  });

  it("goes on as any other, and through its own snapshots", () => {
    const reader = new SnapshotReader();
    const snapshot = takeSnapshot(born);
    for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) reader.push(frame);
    const again = reader.finish();
    expect([all(again), again.revision, again.members.list()]).toEqual([all(born), born.revision, born.members.list()]);
    again.apply(2, putOp("b", text("1")));
    expect(all(again).map((kv) => kv.modRevision)).toEqual([3, born.revision + 1, 7]);
  });
});
