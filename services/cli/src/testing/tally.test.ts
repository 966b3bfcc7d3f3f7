import { describe, expect, it } from "vitest";
import { summary, tallyLines, tallyReport } from "./tally.ts";

const report = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numFailedTestSuites: 0,
  success: true,
  testResults: [],
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

  it("tells each failed test, and each file that did not load, in a few lines", () => {
    const file = { name: "/a.test.ts", status: "failed", message: "" };
    const bad = {
      status: "failed",
      fullName: "adds",
      failureMessages: ["Error: \u001B[31m3\u001B[39m\n at /node_modules/x"],
    };
    const { failures } = tallyReport(
      "s",
      {
        ...report,
        testResults: [
          { ...file, assertionResults: [bad, { status: "passed", fullName: "more" }] },
          { ...file, message: "no such module", assertionResults: [] },
          { ...file, status: "passed", assertionResults: [] },
        ],
      },
      1,
    );
    expect(failures).toEqual(["adds: Error: 3", "/a.test.ts: no such module"]);
  });
});

describe("tallyLines", () => {
  it("counts what a script says and distrusts silence", () => {
    expect(tallyLines("f", "ok a\n# x\nnot ok b\nok c\n", 1, 1)).toMatchObject({ passed: 2, failed: 1 });
    expect(tallyLines("f", "not ok b (1 s)\n   # why\n   # how\nok c\n# x\n", 1, 1).failures).toEqual([
      "b (1 s)\n   # why\n   # how",
    ]);
    expect(tallyLines("f", "ok a\n", 1, 1)).toMatchObject({ passed: 1, failed: 1 });
    expect(tallyLines("f", "", 0, 1)).toMatchObject({ passed: 0, failed: 1 });
  });
});

describe("summary", () => {
  it("ends with exactly one line that sums all suites", () => {
    const text = summary([tallyReport("unit", report, 1.25), tallyLines("fresh", "ok a\nnot ok b\n", 1, 2)]);
    expect(text.match(/\d+ passed, \d+ failed/g)).toEqual(["4 passed, 1 failed"]);
    expect(text).toMatch(/^FAILED fresh: b$/m);
    expect(text.trimEnd().split("\n").at(-1)).toBe("4 passed, 1 failed");
  });
});
