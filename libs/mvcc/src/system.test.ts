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
    expect(run({ type: "leaseGrant", id: 6n, ttl: 9_000_000_000 })).toBe("revision 1");
    expect(run({ type: "leaseRevoke", id: 7n })).toBe("etcdserver: requested lease not found");
  });

  it("hold what a checkpoint says is left, each its own, unless it says all or nothing", () => {
    const { store, run } = stage();
    for (const id of [5n, 6n, 7n]) run({ type: "leaseGrant", id, ttl: 10 });
    const note = (...remaining: number[]): Command => ({
      type: "leaseCheckpoint",
      leases: remaining.map((left, at) => ({ id: 5n + BigInt(at), remaining: left })),
    });
    const left = () => store.leases.list().map(({ remaining }) => remaining);
    // The fourth is unknown: it may have ended meanwhile.
    expect([run(note(4, 5, 10, 9)), left()]).toEqual(["revision 1", [4, 5, undefined]]);
    expect([run(note(0, 3)), left()]).toEqual(["revision 1", [undefined, 3, undefined]]);
    expect(store.leases.size).toBe(3);
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
    run(put("mine", 5n));
    expect(run({ type: "leaseRevoke", id: 5n, except })).toBe("etcdserver: permission denied");
    expect([keys(store), store.leases.size]).toEqual([["/registry/a", "mine"], 1]);
    expect(run({ type: "leaseRevoke", id: 5n })).toBe("revision 4");
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
    const within: Command = { type: "txn", compare: [], success: [add], failure: [] };
    const read: Command = { type: "txn", compare: [], success: [rangeOp("a")], failure: [] };
    const grant: Command = { type: "leaseGrant", id: 6n, ttl: 1 };
    expect([put("b"), add, within, grant].map(run)).toEqual([full, full, full, full]);
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
      { type: "leaseCheckpoint", leases: [] },
    ];
    for (const command of commands) expect(run(command), command.type).toBe("etcdserver: corrupt cluster");
    run({ type: "alarm", alarm: { member: 1n, type: "noSpace" }, on: true });
    expect(store.alarms.list().map(({ type }) => type)).toEqual(["corrupt", "noSpace"]);
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
    // None in the order of its id: a snapshot must not tell in which order a replica came to know them.
    run({ type: "leaseGrant", id: 2n ** 62n, ttl: 9_000_000_000 });
    run({ type: "leaseGrant", id: -3n, ttl: 60 });
    run({ type: "leaseCheckpoint", leases: [{ id: 2n ** 62n, remaining: 8_000_000_000 }] });
    run(put("a", -3n));
    run(put("b"));
    run({ type: "alarm", alarm: { member: 2n ** 64n - 1n, type: "noSpace" }, on: true });
    run({ type: "alarm", alarm: { member: 3n, type: "noSpace" }, on: true });
    const urls = ["https://ü:2380", "https://b:2380"];
    run({ type: "memberAdd", member: { id: 2n ** 64n - 2n, name: "zwö", peerUrls: urls, clientUrls: [] } });
    for (const id of [9n, 8n]) {
      run({ type: "memberAdd", member: { id, name: "", peerUrls: [], clientUrls: [] } });
      run({ type: "memberRemove", id });
    }
    run({ type: "memberAdd", member: { id: 7n, name: "", peerUrls: [], clientUrls: [] } });
    run({ type: "alarm", alarm: { member: 3n, type: "corrupt" }, on: true });
    return store;
  }

  it("carry leases with what is attached, alarms, members and those that are gone (B4, B20)", () => {
    const store = full();
    const reader = new SnapshotReader();
    for (const frame of bytesOf(store)) reader.push(frame);
    const copy = reader.finish();
    expect(copy.leases.list()).toEqual(store.leases.list());
    expect(copy.leases.list().map(({ id }) => id)).toEqual([-3n, 2n ** 62n]);
    expect(copy.alarms.list().map(({ member, type }) => `${type} of ${member}`)).toEqual([
      "corrupt of 3",
      "noSpace of 3",
      "noSpace of 18446744073709551615",
    ]);
    expect(copy.members.list().map(({ id }) => id)).toEqual([1n, 7n, 2n ** 64n - 2n]);
    expect(copy.leases.keysOf(-3n)).toEqual(["a"]);
    expect(copy.alarms.list()).toEqual(store.alarms.list());
    expect([copy.members.list(), copy.members.removed()]).toEqual([store.members.list(), [8n, 9n]]);
    expect(copy.sizeBytes).toBe(store.sizeBytes);
    expect(bytesOf(copy)).toEqual(bytesOf(store));
    copy.apply(copy.appliedIndex + 1, { type: "alarm", alarm: { member: 3n, type: "corrupt" }, on: false });
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
    old.apply(old.appliedIndex + 1, { type: "memberRemove", id: 4n });
    old.adoptMembers([{ id: 4n, name: "four", peerUrls: [], clientUrls: [] }]);
    expect(old.members.size).toBe(0);
  });

  it("hold one moment, whatever is written, granted, compacted and trimmed between two frames", () => {
    const large = (): ReturnType<typeof stage> => {
      const world = stage();
      for (let id = 9000n; id > 0n; id--) world.run({ type: "leaseGrant", id, ttl: 60 });
      for (let i = 0; i < 100; i++) world.run(putOp(`k${i}`, new Uint8Array(2000).fill(i)));
      world.run(putOp("k50", new Uint8Array(300_000).fill(7)));
      return world;
    };
    const { store, run } = large();
    const reader = new SnapshotReader();
    const snapshot = takeSnapshot(store);
    run({ type: "leaseGrant", id: 9999n, ttl: 60 });
    let frames = 0;
    for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next(), frames++) {
      reader.push(frame);
      run({ type: "leaseRevoke", id: BigInt(frames + 1) });
      run({ type: "leaseGrant", id: BigInt(10_000 + frames), ttl: 60 });
      run(put(`k${99 - frames}`));
      run({ type: "deleteRange", key: `k${60 + frames}`, rangeEnd: "", prevKv: false });
      run({ type: "compact", revision: store.revision });
      store.trim(1000);
    }
    expect(frames).toBeGreaterThan(5);
    const expected = large().store;
    const copy = reader.finish();
    expect(bytesOf(copy)).toEqual(bytesOf(expected));
    expect([copy.leases.size, keys(copy)]).toEqual([9000, keys(expected)]);
    snapshot.release();
    while (store.trim(1000));
    expect(store.log.length, "what was kept for it goes").toBeLessThan(3);
  });

  it("that arrive replace all: keys, history, leases, alarms, members", () => {
    const source = full();
    const run = (command: Command) => source.apply(source.appliedIndex + 1, command);
    run({ type: "alarm", alarm: { member: 3n, type: "corrupt" }, on: false });
    run({ type: "compact", revision: source.revision });
    expect(source.compactRevision).toBeGreaterThan(0);
    const store = new MvccStore();
    store.apply(1, put("old"));
    const expected = bytesOf(source);
    const { sizeBytes, liveBytes, appliedIndex } = source;
    store.replaceWith(source);
    expect(bytesOf(store)).toEqual(expected);
    expect([store.sizeBytes, store.liveBytes, store.appliedIndex]).toEqual([sizeBytes, liveBytes, appliedIndex]);
  });

  it("that are damaged, or of a format to come, are refused", () => {
    const frames = bytesOf(full());
    const load = (...all: readonly Uint8Array[]) => {
      const reader = new SnapshotReader();
      for (const frame of all) reader.push(frame);
      return reader.finish();
    };
    const [head, ...rest] = frames;
    expect(() => load()).toThrow("is empty");
    expect(() => load(Uint8Array.of(3, ...head!.subarray(1)))).toThrow("format 3 is not known");
    expect(() => load(head!, Uint8Array.of(99, 0))).toThrow("kind 99 is not known");
    expect(() => load(head!, Uint8Array.of(1, 1, 97, 0))).toThrow("key without versions");
    // An alarm of member 0 of a type that nobody knows.
    expect(() => load(head!, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, 0, 9))).toThrow("alarm that is not known");
    for (const frame of [head!, ...rest]) {
      const cut = frame.subarray(0, -1);
      expect(() => (frame === head ? load(cut) : load(head!, cut)), String(frame[0])).toThrow("cut short");
    }
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
    expect(() => text(4, 5)).toThrow("compacted");
  });
});
