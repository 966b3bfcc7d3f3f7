import { MvccStore, type RangeOp, putOp, rangeOp } from "@trireme/mvcc";
import { RangeResponse } from "@trireme/proto/etcdserverpb/rpc";
import { describe, expect, it } from "vitest";
import { fromRangeResult } from "./convert.ts";
import { encodeRange } from "./encode-range.ts";

const HEADER = { clusterId: 1n, memberId: 2n, revision: 3n, raftTerm: 4n };

function filled(keys: number, valueBytes = 10): MvccStore {
  const store = new MvccStore();
  let index = 0;
  store.apply(++index, { type: "leaseGrant", id: -5n, ttl: 60 });
  for (let i = 0; i < keys; i++) {
    const lease = i % 7 === 0 ? -5n : 0n;
    store.apply(++index, putOp(`k\xff${String(i).padStart(6, "0")}`, Buffer.alloc(i % valueBytes, i), { lease }));
  }
  return store;
}

async function decoded(store: MvccStore, op: RangeOp): Promise<RangeResponse> {
  const pieces = await encodeRange(store, op, HEADER);
  const bytes = Buffer.alloc(pieces.byteLength);
  expect(pieces.copy(bytes, 0)).toBe(pieces.byteLength);
  return RangeResponse.decode(bytes);
}

describe("encodeRange", () => {
  const store = filled(1000, 300);
  const cases: Readonly<Record<string, RangeOp>> = {
    "one key": rangeOp("k\xff000003"),
    "no key": rangeOp("absent"),
    "all keys": rangeOp("\0", "\0"),
    "up to an end": rangeOp("k\xff000100", "k\xff000900"),
    "a limit within": rangeOp("\0", "\0", { limit: 100 }),
    "a limit at the end": rangeOp("\0", "\0", { limit: 1000 }),
    "keys alone": rangeOp("\0", "\0", { keysOnly: true }),
    "their number alone": rangeOp("\0", "\0", { countOnly: true }),
    "an old revision": rangeOp("\0", "\0", { revision: 500 }),
    "from behind": rangeOp("\0", "\0", { sortOrder: "descend", limit: 200 }),
    "by age": rangeOp("\0", "\0", { minModRevision: 400, maxModRevision: 600 }),
  };
  for (const [name, op] of Object.entries(cases)) {
    it(`says what the generated encoder would: ${name}`, async () => {
      const expected = fromRangeResult(store.range(op), HEADER);
      expect(await decoded(store, op)).toEqual(RangeResponse.decode(RangeResponse.encode(expected).finish()));
    });
  }

  it("refuses what was compacted, and lets history go when it is done", async () => {
    const store = filled(10);
    store.apply(store.appliedIndex + 1, { type: "compact", revision: 5 });
    await expect(encodeRange(store, rangeOp("\0", "\0", { revision: 2 }), HEADER)).rejects.toThrow("compacted");
    await encodeRange(store, rangeOp("\0", "\0"), HEADER);
    store.trim(1000);
    expect(store.log.at(0)?.modRevision).toBe(5);
  });
});
