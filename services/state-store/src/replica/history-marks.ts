/** A revision, and the bytes that had been written up to it. */
export interface HistoryMark {
  readonly revision: number;
  readonly writtenBytes: number;
}

/** History may always be this part of what lives: beside many live keys more of it costs little. */
const SHARE_OF_LIVE = 1 / 4;

/** A bound has so many marks: a compaction leaves at most half of it, and at least that less one mark. */
const MARKS_PER_BOUND = 8;

/** Remembers which revision was how many bytes ago, and says which history goes when there is too much. */
export class HistoryMarks {
  private readonly bound: number;
  private marks: HistoryMark[] = [];

  /** `boundBytes` 0: history has no bound. */
  constructor(boundBytes: number) {
    this.bound = boundBytes;
  }

  get size(): number {
    return this.marks.length;
  }

  /**
   * Takes the present, with the bytes of history that there are and of keys that live. Answers the revision up to which
   * history should go, if it should.
   */
  pass(now: HistoryMark, historyBytes: number, liveBytes: number): number | undefined {
    if (this.bound === 0) return undefined;
    const newest = this.marks.at(-1);
    if (newest !== undefined && now.writtenBytes - newest.writtenBytes < this.bound / MARKS_PER_BOUND) return undefined;
    this.marks.push(now);
    const bound = Math.max(this.bound, liveBytes * SHARE_OF_LIVE);
    // All of the history may lie behind a mark that is older than half of the bound, but never less than half before it.
    const kept = this.marks.findIndex(({ writtenBytes }) => now.writtenBytes - writtenBytes <= bound / 2);
    if (historyBytes <= bound) {
      // Only marks that may yet be asked for stay, so there are never more than a few.
      if (kept > 0) this.marks = this.marks.slice(kept - 1);
      return undefined;
    }
    this.marks = this.marks.slice(kept);
    return this.marks[0]!.revision;
  }
}
