import { describe, expect, it } from "vitest";
import { MvccStore } from "./store.ts";
import { MAX_TXN_OPS } from "./txn.ts";
import { type Command, type Op, type PutOp, putOp, rangeOp } from "./types.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (key: string, value = "v"): PutOp => putOp(key, bytes(value));
const txn = (success: Op[], failure: Op[] = []): Command => ({ type: "txn", compare: [], success, failure });

function applied(...commands: Command[]): { store: MvccStore; errors: (string | undefined)[] } {
  const store = new MvccStore();
  const errors = commands.map((command, at) => store.apply(at + 1, command).error?.message);
  return { store, errors };
}

describe("transactions", () => {
  it("refuse to write one key twice, also through nesting and ranges", () => {
    const wipe: Op = { type: "deleteRange", key: "a", rangeEnd: "c", prevKv: false };
    const nested: Op = { type: "txn", compare: [], success: [put("a")], failure: [put("a")] };
    const { store, errors } = applied(
      txn([put("a"), put("a")]),
      txn([wipe, put("b")]),
      txn([put("b"), wipe]),
      txn([nested, put("a")]),
      txn([nested, put("c")]),
    );
    const twice = "etcdserver: duplicate key given in txn request";
    expect(errors).toEqual([twice, twice, twice, twice, undefined]);
    expect([store.revision, store.appliedIndex]).toEqual([2, 5]);
  });

  it("change nothing when any operation cannot be done", () => {
    const { store, errors } = applied(
      txn([put("a"), rangeOp("a", "", { revision: 9 })]),
      txn([put("a"), putOp("", bytes("v"))]),
    );
    expect(errors).toEqual([
      "etcdserver: mvcc: required revision is a future revision",
      "etcdserver: key is not provided",
    ]);
    expect([store.revision, store.range(rangeOp("\0", "\0")).count]).toEqual([1, 0]);
  });

  it("are bounded", () => {
    const many = Array.from({ length: MAX_TXN_OPS + 1 }, (_, i) => put(`k${i}`));
    expect(applied(txn(many)).errors).toEqual(["etcdserver: too many operations in txn request"]);
    expect(applied(txn(many.slice(1))).errors).toEqual([undefined]);
  });

  it("see their own writes and take one revision", () => {
    const store = new MvccStore();
    const outcome = store.apply(1, txn([put("a", "1"), rangeOp("a"), put("b", "2")]));
    expect(outcome.revision).toBe(2);
    expect(outcome.result).toMatchObject({
      succeeded: true,
      responses: [{}, { kvs: [{ key: "a", modRevision: 2 }] }, {}],
    });
  });

  it("compare an absent key as revision 0, and never by value", () => {
    const check = (compare: Extract<Command, { type: "txn" }>["compare"][number]): boolean => {
      const outcome = new MvccStore().apply(1, { type: "txn", compare: [compare], success: [], failure: [] });
      return (outcome.result as { succeeded: boolean }).succeeded;
    };
    expect(check({ target: "create", key: "a", rangeEnd: "", result: "=", value: 0n })).toBe(true);
    expect(check({ target: "mod", key: "a", rangeEnd: "", result: ">", value: 0n })).toBe(false);
    expect(check({ target: "value", key: "a", rangeEnd: "", result: "!=", value: bytes("x") })).toBe(false);
  });
});

describe("ranges", () => {
  const { store } = applied(...["b", "a", "c", "a"].map((key, at) => putOp(key, bytes(String(9 - at)))), {
    type: "deleteRange",
    key: "c",
    rangeEnd: "",
    prevKv: false,
  });
  const keys = (...args: Parameters<typeof rangeOp>): string[] => store.range(rangeOp(...args)).kvs.map((kv) => kv.key);

  it("limit, count, order and filters", () => {
    expect(store.range(rangeOp("a", "z", { limit: 1 }))).toMatchObject({ count: 2, more: true, kvs: [{ key: "a" }] });
    expect(keys("a", "z", { sortOrder: "descend" })).toEqual(["b", "a"]);
    expect(keys("a", "z", { sortTarget: "mod" })).toEqual(["b", "a"]);
    expect(keys("a", "z", { minModRevision: 3 })).toEqual(["a"]);
    expect(keys("a", "z", { revision: 4 })).toEqual(["a", "b", "c"]);
    expect(store.range(rangeOp("a", "z", { countOnly: true }))).toMatchObject({ count: 2, kvs: [], more: false });
    expect(store.range(rangeOp("b", "", { keysOnly: true })).kvs[0]!.value.length).toBe(0);
  });

  it("a deletion starts a new life of the key", () => {
    const again = applied(
      put("a") as Command,
      { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false },
      put("a") as Command,
    );
    expect(again.store.range(rangeOp("a")).kvs[0]).toMatchObject({ createRevision: 4, version: 1 });
  });
});

describe("compaction", () => {
  it("keeps what can be read, drops the rest, and refuses to go back", () => {
    const { store, errors } = applied(
      put("a", "1") as Command,
      put("a", "2") as Command,
      { type: "deleteRange", key: "a", rangeEnd: "", prevKv: false },
      put("b") as Command,
      { type: "compact", revision: 5 },
      { type: "compact", revision: 5 },
      { type: "compact", revision: 9 },
    );
    expect(errors.slice(5)).toEqual([
      "etcdserver: mvcc: required revision has been compacted",
      "etcdserver: mvcc: required revision is a future revision",
    ]);
    const release = store.pin();
    expect([store.trim(100), store.keyCount]).toEqual([false, 2]);
    release();
    expect([store.trim(100), store.keyCount, store.log.length]).toEqual([false, 1, 1]);
    expect(store.range(rangeOp("\0", "\0", { revision: 5 })).kvs.map((kv) => kv.key)).toEqual(["b"]);
  });
});

describe("sizes", () => {
  it("tell live keys from history, through deletions, new lives, compaction and a swap", () => {
    const { store } = applied(
      put("a", "first"),
      put("a", "second value"),
      put("b"),
      { type: "deleteRange", key: "b", rangeEnd: "", prevKv: false },
      put("b", "again"),
      put("c"),
      { type: "deleteRange", key: "c", rangeEnd: "", prevKv: false },
    );
    const fresh = applied(put("a", "second value"), put("b", "again")).store;
    expect(store.liveBytes).toBe(fresh.liveBytes);
    expect(fresh.liveBytes).toBe(fresh.sizeBytes);
    expect(store.sizeBytes).toBeGreaterThan(store.liveBytes);
    expect(store.writtenBytes).toBe(store.sizeBytes);
    store.apply(8, put("d"));
    store.apply(9, { type: "compact", revision: store.revision });
    store.trim(100);
    expect(store.sizeBytes).toBe(store.liveBytes);
    const other = new MvccStore();
    other.replaceWith(store);
    expect(other.liveBytes).toBe(store.liveBytes);
  });
});
