import { describe, expect, it } from "vitest";
import { type Op, type Outcome, Truth, judge } from "./history.ts";
import { Watcher } from "./watchers.ts";

// The checker must find what it is there for: each promise is broken once.

const truth = new Truth();
truth.add([
  { revision: 2, key: "a", value: "1" },
  { revision: 3, key: "a", value: "2" },
  { revision: 5, key: "a", value: undefined },
]);
const ok = (revision: number, changed: boolean, found?: string): Outcome => ({
  kind: "ok",
  returned: revision * 10 + 5,
  revision,
  changed,
  found,
});
const GOOD: readonly Op[] = [
  { kind: "put", key: "a", value: "1", called: 20, outcome: ok(2, true) },
  { kind: "compareAndSet", key: "a", expected: "1", value: "2", called: 30, outcome: ok(3, true) },
  { kind: "read", key: "a", called: 40, outcome: ok(4, false, "2") },
  { kind: "put", key: "a", value: "3", called: 41, outcome: { kind: "unknown" } },
  { kind: "delete", key: "a", called: 50, outcome: ok(5, true) },
  { kind: "read", key: "a", called: 60, outcome: ok(6, false) },
];
const said = (...ops: Op[]): string => judge([...GOOD, ...ops], truth).violations.join("\n");

describe("a history", () => {
  it("that holds is let pass, and counted", () => {
    expect(judge(GOOD, truth)).toEqual({
      violations: [],
      lost: 0,
      acknowledged: 3,
      refused: 0,
      unknown: 1,
      operations: 6,
      undecided: 0,
    });
  });

  it("with an acknowledged write that is not there is lost", () => {
    expect(said({ kind: "put", key: "b", value: "9", called: 70, outcome: ok(7, true) })).toContain("S7: b=9");
  });

  it("with a write that happened although it was refused is wrong", () => {
    const refused: Op = { kind: "put", key: "a", value: "2", called: 1, outcome: { kind: "refused" } };
    expect(said(refused)).toContain("S8: a=2 happened after its client was told that it never would");
  });

  it("with a read of what its revision does not hold is wrong, by revision and as a register", () => {
    const text = said({ kind: "read", key: "a", called: 70, outcome: ok(7, false, "1") });
    expect(text).toContain("S8: a reads 1 at revision 7");
    expect(text).toContain("the history of a is not linearizable");
  });

  it("with a stale read is wrong although its revision held it once, unless any member may answer", () => {
    const stale = { key: "a", called: 70, outcome: { ...ok(3, false, "2"), returned: 75 } } as const;
    expect(said({ kind: "read", ...stale })).toContain("answers revision 3 after somebody was told 6");
    expect(said({ kind: "readAnywhere", ...stale })).toBe("");
  });
});

describe("a watcher", () => {
  const { changes } = truth;
  const judged = (...told: Watcher["told"]): string => {
    const watcher = new Watcher({ name: "w", prefix: "a", from: 2, members: () => [] });
    watcher.told.push(...told);
    return watcher.judge(changes).join("\n");
  };
  const event = (...which: number[]): Watcher["told"][number] => ({ changes: which.map((i) => changes[i]!), at: 0 });

  it("may be told everything in order, and what is so far", () => {
    expect(judged(event(0), { upTo: 2 }, event(1, 2), { upTo: 9 })).toBe("");
  });

  it("may not miss, repeat or reorder a change, nor be told of progress that was none", () => {
    expect(judged(event(0), event(2))).toContain("W1-W4");
    expect(judged(event(0), event(0))).toContain("W1-W4");
    expect(judged(event(1, 0))).toContain("W1-W4");
    expect(judged(event(0), { upTo: 3 })).toContain("W6");
  });

  it("is not asked for what came behind the history that is known", () => {
    const watcher = new Watcher({ name: "w", prefix: "a", from: 2, members: () => [] });
    watcher.told.push(event(0, 1), event(2));
    expect(watcher.judge(changes.slice(0, 1), 2)).toEqual([]);
    expect(watcher.judge(changes.slice(0, 1), 3)).not.toEqual([]);
  });

  it("may skip what it was told to be gone, and nothing more", () => {
    expect(judged({ upTo: -3 }, event(2))).toBe("");
    expect(judged({ upTo: -2 }, event(2))).toContain("W1-W4");
  });
});
