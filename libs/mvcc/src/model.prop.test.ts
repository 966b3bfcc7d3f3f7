import { createPrng } from "@trireme/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inRange } from "./bytes.ts";
import { SnapshotReader, takeSnapshot } from "./snapshot.ts";
import { MvccStore, type Outcome } from "./store.ts";
import { Tree } from "./tree.ts";
import { type Command, type KeyValue, type Op, type WriteOp, putOp, rangeOp } from "./types.ts";
import { type WatchEvent, WatchHub, type WatchSpec, type Watcher } from "./watch-hub.ts";

// The model is the slowest true thing: the whole key space, copied at every revision.
type State = ReadonlyMap<string, KeyValue>;

const KEYS = ["a", "b", "c", "ca", "d", "e"];
const LEASES = [1n, 2n];
/** Without the size, fast-check stops at ten steps, whatever the length allowed: too few for a compaction to matter. */
const HISTORY = { maxLength: 60, size: "max" } as const;

const key = fc.constantFrom(...KEYS);
const rangeEnd = fc.constantFrom("", "c", "d", "z", "\0");
const put: fc.Arbitrary<Op> = fc
  .record({ key, value: fc.nat(9), lease: fc.constantFrom(0n, ...LEASES), prevKv: fc.boolean() })
  .map(({ value, ...rest }) => putOp(rest.key, Uint8Array.of(value), rest));
const remove: fc.Arbitrary<Op> = fc.record({
  type: fc.constant("deleteRange" as const),
  key,
  rangeEnd,
  prevKv: fc.boolean(),
});
const read: fc.Arbitrary<Op> = fc.tuple(key, rangeEnd).map(([k, end]) => rangeOp(k, end));
const txn: fc.Arbitrary<WriteOp> = fc
  .record({ k: key, n: fc.nat(3), success: fc.array(fc.oneof(put, remove, read), { maxLength: 3 }), failure: put })
  .map(({ k, n, success, failure }) => ({
    type: "txn",
    compare: [{ target: "version", key: k, rangeEnd: "", result: "=", value: BigInt(n) }],
    success,
    failure: [failure],
  }));
/** Compacts up to so many revisions below the newest. */
type CompactBehind = { readonly type: "compactBehind"; readonly by: number };
const write: fc.Arbitrary<WriteOp> = fc.oneof(
  { weight: 4, arbitrary: put as fc.Arbitrary<WriteOp> },
  { weight: 2, arbitrary: remove as fc.Arbitrary<WriteOp> },
  { weight: 3, arbitrary: txn },
);
const command: fc.Arbitrary<WriteOp | CompactBehind> = fc.oneof(
  { weight: 9, arbitrary: write },
  { weight: 1, arbitrary: fc.nat(8).map((by): CompactBehind => ({ type: "compactBehind", by })) },
);

/** A store whose leases keys may name. */
function withLeases(): MvccStore {
  const store = new MvccStore();
  for (const [at, id] of LEASES.entries()) store.apply(at + 1, { type: "leaseGrant", id, ttl: 60 });
  return store;
}

function carryOut(store: MvccStore, each: WriteOp | CompactBehind): Outcome {
  const command: Command =
    each.type === "compactBehind" ? { type: "compact", revision: store.revision - each.by } : each;
  return store.apply(store.appliedIndex + 1, command);
}

function applyToModel(state: State, revision: number, ops: readonly Op[]) {
  const next = new Map(state);
  const answers: unknown[] = [];
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
        lease: op.lease,
      });
      answers.push(plain(op.prevKv && old !== undefined ? [old] : []));
      wrote = true;
    } else if (op.type === "deleteRange") {
      const doomed = modelRange(next, op.key, op.rangeEnd);
      for (const kv of doomed) next.delete(kv.key);
      answers.push([doomed.length, plain(op.prevKv ? doomed : [])]);
      wrote ||= doomed.length > 0;
    } else if (op.type === "range") {
      const found = modelRange(next, op.key, op.rangeEnd);
      answers.push([found.length, plain(found)]);
    }
  }
  return { state: next, wrote, answers };
}

/** What the store answered, in the words of the model. */
function answersOf(result: Outcome["result"]): unknown[] {
  switch (result?.type) {
    case "put":
      return [plain(result.prevKv === undefined ? [] : [result.prevKv])];
    case "deleteRange":
      return [[result.deleted, plain(result.prevKvs)]];
    case "range":
      return [[result.count, plain(result.kvs)]];
    case "txn":
      return result.responses.flatMap(answersOf);
    default:
      return [];
  }
}

function modelRange(state: State, from: string, end: string): KeyValue[] {
  const found = [...state.values()].filter((kv) => inRange(kv.key, from, end));
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

const plain = (kvs: readonly KeyValue[]): unknown[] =>
  kvs.map((kv) => [kv.key, [...kv.value], kv.createRevision, kv.modRevision, kv.version, kv.lease]);

const eventText = (event: WatchEvent): string =>
  `${event.type} ${event.kv.key} @${event.kv.modRevision} was ${event.prevKv?.modRevision ?? "-"}`;

/**
 * A watcher that lags behind a compaction still hears the event at the compact revision itself, but what the key was
 * before is gone by then (etcd answers an empty prevKv too).
 */
const withoutLostPrevious = (events: readonly string[], compactRevision: number): string[] =>
  events.map((text) => (revisionOf(text) <= compactRevision ? text.replace(/ was .*/, "") : text));

const EVERYTHING = { key: "a", rangeEnd: "\0", prevKv: true, noPut: false, noDelete: false };

/** What a watcher of all keys must hear for one step of the model. */
function modelEvents(before: State, after: State, revision: number): string[] {
  const events: string[] = [];
  for (const k of KEYS) {
    const old = before.get(k);
    const now = after.get(k);
    if (now?.modRevision === revision) {
      events.push(`put ${k} @${revision} was ${old?.modRevision ?? "-"}`);
    }
    if (now === undefined && old !== undefined) {
      events.push(`delete ${k} @${revision} was ${old.modRevision}`);
    }
  }
  return events.sort();
}

describe("MvccStore against the model", () => {
  it("answers, reads, watches and snapshots agree at every revision that can be read", () => {
    let compactions = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(command, fc.nat(3)), HISTORY),
        key,
        rangeEnd,
        fc.nat(5),
        fc.record({ noPut: fc.boolean(), noDelete: fc.boolean() }),
        (steps, from, end, pace, filters) => {
          const store = withLeases();
          const hub = new WatchHub(store);
          const spec = { key: from, rangeEnd: end, startRevision: 1, prevKv: true, ...filters };
          const eager = hub.watch(spec, () => undefined);
          const heard: string[] = [];
          const all: string[] = [];
          const states: State[] = [new Map(), new Map()];
          for (const [step, [each, trims]] of steps.entries()) {
            const before = states.at(-1)!;
            const revision = store.revision;
            const outcome = carryOut(store, each);
            hub.publish();
            if (outcome.error === undefined && each.type === "compactBehind") compactions += 1;
            if (outcome.error === undefined && each.type !== "compactBehind") {
              const ops =
                each.type !== "txn"
                  ? [each]
                  : (before.get(each.compare[0]!.key)?.version ?? 0) === Number(each.compare[0]!.value)
                    ? each.success
                    : each.failure;
              const next = applyToModel(before, revision, ops);
              expect(answersOf(outcome.result)).toEqual(next.answers);
              if (next.wrote) {
                states.push(next.state);
                all.push(...modelEvents(before, next.state, revision + 1));
              }
            }
            expect(store.revision).toBe(states.length - 1);
            store.trim(trims);
            if (step % (pace + 1) === 0) drain(eager, heard);
          }
          drain(eager, heard);
          const expected = all.filter((text) => isWatched(text, spec));
          const { compactRevision } = store;
          if (!heard.includes("compacted")) {
            expect(withoutLostPrevious(sortRevisions(heard), compactRevision)).toEqual(
              withoutLostPrevious(expected, compactRevision),
            );
          }
          const restored = roundTrip(store);
          const found: unknown[] = [];
          const wanted: unknown[] = [];
          for (let revision = Math.max(1, compactRevision); revision <= store.revision; revision++) {
            const op = rangeOp(from, end, { revision });
            const kvs = plain(modelRange(states[revision]!, from, end));
            const late = sortRevisions(hear(store, { ...spec, startRevision: revision }));
            const fromThere = expected.filter((text) => revisionOf(text) >= revision);
            wanted.push(kvs, kvs, withoutLostPrevious(fromThere, compactRevision));
            found.push(plain(store.range(op).kvs), plain(restored.range(op).kvs));
            found.push(withoutLostPrevious(late, compactRevision));
          }
          expect(found).toEqual(wanted);
          // A copy tells the same of all keys, also the order within a revision and what was before.
          const everything = { ...EVERYTHING, startRevision: Math.max(1, compactRevision) };
          expect(hear(restored, everything)).toEqual(hear(store, everything));
          expect(withoutLostPrevious(sortRevisions(hear(store, everything)), compactRevision)).toEqual(
            withoutLostPrevious(all, compactRevision).filter((text) => revisionOf(text) >= compactRevision),
          );
          if (compactRevision > 1) {
            const old = rangeOp(from, end, { revision: compactRevision - 1 });
            expect(() => store.range(old)).toThrow("has been compacted");
            expect(hear(store, { ...spec, startRevision: compactRevision - 1 })).toEqual(["compacted"]);
          }
          for (const id of LEASES) {
            const attached = [...states.at(-1)!.values()].filter((kv) => kv.lease === id).map((kv) => kv.key);
            expect([store.leases.keysOf(id), restored.leases.keysOf(id)]).toEqual([attached.sort(), attached]);
          }
          expect(digest(restored)).toEqual(digest(store));
        },
      ),
      { numRuns: 60 },
    );
    expect(compactions, "runs without compactions prove little").toBeGreaterThan(60);
  });

  it("snapshots are the same bytes whatever was trimmed, and trimming leaves what a snapshot holds", () => {
    fc.assert(
      fc.property(fc.array(command, HISTORY), fc.array(write, HISTORY), (commands, after) => {
        const one = withLeases();
        const two = withLeases();
        const run = (each: WriteOp | CompactBehind): void => {
          carryOut(one, each);
          carryOut(two, each);
          while (two.trim(10));
        };
        for (const each of commands) run(each);
        run(putOp("z", Uint8Array.of(0)));
        const floor = one.revision;
        for (const each of after) run(each);
        run({ type: "compactBehind", by: one.revision - floor });
        expect(digest(one)).toEqual(digest(two));
        // The floor's own key has no older version, which would go with the next compaction only.
        while (one.trim(10));
        expect([sizes(one), sizes(two)]).toEqual([sizes(roundTrip(one)), sizes(one)]);
      }),
      { numRuns: 60 },
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
  return [...events].sort((a, b) => revisionOf(a) - revisionOf(b) || (a < b ? -1 : 1));
}

function revisionOf(event: string): number {
  return Number(/@(\d+)/.exec(event)![1]);
}

/** Whether the watcher hears of the event. */
function isWatched(event: string, { key: from, rangeEnd: end, noPut, noDelete }: WatchSpec): boolean {
  const [type, k] = event.split(" ");
  return inRange(k!, from, end) && !(type === "put" ? noPut : noDelete);
}

/** All that a watcher hears who comes now. */
function hear(store: MvccStore, spec: WatchSpec): string[] {
  const heard: string[] = [];
  drain(
    new WatchHub(store).watch(spec, () => undefined),
    heard,
  );
  return heard;
}

function sizes({ sizeBytes, liveBytes, keyCount, log }: MvccStore): number[] {
  return [sizeBytes, liveBytes, keyCount, log.length];
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
