import { describe, expect, it } from "vitest";
import { RangeSlices } from "./range-slices.ts";
import { MvccStore } from "./store.ts";
import { type Command, type KeyValue, putOp, rangeOp } from "./types.ts";

const key = (i: number): string => `k${String(i).padStart(4, "0")}`;
const NEW = new Uint8Array([9]);

function filled(keys: number): { store: MvccStore; apply: (command: Command) => void } {
  const store = new MvccStore();
  const apply = (command: Command): void => void store.apply(store.appliedIndex + 1, command);
  for (let i = 0; i < keys; i++) apply(putOp(key(i), new Uint8Array([i % 256])));
  return { store, apply };
}

function readAll(slices: RangeSlices, between: () => void): KeyValue[] {
  const kvs: KeyValue[] = [];
  for (let slice = slices.next(7); slice !== undefined; slice = slices.next(7)) {
    kvs.push(...slice);
    between();
  }
  slices.release();
  return kvs;
}

describe("a range in slices", () => {
  it("holds one revision, whatever is written, deleted, compacted and trimmed between two slices", () => {
    const { store, apply } = filled(100);
    const expected = store.range(rangeOp("\0", "\0")).kvs.map(({ key, value }) => ({ key, value }));
    const slices = new RangeSlices(store, rangeOp("\0", "\0"));
    let step = 0;
    const kvs = readAll(slices, () => {
      apply(putOp(key(step * 3), NEW));
      apply(putOp(`${key(step * 7)}+`, NEW));
      apply({ type: "deleteRange", key: key(99 - step), rangeEnd: "", prevKv: false });
      apply({ type: "compact", revision: store.revision });
      store.trim(1000);
      step += 1;
    });
    expect(step).toBeGreaterThan(10);
    expect(kvs.map(({ key, value }) => ({ key, value }))).toEqual(expected);
    expect([slices.count, slices.more]).toEqual([100, false]);
    // What was kept for it goes now.
    store.trim(1000);
    expect(store.sizeBytes - store.liveBytes).toBeLessThan(1000);
  });

  it("is the range that a single read gives: part of the keys, limited, old, without values, or counted only", () => {
    const { store, apply } = filled(40);
    for (let i = 0; i < 40; i += 2) apply(putOp(key(i), NEW));
    apply({ type: "deleteRange", key: key(3), rangeEnd: key(6), prevKv: false });
    const options = [{}, { limit: 1 }, { limit: 17 }, { limit: 18 }, { keysOnly: true }, { countOnly: true, limit: 2 }];
    for (const option of options) {
      for (const revision of [0, 30, store.revision]) {
        const op = rangeOp(key(2), key(23), { ...option, revision });
        const { kvs, count, more } = store.range(op);
        const slices = new RangeSlices(store, op);
        expect(readAll(slices, () => undefined)).toEqual(kvs);
        expect([slices.count, slices.more]).toEqual([count, more]);
      }
    }
  });

  it("refuses what a single read would, and takes only what needs no sorting", () => {
    const { store, apply } = filled(5);
    apply({ type: "compact", revision: 3 });
    const open = (revision: number) => new RangeSlices(store, rangeOp("a", "z", { revision }));
    expect(() => open(2)).toThrow("compacted");
    expect(() => open(7)).toThrow("future");
    expect(() => new RangeSlices(store, rangeOp("", "z"))).toThrow("key is not provided");
    const fits = [rangeOp("a"), rangeOp("a", "z"), rangeOp("a", "z", { sortOrder: "descend" })].map(RangeSlices.fits);
    expect(fits).toEqual([false, true, false]);
  });

  it("gives up when the leader's snapshot replaces the state", () => {
    const { store } = filled(100);
    const slices = new RangeSlices(store, rangeOp("\0", "\0"));
    slices.next(10);
    store.replaceWith(filled(200).store);
    expect(() => slices.next(10)).toThrow("replaced");
  });
});
