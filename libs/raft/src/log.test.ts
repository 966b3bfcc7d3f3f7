import { describe, expect, it } from "vitest";
import { bootstrapState } from "./config.ts";
import { RaftLog } from "./log.ts";
import type { Entry, SnapshotMeta } from "./types.ts";

const entry = (term: number, index: number): Entry => ({ term, index, type: "normal", data: new Uint8Array(8) });

function logOf(...terms: number[]): RaftLog {
  const initial = bootstrapState([1n, 2n, 3n]);
  return new RaftLog({ ...initial, entries: terms.map((term, i) => entry(term, i + 2)) });
}

/** Hands out what is unstable, as Raft.ready does. */
function write(log: RaftLog, seq: number): void {
  const { entries, snapshot } = log.takeUnstable();
  log.writes.push({ seq, tick: 0, last: entries.at(-1)?.index ?? 0, snapshot, messages: [] });
}

describe("RaftLog", () => {
  it("never lets an old write vouch for a new entry of the same term and index (ABA)", () => {
    const log = logOf();
    log.append([entry(2, 2)]);
    write(log, 1);
    log.append([entry(3, 2)]);
    write(log, 2);
    log.append([entry(2, 2)]);
    write(log, 3);
    log.acknowledge(1);
    expect(log.stable).toBe(1);
    log.acknowledge(2);
    expect(log.stable).toBe(1);
    log.acknowledge(3);
    expect(log.stable).toBe(2);
  });

  it("keeps what an old write still shares with the log", () => {
    const log = logOf();
    log.append([entry(2, 2), entry(2, 3), entry(2, 4)]);
    write(log, 1);
    log.append([entry(3, 4)]);
    log.acknowledge(1);
    expect(log.stable).toBe(3);
    expect(log.takeUnstable().entries).toEqual([entry(3, 4)]);
  });

  it("refuses to overwrite what is committed", () => {
    const log = logOf(2, 2);
    log.commitTo(3);
    expect(() => log.append([entry(3, 3)])).toThrow("overwrite the committed prefix");
    expect(() => log.commitTo(4)).toThrow("was the log lost");
  });

  it("acknowledges writes in order only", () => {
    const log = logOf();
    log.append([entry(2, 2)]);
    write(log, 1);
    log.append([entry(2, 3)]);
    write(log, 2);
    expect(() => log.acknowledge(2)).toThrow("out of order");
  });

  it("hands out committed entries only when they are durable, and in bounded batches", () => {
    const log = logOf();
    log.append([entry(2, 2), entry(2, 3), entry(2, 4)]);
    write(log, 1);
    log.commitTo(4);
    expect(log.takeCommitted(1000, 1000)).toEqual([]);
    log.acknowledge(1);
    expect(log.takeCommitted(40, 60).map((e) => e.index)).toEqual([2]);
    expect(log.takeCommitted(40, 60).map((e) => e.index)).toEqual([3]);
    // Two entries are being applied, more than the bound: the third waits.
    expect(log.takeCommitted(40, 60)).toEqual([]);
    log.appliedTo(2);
    expect(log.takeCommitted(40, 60).map((e) => e.index)).toEqual([4]);
  });

  it("skips whole terms in its hint", () => {
    const log = logOf(2, 2, 3, 3, 3, 5, 5);
    expect(log.conflictHint(8, 4)).toEqual({ index: 6, term: 3 });
    expect(log.conflictHint(8, 2)).toEqual({ index: 3, term: 2 });
    expect(log.conflictHint(20, 9)).toEqual({ index: 8, term: 5 });
    expect(log.conflictHint(8, 1)).toEqual({ index: 1, term: 1 });
  });

  it("compacts only what a durable snapshot covers, and answers no question about it", () => {
    const log = logOf(2, 2, 2);
    log.commitTo(4);
    log.takeCommitted(1000, 1000);
    log.appliedTo(4);
    expect(() => log.compact(3)).toThrow("not covered");
    log.snapshot = { ...log.snapshot, index: 3, term: 2 };
    log.compact(3);
    expect([log.term(2), log.term(3), log.term(4), log.last]).toEqual([undefined, 2, 2, 4]);
    expect(log.conflictHint(2, 2)).toEqual({ index: 2, term: 0 });
  });

  it("restarts from entries kept behind the snapshot", () => {
    const snapshot: SnapshotMeta = { ...bootstrapState([1n]).snapshot, index: 4, term: 2 };
    const hardState = { term: 3, vote: 0n, commit: 5 };
    const entries = [entry(2, 3), entry(2, 4), entry(3, 5), entry(3, 6)];
    const log = new RaftLog({ hardState, snapshot, entries });
    expect([log.offset, log.applied, log.committed, log.last, log.stable]).toEqual([3, 4, 5, 6, 6]);
    expect(() => new RaftLog({ hardState, snapshot, entries: [entry(3, 6)] })).toThrow("without a gap");
    expect(() => new RaftLog({ hardState: { ...hardState, commit: 9 }, snapshot, entries })).toThrow("beyond the last");
  });
});
