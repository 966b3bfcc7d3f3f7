import { describe, expect, it } from "vitest";
import { summary, tallyLines, tallyReport } from "./tally.ts";

const report = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numFailedTestSuites: 0,
  success: true,
};

describe("tallyReport", () => {
  it("never passes what did not run", () => {
    const failed = (it: object): number => tallyReport("s", { ...report, ...it }, 1).failed;
    expect(failed({})).toBe(0);
    expect(failed({ numFailedTests: 2, success: false })).toBe(2);
    expect(failed({ success: false })).toBe(1);
    expect(failed({ numPassedTests: 0 })).toBe(1);
    expect(tallyReport("s", undefined, 1).failed).toBe(1);
  });
});

describe("tallyLines", () => {
  it("counts what a script says and distrusts silence", () => {
    expect(tallyLines("f", "ok a\n# x\nnot ok b\nok c\n", 1, 1)).toMatchObject({ passed: 2, failed: 1 });
    expect(tallyLines("f", "ok a\n", 1, 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(tallyLines("f", "", 0, 1)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe("summary", () => {
  it("ends with exactly one line that sums all suites", () => {
    const text = summary([tallyReport("unit", report, 1.25), tallyLines("fresh", "ok a\nnot ok b\n", 1, 2)]);
    expect(text.match(/\d+ passed, \d+ failed/g)).toEqual(["4 passed, 1 failed"]);
    expect(text.trimEnd().split("\n").at(-1)).toBe("4 passed, 1 failed");
  });
});
