import { describe, expect, it } from "vitest";
import { SnapshotReader, keyFrames, takeSnapshot } from "./snapshot.ts";
import { MvccStore, type Outcome } from "./store.ts";
import { type Command, END_OF_KEYS, putOp, rangeOp } from "./types.ts";
import { WatchHub } from "./watch-hub.ts";

const VALUE = Uint8Array.of(7);

/** A store with a way to run commands and say what came of them. */
function stage(): { store: MvccStore; run: (command: Command) => string } {
  const store = MvccStore.empty(1, [{ id: 1n, name: "one", peerUrls: ["https://one:2380"], clientUrls: [] }]);
  const say = (outcome: Outcome): string => outcome.error?.message ?? `revision ${outcome.revision}`;
  return { store, run: (command) => say(store.apply(store.appliedIndex + 1, command)) };
}

const keys = (store: MvccStore): string[] => store.range(rangeOp("\0", END_OF_KEYS)).kvs.map((kv) => kv.key);
const put = (key: string, lease = 0n): Command => putOp(key, VALUE, { lease });
const bytesOf = (store: MvccStore): Uint8Array[] => {
  const snapshot = takeSnapshot(store);
  const frames: Uint8Array[] = [];
  for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) frames.push(frame);
  snapshot.release();
  return frames;
};

describe("leases", () => {
  it("are granted once, under any id but 0, and not for ever", () => {
    const { run } = stage();
    expect(run({ type: "leaseGrant", id: 5n, ttl: 10 })).toBe("revision 1");
    expect(run({ type: "leaseGrant", id: 5n, ttl: 10 })).toBe("etcdserver: lease already exists");
    expect(run({ type: "leaseGrant", id: 0n, ttl: 10 })).toBe("etcdserver: requested lease not found");
    expect(run({ type: "leaseGrant", id: 6n, ttl: 9_000_000_001 })).toBe("etcdserver: too large lease TTL");
    expect(run({ type: "leaseRevoke", id: 7n })).toBe("etcdserver: requested lease not found");
  });

  it("hold the keys whose newest version names them", () => {
    const { store, run } = stage();
    run({ type: "leaseGrant", id: 5n, ttl: 10 });
    run({ type: "leaseGrant", id: 6n, ttl: 10 });
    expect(run(put("a", 9n))).toBe("etcdserver: requested lease not found");
    for (const key of ["c", "a", "b", "d"]) run(put(key, 5n));
    run(put("a", 6n));
    run(put("b"));
    run({ type: "deleteRange", key: "c", rangeEnd: "", prevKv: false });
    run(putOp("d", VALUE, { ignoreLease: true }));
    expect([store.leases.keysOf(5n), store.leases.keysOf(6n)]).toEqual([["d"], ["a"]]);
    expect(store.range(rangeOp("d")).kvs[0]?.lease).toBe(5n);
  });

  it("take all their keys along at one revision, which watchers hear as one batch", () => {
    const { store, run } = stage();
    const hub = new WatchHub(store);
    run({ type: "leaseGrant", id: 5n, ttl: 10 });
    for (const key of ["b", "a", "c"]) run(put(key, 5n));
    run(put("other"));
    hub.publish();
    const spec = { key: "", rangeEnd: END_OF_KEYS, startRevision: 0, prevKv: false, noPut: false, noDelete: false };
    const watcher = hub.watch(spec, () => undefined);
    expect(run({ type: "leaseRevoke", id: 5n })).toBe("revision 6");
    hub.publish();
    const batch = watcher.take(1);
    expect(batch?.type === "events" && batch.events.map((event) => `${event.type} ${event.kv.key}`)).toEqual([
      "delete a",
      "delete b",
      "delete c",
    ]);
    expect([keys(store), store.leases.size]).toEqual([["other"], 0]);
    // Without keys nothing changes, and no revision is used.
    run({ type: "leaseGrant", id: 8n, ttl: 10 });
    expect(run({ type: "leaseRevoke", id: 8n })).toBe("revision 6");
    expect(run(put("a", 5n))).toBe("etcdserver: requested lease not found");
  });

  it("are not revoked by one who may not delete what is attached", () => {
    const { store, run } = stage();
    run({ type: "leaseGrant", id: 5n, ttl: 10 });
    run(put("/registry/a", 5n));
    const except = { key: "/registry/", rangeEnd: "/registry0" };
    expect(run({ type: "leaseRevoke", id: 5n, except })).toBe("etcdserver: permission denied");
    expect([keys(store), store.leases.size]).toEqual([["/registry/a"], 1]);
    expect(run({ type: "leaseRevoke", id: 5n })).toBe("revision 3");
  });
});

describe("alarms", () => {
  it("noSpace stops what adds, in whichever branch, and nothing else", () => {
    const { store, run } = stage();
    run({ type: "leaseGrant", id: 5n, ttl: 10 });
    run(put("a"));
    run({ type: "alarm", alarm: { member: 1n, type: "noSpace" }, on: true });
    const full = "etcdserver: mvcc: database space exceeded";
    const add: Command = { type: "txn", compare: [], success: [], failure: [putOp("b", VALUE)] };
    const read: Command = { type: "txn", compare: [], success: [rangeOp("a")], failure: [] };
    expect([put("b"), add, { type: "leaseGrant", id: 6n, ttl: 1 } as const].map(run)).toEqual([full, full, full]);
    expect(run(read)).toBe("revision 2");
    expect(run({ type: "leaseRevoke", id: 5n })).toBe("revision 2");
    expect(run({ type: "deleteRange", key: "a", rangeEnd: "", prevKv: false })).toBe("revision 3");
    expect(run({ type: "compact", revision: 3 })).toBe("revision 3");
    run({ type: "alarm", alarm: { member: 1n, type: "noSpace" }, on: false });
    expect(run(put("b"))).toBe("revision 4");
    expect(store.alarms.list()).toEqual([]);
  });

  it("corrupt stops everything that touches keys or leases", () => {
    const { store, run } = stage();
    run({ type: "alarm", alarm: { member: 1n, type: "corrupt" }, on: true });
    const commands: Command[] = [
      put("a"),
      { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false },
      { type: "compact", revision: 1 },
      { type: "leaseGrant", id: 5n, ttl: 1 },
      { type: "leaseRevoke", id: 5n },
    ];
    for (const command of commands) expect(run(command), command.type).toBe("etcdserver: corrupt cluster");
    expect(run({ type: "memberRemove", id: 1n })).toBe("revision 1");
    expect(store.alarms.list(), "a member takes its alarms along").toEqual([]);
  });
});

describe("members", () => {
  it("never get an id back", () => {
    const { store, run } = stage();
    const member = { id: 2n, name: "", peerUrls: ["https://two:2380"], clientUrls: [] };
    expect(run({ type: "memberAdd", member })).toBe("revision 1");
    expect(run({ type: "memberAdd", member })).toBe("etcdserver: member ID already exist");
    run({ type: "memberUpdate", id: 2n, change: { name: "two", clientUrls: ["https://two:2379"] } });
    expect(store.members.get(2n)).toEqual({ ...member, name: "two", clientUrls: ["https://two:2379"] });
    expect(run({ type: "memberRemove", id: 2n })).toBe("revision 1");
    expect(run({ type: "memberRemove", id: 2n })).toBe("etcdserver: member not found");
    expect(run({ type: "memberUpdate", id: 2n, change: { name: "x" } })).toBe("etcdserver: member not found");
    expect(run({ type: "memberAdd", member })).toBe("etcdserver: member ID already exist");
    expect([store.members.isRemoved(2n), store.members.list().map(({ id }) => id)]).toEqual([true, [1n]]);
  });
});

describe("snapshots", () => {
  function full(): MvccStore {
    const { store, run } = stage();
    run({ type: "leaseGrant", id: -3n, ttl: 60 });
    run({ type: "leaseGrant", id: 2n ** 62n, ttl: 9_000_000_000 });
    run({ type: "leaseCheckpoint", leases: [{ id: 2n ** 62n, remaining: 8_000_000_000 }] });
    run(put("a", -3n));
    run(put("b"));
    run({ type: "alarm", alarm: { member: 2n ** 64n - 1n, type: "noSpace" }, on: true });
    const urls = ["https://ü:2380", "https://b:2380"];
    run({ type: "memberAdd", member: { id: 2n ** 64n - 2n, name: "zwö", peerUrls: urls, clientUrls: [] } });
    run({ type: "memberAdd", member: { id: 9n, name: "", peerUrls: [], clientUrls: [] } });
    run({ type: "memberRemove", id: 9n });
    return store;
  }

  it("carry leases with what is attached, alarms, members and those that are gone (B4, B20)", () => {
    const store = full();
    const reader = new SnapshotReader();
    for (const frame of bytesOf(store)) reader.push(frame);
    const copy = reader.finish();
    expect(copy.leases.list()).toEqual(store.leases.list());
    expect(copy.leases.keysOf(-3n)).toEqual(["a"]);
    expect(copy.alarms.list()).toEqual(store.alarms.list());
    expect([copy.members.list(), copy.members.removed()]).toEqual([store.members.list(), [9n]]);
    expect(copy.sizeBytes).toBe(store.sizeBytes);
    expect(bytesOf(copy)).toEqual(bytesOf(store));
    copy.apply(copy.appliedIndex + 1, { type: "leaseRevoke", id: -3n });
    expect(keys(copy)).toEqual(["b"]);
  });

  it("of the first format are still read", () => {
    const { store, run } = stage();
    for (const key of ["a", "b"]) run(put(key));
    const reader = new SnapshotReader();
    for (const [at, frame] of bytesOf(store).entries()) {
      if (at === 0) reader.push(Uint8Array.of(1, ...frame.subarray(1)));
      else if (frame[0] === 1) reader.push(frame.subarray(1));
    }
    const old = reader.finish();
    expect(keys(old)).toEqual(["a", "b"]);
    // It held no members: whoever loads it knows the founders, and changes nothing that is known already.
    old.adoptMembers([{ id: 4n, name: "four", peerUrls: [], clientUrls: [] }]);
    old.adoptMembers([]);
    expect(old.members.list().map(({ name }) => name)).toEqual(["four"]);
  });

  it("B15: end with an error when the state is replaced while they are made", () => {
    const source = keyFrames(full(), 3, 0);
    expect(source.next()).toBeDefined();
    const store = full();
    const late = takeSnapshot(store);
    late.next();
    const ahead = full();
    for (let i = 0; i < 3; i++) ahead.apply(ahead.appliedIndex + 1, put("x"));
    store.replaceWith(ahead);
    expect(() => {
      while (late.next() !== undefined);
    }).toThrow("replaced by the leader's snapshot");
    late.release();
  });

  it("have key frames that depend on their two revisions alone", () => {
    const { store, run } = stage();
    const text = (revision: number, compactRevision: number): string => {
      const source = keyFrames(store, revision, compactRevision);
      let all = "";
      for (let frame = source.next(); frame !== undefined; frame = source.next())
        all += Buffer.from(frame).toString("hex");
      source.release();
      return all;
    };
    for (const key of ["a", "b", "a"]) run(put(key));
    const before = text(3, 3);
    run(put("a"));
    run({ type: "deleteRange", key: "b", rangeEnd: "", prevKv: false });
    run({ type: "compact", revision: 3 });
    expect(text(3, 3)).toBe(before);
    expect(() => text(7, 3)).toThrow("future revision");
    expect(() => text(6, 2)).toThrow("compacted");
  });
});
