import { stripVTControlCharacters } from "node:util";

/** What one suite came to. */
export interface Tally {
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  /** What failed and how, each at most {@link MAX_TOLD} characters; what failed without saying so is not among them. */
  readonly failures: readonly string[];
}

/** How much of a failure the summary tells again: its name, and the beginning of its message. */
const MAX_TOLD = 1000;

/** The part of vitest's JSON report that is counted. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    /** Why the file did not load, if it did not. */
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Counts a report. What fails without a failed test (a file that does not load, no test at all) counts as one failure. */
export function tallyReport(suite: string, report: VitestReport | undefined, seconds: number): Tally {
  if (report === undefined) return { suite, passed: 0, failed: 1, skipped: 0, seconds, failures: [] };
  const { numPassedTests: passed, numFailedTests, numPendingTests, numTodoTests } = report;
  const nothing = passed + numFailedTests === 0;
  const failures = report.testResults.flatMap(({ name, status, message, assertionResults }) => {
    const tests = assertionResults.filter((test) => test.status === "failed");
    if (tests.length === 0) return status === "failed" ? [told(`${name}: ${message}`)] : [];
    return tests.map((test) => told(`${test.fullName}: ${test.failureMessages?.join("\n") ?? ""}`));
  });
  const failed = Math.max(numFailedTests, failures.length, nothing || !report.success ? 1 : 0);
  return { suite, passed, failed, skipped: numPendingTests + numTodoTests, seconds, failures };
}

/** Frames of libraries and of Node itself say nothing to whoever reads a summary. */
const FOREIGN_FRAME = /^\s*at .*(\/node_modules\/|\(node:|<anonymous>)/;

/** A failure in a few lines. */
function told(text: string): string {
  const lines = stripVTControlCharacters(text)
    .split("\n")
    .filter((line) => line.trim() !== "" && !FOREIGN_FRAME.test(line));
  return lines.join("\n").slice(0, MAX_TOLD);
}

/** Counts lines `ok NAME` and `not ok NAME`; a script that fails without saying where counts as one failure. */
export function tallyLines(suite: string, output: string, code: number, seconds: number): Tally {
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const failures = [...output.matchAll(/^not ok (.*(?:\n +# .*)*)/gm)].map(([, text]) => told(text!));
  const failed = failures.length === 0 && (code !== 0 || passed === 0) ? 1 : failures.length;
  return { suite, passed, failed, skipped: 0, seconds, failures };
}

/** All failures once more, the table of all suites, and as its last line the sum: `N passed, N failed`. */
export function summary(tallies: readonly Tally[]): string {
  const lines = tallies.map(({ suite, passed, failed, skipped, seconds }) => {
    const rest = skipped === 0 ? "" : `, ${skipped} skipped`;
    return `${suite.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s   passed ${passed}, failed ${failed}${rest}`;
  });
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  const failures = tallies.flatMap(({ suite, failures: all }) => all.map((one) => `FAILED ${suite}: ${one}\n\n`));
  return `${failures.join("")}${lines.join("\n")}\n${sum((it) => it.passed)} passed, ${sum((it) => it.failed)} failed\n`;
}
