import { assert, assertSafeInteger } from "@trireme/base";
import type { InitialState } from "./config.ts";
import type { Entry, Message, SnapshotMeta } from "./types.ts";

/** What an entry costs besides its data: object, framing and indexes, so that empty entries are not free. */
const ENTRY_OVERHEAD_BYTES = 32;

/** The size that all of the core's byte bounds count. */
export function entryBytes(entry: Pick<Entry, "data">): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/** The summed size of several entries. */
export function entriesBytes(entries: readonly Pick<Entry, "data">[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** A write that was handed to storage and is not acknowledged yet. */
export interface PendingWrite {
  readonly seq: number;
  /** The tick at which it was handed out. */
  readonly tick: number;
  /** The last index of it that is *still* part of the log; lowered when a later append overwrites. */
  last: number;
  readonly snapshot: SnapshotMeta | undefined;
  /** Messages that may leave once this write is durable. */
  readonly messages: Message[];
}

/**
 * The replicated log in memory, from the compaction point to the last entry, with the marks that move along it:
 *
 *     offset <= applied <= applying <= committed <= last      stable <= handedOut <= last
 *
 * Invariant: an entry is `stable` only if storage holds exactly this entry at this index. A write's acknowledgement
 * moves `stable` no further than that write's `last`, which shrinks when an entry of it is overwritten meanwhile; so
 * an old acknowledgement can never vouch for a new entry with the same index (even of the same term).
 */
export class RaftLog {
  /** Index and term of the entry before the first one kept. */
  offset: number;
  private offsetTerm: number;
  private entries: Entry[];
  /** The newest snapshot that may be sent to followers. */
  snapshot: SnapshotMeta;
  /** A snapshot received from the leader, not yet durable and loaded. */
  incoming: SnapshotMeta | undefined;
  private incomingHandedOut = false;
  committed: number;
  applying: number;
  applied: number;
  stable: number;
  private handedOut: number;
  private applyingBytes = 0;
  readonly writes: PendingWrite[] = [];

  constructor(initial: InitialState) {
    const { snapshot, entries, hardState } = initial;
    const first = entries[0];
    this.snapshot = snapshot;
    if (first !== undefined && first.index <= snapshot.index) {
      // Entries were kept behind the snapshot. The first one only lends its index and term as the point before the log.
      this.offset = first.index;
      this.offsetTerm = first.term;
      this.entries = entries.slice(1);
    } else {
      assert(first === undefined || first.index === snapshot.index + 1, "the log follows its snapshot without a gap");
      this.offset = snapshot.index;
      this.offsetTerm = snapshot.term;
      this.entries = [...entries];
    }
    this.checkConsecutive(this.entries, this.offset, this.offsetTerm);
    assert(this.last >= snapshot.index, "the log reaches at least to its snapshot");
    assert(this.term(snapshot.index) === snapshot.term, "the log agrees with its snapshot");
    this.committed = Math.max(hardState.commit, snapshot.index);
    assert(this.committed <= this.last, `commit ${this.committed} lies beyond the last entry ${this.last}`);
    this.applied = snapshot.index;
    this.applying = snapshot.index;
    this.stable = this.last;
    this.handedOut = this.last;
  }

  get last(): number {
    return this.offset + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.offsetTerm;
  }

  /** The term at `index`, or undefined when it is compacted or beyond the end. */
  term(index: number): number | undefined {
    if (index === this.offset) return this.offsetTerm;
    return this.entries[index - this.offset - 1]?.term;
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Entries from `from` up to and including `to`, at least one, then as many as fit into `maxBytes`. */
  slice(from: number, to: number, maxBytes: number): readonly Entry[] {
    assert(from > this.offset, `entry ${from} is compacted`);
    const start = from - this.offset - 1;
    const end = Math.min(to, this.last) - this.offset;
    let bytes = 0;
    let stop = start;
    while (stop < end) {
      bytes += entryBytes(this.entries[stop]!);
      if (bytes > maxBytes && stop > start) break;
      stop += 1;
    }
    return this.entries.slice(start, stop);
  }

  /** Whether some entry in (`after`, `to`] satisfies `predicate`. */
  some(after: number, to: number, predicate: (entry: Entry) => boolean): boolean {
    for (let i = Math.max(after, this.offset) - this.offset; i < to - this.offset; i++) {
      if (predicate(this.entries[i]!)) return true;
    }
    return false;
  }

  /** Whether a log that ends in (index, term) holds at least what ours holds (thesis 3.6.1). */
  isUpToDate(index: number, term: number): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.last);
  }

  /**
   * The last index at or below `index` whose term is at most `term`, and that term (0 when it is compacted). Whatever
   * lies between cannot agree with a log that has `term` at `index`, so a probe skips all of it.
   */
  conflictHint(index: number, term: number): { index: number; term: number } {
    let low = this.offset;
    let high = Math.min(index, this.last);
    if (high < low || this.offsetTerm > term) return { index: Math.min(high, Math.max(this.offset - 1, 0)), term: 0 };
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.term(middle)! <= term) low = middle;
      else high = middle - 1;
    }
    return { index: low, term: this.term(low)! };
  }

  /** Follower's append: finds the first entry that differs and replaces the log from there. False when `prev` differs. */
  tryAppend(prevIndex: number, prevTerm: number, entries: readonly Entry[]): boolean {
    if (!this.matches(prevIndex, prevTerm)) return false;
    this.checkConsecutive(entries, prevIndex, prevTerm);
    const fresh = entries.findIndex((entry) => !this.matches(entry.index, entry.term));
    if (fresh !== -1) this.append(entries.slice(fresh));
    return true;
  }

  /** Appends entries, dropping whatever the log held from the first of them on. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const keep = first.index - 1;
    assert(keep >= this.committed, `entry ${first.index} would overwrite the committed prefix up to ${this.committed}`);
    assert(keep <= this.last, "appended entries leave no gap");
    if (keep < this.last) {
      this.entries.length = keep - this.offset;
      this.handedOut = Math.min(this.handedOut, keep);
      this.stable = Math.min(this.stable, keep);
      for (const write of this.writes) write.last = Math.min(write.last, keep);
    }
    for (const entry of entries) this.entries.push(entry);
  }

  commitTo(index: number): void {
    if (index <= this.committed) return;
    assert(index <= this.last, `commit ${index} lies beyond the last entry ${this.last}: was the log lost?`);
    this.committed = index;
  }

  /** Replaces the whole log by a snapshot from the leader. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.committed, "a snapshot never takes back what is committed");
    this.entries = [];
    this.offset = snapshot.index;
    this.offsetTerm = snapshot.term;
    this.committed = snapshot.index;
    this.stable = snapshot.index;
    this.handedOut = snapshot.index;
    this.incoming = snapshot;
    this.incomingHandedOut = false;
    for (const write of this.writes) write.last = 0;
  }

  /** What has not been handed to storage yet. */
  takeUnstable(): { entries: readonly Entry[]; snapshot: SnapshotMeta | undefined } {
    const entries = this.entries.slice(this.handedOut - this.offset);
    this.handedOut = this.last;
    const snapshot = this.incomingHandedOut ? undefined : this.incoming;
    this.incomingHandedOut = this.incoming !== undefined;
    return { entries, snapshot };
  }

  get hasUnstable(): boolean {
    return this.handedOut < this.last || (this.incoming !== undefined && !this.incomingHandedOut);
  }

  /** The oldest write is durable: removes it and moves `stable`. */
  acknowledge(seq: number): PendingWrite {
    const write = this.writes.shift();
    assert(write !== undefined && write.seq === seq, `write ${seq} is acknowledged out of order`);
    this.stable = Math.max(this.stable, write.last);
    if (write.snapshot !== undefined) this.snapshotLoaded(write.snapshot);
    return write;
  }

  private snapshotLoaded(snapshot: SnapshotMeta): void {
    this.applied = Math.max(this.applied, snapshot.index);
    this.applying = Math.max(this.applying, snapshot.index);
    this.applyingBytes = 0;
    if (snapshot.index > this.snapshot.index) this.snapshot = snapshot;
    // A second snapshot may have arrived while the first was being installed: then that one is still to come.
    if (this.incoming === snapshot) this.incoming = undefined;
  }

  /** The next batch to apply: committed, durable here, and only while not too much is being applied already. */
  takeCommitted(batchBytes: number, maxApplyingBytes: number): readonly Entry[] {
    const end = Math.min(this.committed, this.stable);
    if (this.incoming !== undefined || this.applying >= end || this.applyingBytes >= maxApplyingBytes) return [];
    const entries = this.slice(this.applying + 1, end, batchBytes);
    this.applying += entries.length;
    this.applyingBytes += entriesBytes(entries);
    return entries;
  }

  /** Moves `applied` and returns the entries that it passed; none when a snapshot has overtaken them. */
  appliedTo(index: number): readonly Entry[] {
    if (index <= this.applied || this.incoming !== undefined) return [];
    assert(index <= this.applying, `entry ${index} was not handed out to be applied`);
    const entries = this.slice(this.applied + 1, index, Number.MAX_SAFE_INTEGER);
    this.applied = index;
    this.applyingBytes -= entriesBytes(entries);
    return entries;
  }

  compact(index: number): void {
    if (index <= this.offset) return;
    assert(index <= this.snapshot.index, `entry ${index} is not covered by a durable snapshot`);
    assert(index <= this.applied, "only what is applied is compacted");
    const term = this.term(index);
    assert(term !== undefined, "the compaction point is in the log");
    this.entries = this.entries.slice(index - this.offset);
    this.offset = index;
    this.offsetTerm = term;
  }

  private checkConsecutive(entries: readonly Entry[], prevIndex: number, prevTerm: number): void {
    let index = prevIndex;
    let term = prevTerm;
    for (const entry of entries) {
      assertSafeInteger(entry.index, "entry index");
      assertSafeInteger(entry.term, "entry term");
      assert(entry.index === index + 1 && entry.term >= term, `entry ${entry.index} follows ${index} out of order`);
      index = entry.index;
      term = entry.term;
    }
  }
}
