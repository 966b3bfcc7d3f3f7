import { createPrng } from "@trireme/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inRange } from "./bytes.ts";
import { SnapshotReader, takeSnapshot } from "./snapshot.ts";
import { MvccStore } from "./store.ts";
import { Tree } from "./tree.ts";
import { type CompactOp, type KeyValue, type Op, type WriteOp, putOp, rangeOp } from "./types.ts";
import { type WatchEvent, WatchHub, type Watcher } from "./watch-hub.ts";

// The model is the slowest true thing: the whole key space, copied at every revision.
type State = ReadonlyMap<string, KeyValue>;

const KEYS = ["a", "b", "c", "ca", "d", "e"];
const key = fc.constantFrom(...KEYS);
const rangeEnd = fc.constantFrom("", "c", "d", "z", "\0");
const put: fc.Arbitrary<Op> = fc.tuple(key, fc.nat(9)).map(([k, n]) => putOp(k, Uint8Array.of(n), { prevKv: true }));
const remove: fc.Arbitrary<Op> = fc
  .tuple(key, rangeEnd)
  .map(([k, end]) => ({ type: "deleteRange", key: k, rangeEnd: end, prevKv: true }));
const read: fc.Arbitrary<Op> = fc.tuple(key, rangeEnd).map(([k, end]) => rangeOp(k, end));
const txn: fc.Arbitrary<WriteOp> = fc
  .record({ k: key, n: fc.nat(3), success: fc.array(fc.oneof(put, remove, read), { maxLength: 3 }), failure: put })
  .map(({ k, n, success, failure }) => ({
    type: "txn",
    compare: [{ target: "version", key: k, rangeEnd: "", result: "=", value: BigInt(n) }],
    success,
    failure: [failure],
  }));
const command: fc.Arbitrary<WriteOp | CompactOp> = fc.oneof(
  { weight: 4, arbitrary: put as fc.Arbitrary<WriteOp> },
  { weight: 2, arbitrary: remove as fc.Arbitrary<WriteOp> },
  { weight: 3, arbitrary: txn },
  { weight: 1, arbitrary: fc.nat(40).map((revision): CompactOp => ({ type: "compact", revision })) },
);

function applyToModel(state: State, revision: number, ops: readonly Op[]): { state: State; wrote: boolean } {
  const next = new Map(state);
  let wrote = false;
  for (const op of ops) {
    if (op.type === "put") {
      const old = next.get(op.key);
      next.set(op.key, {
        key: op.key,
        value: op.value,
        createRevision: old?.createRevision ?? revision + 1,
        modRevision: revision + 1,
        version: (old?.version ?? 0) + 1,
        lease: 0n,
      });
      wrote = true;
    } else if (op.type === "deleteRange") {
      for (const k of [...next.keys()]) {
        if (!inRange(k, op.key, op.rangeEnd)) continue;
        next.delete(k);
        wrote = true;
      }
    }
  }
  return { state: next, wrote };
}

function modelRange(state: State, from: string, end: string): KeyValue[] {
  const found = [...state.values()].filter((kv) => inRange(kv.key, from, end));
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const plain = (kvs: readonly KeyValue[]): unknown[] =>
  kvs.map((kv) => [kv.key, [...kv.value], kv.createRevision, kv.modRevision, kv.version]);

const eventText = (event: WatchEvent): string =>
  `${event.type} ${event.kv.key} @${event.kv.modRevision} was ${event.prevKv?.modRevision ?? "-"}`;

/**
 * A watcher that lags behind a compaction still hears the event at the compact revision itself, but what the key was
 * before is gone by then (etcd answers an empty prevKv too).
 */
const withoutLostPrevious = (events: readonly string[], compactRevision: number): string[] =>
  events.map((text) => (Number(/@(\d+)/.exec(text)![1]) <= compactRevision ? text.replace(/ was .*/, "") : text));

/** What a watcher of the range must hear for one step of the model. */
function modelEvents(before: State, after: State, revision: number, from: string, end: string): string[] {
  const events: string[] = [];
  for (const k of KEYS.filter((each) => inRange(each, from, end))) {
    const old = before.get(k);
    const now = after.get(k);
    if (now !== undefined && now.modRevision === revision)
      events.push(`put ${k} @${revision} was ${old?.modRevision ?? "-"}`);
    if (now === undefined && old !== undefined) events.push(`delete ${k} @${revision} was ${old.modRevision}`);
  }
  return events.sort();
}

describe("MvccStore against the model", () => {
  it("reads, watches and snapshots agree at every revision that can be read", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(command, fc.nat(3)), { maxLength: 60 }),
        key,
        rangeEnd,
        fc.nat(5),
        (steps, from, end, pace) => {
          const store = new MvccStore();
          const hub = new WatchHub(store);
          const spec = { key: from, rangeEnd: end, startRevision: 1, prevKv: true, noPut: false, noDelete: false };
          const eager = hub.watch(spec, () => undefined);
          const heard: string[] = [];
          const expected: string[] = [];
          const states: State[] = [new Map(), new Map()];
          let index = 0;
          for (const [step, [each, trims]] of steps.entries()) {
            const before = states.at(-1)!;
            const revision = store.revision;
            const outcome = store.apply(++index, each);
            hub.publish();
            if (outcome.error === undefined && each.type !== "compact") {
              const ops =
                each.type !== "txn"
                  ? [each]
                  : (before.get(each.compare[0]!.key)?.version ?? 0) === Number(each.compare[0]!.value)
                    ? each.success
                    : each.failure;
              const next = applyToModel(before, revision, ops);
              if (next.wrote) {
                states.push(next.state);
                expected.push(...modelEvents(before, next.state, revision + 1, from, end));
              }
            }
            expect(store.revision).toBe(states.length - 1);
            store.trim(trims);
            if (step % (pace + 1) === 0) drain(eager, heard);
          }
          drain(eager, heard);
          const { compactRevision } = store;
          if (!heard.includes("compacted")) {
            expect(withoutLostPrevious(sortRevisions(heard), compactRevision)).toEqual(
              withoutLostPrevious(expected, compactRevision),
            );
          }
          const restored = roundTrip(store);
          for (let revision = Math.max(1, store.compactRevision); revision <= store.revision; revision++) {
            const op = rangeOp(from, end, { revision });
            const wanted = plain(modelRange(states[revision]!, from, end));
            expect(plain(store.range(op).kvs)).toEqual(wanted);
            expect(plain(restored.range(op).kvs)).toEqual(wanted);
          }
          if (store.compactRevision > 1) {
            const old = rangeOp(from, end, { revision: store.compactRevision - 1 });
            expect(() => store.range(old)).toThrow("has been compacted");
          }
          expect(digest(restored)).toEqual(digest(store));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("snapshots are the same bytes whatever was trimmed", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const one = new MvccStore();
        const two = new MvccStore();
        for (const [at, each] of commands.entries()) {
          one.apply(at + 1, each);
          two.apply(at + 1, each);
          while (two.trim(10));
        }
        expect(digest(one)).toEqual(digest(two));
      }),
      { numRuns: 100 },
    );
  });
});

describe("Tree against a map", () => {
  it("gets, deletes and scans as a sorted map would", () => {
    // A seed, not an array of steps: three levels of nodes take thousands of steps, which are slow to generate one by one.
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const prng = createPrng(seed);
        const tree = new Tree<number>();
        const map = new Map<string, number>();
        for (let step = 0; step < 9000; step++) {
          const n = prng.int(0, 6000);
          const add = prng.next() < (step < 6000 ? 0.8 : 0.1);
          const k = n.toString(36);
          if (add) {
            tree.set(k, n);
            map.set(k, n);
          } else {
            if (tree.delete(k) !== map.delete(k)) throw new Error(`deletion of ${k} differs at step ${step}`);
          }
        }
        expect(tree.size).toBe(map.size);
        const seen: string[] = [];
        tree.scan("1", "m", (k, value) => {
          seen.push(`${k}=${value}`);
          return true;
        });
        const inside = [...map].filter(([k]) => k >= "1" && k < "m").sort(([a], [b]) => (a < b ? -1 : 1));
        expect(seen).toEqual(inside.map(([k, value]) => `${k}=${value}`));
      }),
      { numRuns: 8 },
    );
  });
});

function drain(watcher: Watcher, into: string[]): void {
  for (;;) {
    const batch = watcher.take(2);
    if (batch === undefined) return;
    if (batch.type === "compacted") {
      into.push("compacted");
      return;
    }
    into.push(...batch.events.map(eventText));
    if (batch.events.length > 0) expect(batch.events.at(-1)!.kv.modRevision).toBe(batch.revision);
  }
}

/** Events within one revision come in the order of the transaction, which the model does not keep. */
function sortRevisions(events: readonly string[]): string[] {
  const revision = (event: string): number => Number(event.split("@")[1]!.split(" ")[0]);
  return [...events].sort((a, b) => revision(a) - revision(b) || (a < b ? -1 : 1));
}

function frames(store: MvccStore): Uint8Array[] {
  const snapshot = takeSnapshot(store);
  const all: Uint8Array[] = [];
  for (let frame = snapshot.next(); frame !== undefined; frame = snapshot.next()) all.push(frame);
  snapshot.release();
  return all;
}

function roundTrip(store: MvccStore): MvccStore {
  const reader = new SnapshotReader();
  for (const frame of frames(store)) reader.push(frame);
  return reader.finish();
}

function digest(store: MvccStore): string {
  return frames(store)
    .map((frame) => Buffer.from(frame).toString("hex"))
    .join("");
}
