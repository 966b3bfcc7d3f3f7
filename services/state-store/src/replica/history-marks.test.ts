import { describe, expect, it } from "vitest";
import { HistoryMarks } from "./history-marks.ts";

/** Writes `bytes` a revision, all of them history at once, and obeys; answers what history came to at each step. */
function write(marks: HistoryMarks, revisions: number, bytes: number, live = 0): number[] {
  const histories: number[] = [];
  let compacted = 0;
  for (let revision = 1; revision <= revisions; revision++) {
    const old = marks.pass({ revision, writtenBytes: revision * bytes }, (revision - compacted) * bytes, live);
    if (old !== undefined) compacted = old;
    histories.push((revision - compacted) * bytes);
  }
  return histories;
}

describe("history marks", () => {
  it("keep history between some of its bound and the bound", () => {
    const histories = write(new HistoryMarks(8000), 10_000, 10);
    // One mark more: it is looked at each eighth of the bound.
    expect(Math.max(...histories)).toBeLessThanOrEqual(9000);
    expect(Math.min(...histories.slice(900))).toBeGreaterThanOrEqual(3000);
  });

  it("let history grow beside many live keys", () => {
    expect(Math.max(...write(new HistoryMarks(8000), 10_000, 10, 80_000))).toBeGreaterThan(19_000);
  });

  it("ask for nothing while there is little history, nor without a bound", () => {
    const few = new HistoryMarks(8000);
    for (let i = 1; i < 1000; i++) expect(few.pass({ revision: i, writtenBytes: 100 * i }, 7999, 0)).toBeUndefined();
    expect(new HistoryMarks(0).pass({ revision: 1, writtenBytes: 1e12 }, 1e12, 0)).toBeUndefined();
  });

  it("forget what they need no more", () => {
    const marks = new HistoryMarks(8000);
    for (let i = 1; i < 100_000; i++) marks.pass({ revision: i, writtenBytes: 100 * i }, 0, 0);
    expect(marks.size).toBeLessThanOrEqual(8);
  });
});
