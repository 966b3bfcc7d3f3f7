import { describe, expect, it } from "vitest";
import { MvccStore } from "./store.ts";
import { MAX_TXN_OPS, checkCommand } from "./txn.ts";
import {
  type Command,
  type Compare,
  type Op,
  type PutOp,
  type RangeOp,
  type SortTarget,
  type TxnOp,
  putOp,
  rangeOp,
} from "./types.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);
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
      txn([], [put("a"), put("a")]),
      txn([put("b"), { type: "txn", compare: [], success: [], failure: [put("b")] }]),
      txn([{ type: "txn", compare: [], success: [], failure: [wipe] }, put("b")]),
    );
    const twice = "etcdserver: duplicate key given in txn request";
    expect(errors).toEqual([twice, twice, twice, twice, undefined, twice, twice, twice]);
    expect([store.revision, store.appliedIndex]).toEqual([2, 8]);
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

  it("are checked as a whole before the first write, and against the state only where they run (B16, B17)", () => {
    const gone = putOp("gone", bytes(""), { ignoreValue: true });
    const wipe: Op = { type: "deleteRange", key: "gone", rangeEnd: "", prevKv: false };
    const old = rangeOp("a", "", { revision: 2 });
    const never: Compare = { target: "version", key: "a", rangeEnd: "", result: "=", value: 9n };
    const either = (success: Op[], failure: Op[]): TxnOp => ({ type: "txn", compare: [never], success, failure });
    const nested = (op: Op): Command => txn([put("b"), either([], [op])]);
    const { store, errors } = applied(
      txn([put("a"), put("gone")]),
      wipe,
      put("a", "2"),
      { type: "compact", revision: 3 },
      nested(gone),
      nested(putOp("absent", bytes(""), { ignoreLease: true })),
      nested(putOp("a", bytes("x"), { lease: 7n })),
      nested(old),
      either([gone, old], [putOp("a", bytes(""), { ignoreValue: true })]),
    );
    expect(errors.slice(4)).toEqual([
      "etcdserver: key not found",
      "etcdserver: key not found",
      "etcdserver: requested lease not found",
      "etcdserver: mvcc: required revision has been compacted",
      undefined,
    ]);
    const all = store.range(rangeOp("\0", "\0")).kvs.map((kv) => [kv.key, text(kv.value), kv.version]);
    expect([all, store.revision]).toEqual([[["a", "2", 3]], 5]);
  });

  it("are bounded in each list and in depth", () => {
    const many = Array.from({ length: MAX_TXN_OPS + 1 }, (_, i) => put(`k${i}`));
    const compares = many.map(({ key }): Compare => ({ target: "mod", key, rangeEnd: "", result: "=", value: 0n }));
    const within = (levels: number): TxnOp => ({
      type: "txn",
      compare: [],
      success: levels === 1 ? [] : [within(levels - 1)],
      failure: [],
    });
    const { errors } = applied(
      txn(many),
      txn([], many),
      { type: "txn", compare: compares, success: [], failure: [] },
      within(17),
      within(16),
      txn(many.slice(1), many.slice(1)),
    );
    const tooMany = "etcdserver: too many operations in txn request";
    expect(errors).toEqual([tooMany, tooMany, tooMany, tooMany, undefined, undefined]);
  });

  it("are refused for what no state could make right, in either branch", () => {
    const valued = putOp("a", bytes("v"), { ignoreValue: true });
    const leased = putOp("a", bytes("v"), { lease: 1n, ignoreLease: true });
    const nameless: Op = { type: "deleteRange", key: "", rangeEnd: "z", prevKv: false };
    const texts: string[] = [];
    for (const op of [valued, leased, nameless]) {
      for (const command of [op, txn([op]), txn([], [op])]) {
        const [error] = applied(command).errors;
        expect(() => checkCommand(command)).toThrow(error);
        texts.push(error!);
      }
    }
    expect([...new Set(texts)]).toEqual([
      "etcdserver: value is provided",
      "etcdserver: lease is provided",
      "etcdserver: key is not provided",
    ]);
    const compare: Compare = { target: "mod", key: "", rangeEnd: "z", result: "=", value: 0n };
    expect(applied({ type: "txn", compare: [compare], success: [], failure: [] }).errors).toEqual([
      "etcdserver: key is not provided",
    ]);
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

describe("compares", () => {
  const { store } = applied(
    { type: "leaseGrant", id: 9n, ttl: 60 },
    put("a", "first"),
    putOp("a", bytes("mm"), { lease: 9n }),
    put("b", "mm"),
    put("c"),
    { type: "deleteRange", key: "c", rangeEnd: "", prevKv: false },
  );
  const succeeds = (compare: Compare): boolean => {
    const { result } = store.apply(store.appliedIndex + 1, {
      type: "txn",
      compare: [compare],
      success: [],
      failure: [],
    });
    return result?.type === "txn" && result.succeeded;
  };
  const RESULTS = ["<", "=", ">", "!="] as const;

  it("look at the field that they name, and tell less, equal and more", () => {
    const fields = { version: 2n, create: 2n, mod: 3n, lease: 9n };
    for (const target of ["version", "create", "mod", "lease"] as const) {
      for (const [by, holding] of [
        [-1n, [">", "!="]],
        [0n, ["="]],
        [1n, ["<", "!="]],
      ] as const) {
        const value = fields[target] + by;
        const found = RESULTS.filter((result) => succeeds({ target, key: "a", rangeEnd: "", result, value }));
        expect(found, `${target} ${by}`).toEqual(holding);
      }
    }
  });

  it("order values by bytes, and a prefix before what is longer", () => {
    for (const [value, holding] of [
      ["ml", [">", "!="]],
      ["m", [">", "!="]],
      ["mm", ["="]],
      ["mmm", ["<", "!="]],
    ] as const) {
      const compare = { target: "value", key: "a", rangeEnd: "", value: bytes(value) } as const;
      expect(
        RESULTS.filter((result) => succeeds({ ...compare, result })),
        value,
      ).toEqual(holding);
    }
  });

  it("hold over a range when they hold for each key that lives in it; a range without keys is an absent key", () => {
    const version = (key: string, rangeEnd: string, value: bigint): boolean =>
      succeeds({ target: "version", key, rangeEnd, result: "=", value });
    expect([version("a", "b", 2n), version("b", "d", 1n), version("a", "d", 2n), version("a", "d", 1n)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([version("c", "d", 0n), version("c", "d", 1n), version("c", "", 0n), version("x", "\0", 0n)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
    expect(succeeds({ target: "mod", key: "c", rangeEnd: "", result: "=", value: 0n })).toBe(true);
    expect(succeeds({ target: "value", key: "c", rangeEnd: "", result: "=", value: bytes("") })).toBe(false);
  });
});

describe("puts", () => {
  it("keep the value or the lease where they are asked to", () => {
    const { store } = applied(
      { type: "leaseGrant", id: 9n, ttl: 60 },
      putOp("a", bytes("kept"), { lease: 9n }),
      putOp("a", bytes(""), { ignoreValue: true }),
      putOp("b", bytes("old"), { lease: 9n }),
      putOp("b", bytes("new"), { ignoreLease: true }),
    );
    const kvs = store.range(rangeOp("a", "c")).kvs.map((kv) => [kv.key, text(kv.value), kv.lease, kv.version]);
    expect(kvs).toEqual([
      ["a", "kept", 0n, 2],
      ["b", "new", 9n, 2],
    ]);
  });

  it("keep a copy: what becomes of the request's bytes is nothing to the store", () => {
    const value = bytes("mine");
    const { store } = applied(putOp("a", value));
    value.fill(0);
    expect(text(store.range(rangeOp("a")).kvs[0]!.value)).toBe("mine");
  });
});

describe("the applied index", () => {
  it("moves by one with every entry, also one that fails or carries nothing, and never back", () => {
    const store = new MvccStore();
    store.apply(1, putOp("", bytes("v")));
    store.apply(2, undefined);
    expect([store.appliedIndex, store.revision]).toEqual([2, 1]);
    for (const index of [1, 2, 4]) expect(() => store.apply(index, put("a")), String(index)).toThrow("applied after 2");
    expect(() => store.replaceWith(applied(put("a")).store)).toThrow("never takes the state back");
    expect([store.appliedIndex, store.revision]).toEqual([2, 1]);
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

  it("bounds on revisions are inclusive, and what they leave out is counted", () => {
    // a: created 3, changed 5. b: created and changed 2. c: created and changed 4.
    const at = { revision: 5 };
    const found = (options: Partial<RangeOp>): string => keys("a", "z", { ...at, ...options }).join("");
    expect(["abc", "ac", "a", ""]).toEqual([2, 4, 5, 6].map((minModRevision) => found({ minModRevision })));
    expect(["", "b", "bc", "abc"]).toEqual([1, 2, 4, 5].map((maxModRevision) => found({ maxModRevision })));
    expect(["abc", "ac", "c", ""]).toEqual([2, 3, 4, 5].map((minCreateRevision) => found({ minCreateRevision })));
    expect(["", "b", "ab", "abc"]).toEqual([1, 2, 3, 4].map((maxCreateRevision) => found({ maxCreateRevision })));
    for (const options of [{ maxModRevision: 4 }, { minCreateRevision: 3 }, { maxCreateRevision: 3 }]) {
      const range = (limit: number) => store.range(rangeOp("a", "z", { ...at, ...options, limit }));
      expect([range(1).kvs.length, range(1).more, range(1).count]).toEqual([1, true, 3]);
      expect([range(2).kvs.length, range(2).more, range(2).count]).toEqual([2, false, 3]);
    }
  });

  it("sorts by each target, also where values are left out", () => {
    // Values are "9" to "6" in the order of writing: b, a, c, a.
    const sorted = (sortTarget: SortTarget, sortOrder: RangeOp["sortOrder"], over: Partial<RangeOp> = {}): string =>
      keys("a", "z", { revision: 5, sortTarget, sortOrder, ...over }).join("");
    expect([sorted("create", "ascend"), sorted("create", "descend")]).toEqual(["bac", "cab"]);
    expect([sorted("mod", "ascend"), sorted("mod", "descend")]).toEqual(["bca", "acb"]);
    expect([sorted("version", "ascend"), sorted("version", "descend")]).toEqual(["bca", "abc"]);
    expect([sorted("value", "ascend"), sorted("value", "descend")]).toEqual(["acb", "bca"]);
    expect(sorted("value", "descend", { keysOnly: true, limit: 2 })).toBe("bc");
  });

  it("says more only when the limit left keys out, and tells keys alone with all that is not their value", () => {
    const range = (limit: number) => store.range(rangeOp("a", "z", { limit }));
    expect([range(1).kvs.length, range(2).more, range(3).more]).toEqual([1, false, false]);
    expect(store.range(rangeOp("a", "z", { limit: 1, countOnly: true })).more).toBe(false);
    const leased = applied({ type: "leaseGrant", id: 9n, ttl: 60 }, putOp("a", bytes("v"), { lease: 9n })).store;
    expect(leased.range(rangeOp("a", "", { keysOnly: true })).kvs).toEqual([
      { key: "a", value: bytes(""), createRevision: 2, modRevision: 2, version: 1, lease: 9n },
    ]);
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

describe("pins", () => {
  it("keep history while one is held, however often another is released", () => {
    const { store } = applied(put("a", "1"), put("a", "2"), { type: "compact", revision: 3 });
    const [one, two] = [store.pin(), store.pin()];
    one();
    one();
    store.trim(100);
    expect([store.holdsCompacted, store.log.length]).toEqual([true, 2]);
    two();
    store.trim(100);
    expect([store.holdsCompacted, store.log.length]).toEqual([false, 1]);
  });
});

describe("sizes", () => {
  it("count leases while they last, so that the quota bounds them too", () => {
    const { store } = applied(put("a"));
    const without = store.sizeBytes;
    store.apply(2, { type: "leaseGrant", id: 5n, ttl: 10 });
    expect(store.sizeBytes).toBeGreaterThan(without);
    store.apply(3, { type: "leaseRevoke", id: 5n });
    expect(store.sizeBytes).toBe(without);
  });

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
