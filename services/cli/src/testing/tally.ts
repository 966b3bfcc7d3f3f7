/** What one suite came to. */
export interface Tally {
  readonly suite: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

/** The part of vitest's JSON report that is counted. */
export interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

/** Counts a report. What fails without a failed test (a file that does not load, no test at all) counts as one failure. */
export function tallyReport(suite: string, report: VitestReport | undefined, seconds: number): Tally {
  if (report === undefined) return { suite, passed: 0, failed: 1, skipped: 0, seconds };
  const { numPassedTests: passed, numFailedTests, numPendingTests, numTodoTests } = report;
  const nothing = passed + numFailedTests === 0;
  const failed = numFailedTests === 0 && (nothing || !report.success) ? 1 : numFailedTests;
  return { suite, passed, failed, skipped: numPendingTests + numTodoTests, seconds };
}

/** Counts lines `ok NAME` and `not ok NAME`; a script that fails without saying where counts as one failure. */
export function tallyLines(suite: string, output: string, code: number, seconds: number): Tally {
  const passed = output.match(/^ok /gm)?.length ?? 0;
  const counted = output.match(/^not ok /gm)?.length ?? 0;
  const failed = counted === 0 && (code !== 0 || passed === 0) ? 1 : counted;
  return { suite, passed, failed, skipped: 0, seconds };
}

/** The table of all suites, and as its last line the sum: `N passed, N failed`. */
export function summary(tallies: readonly Tally[]): string {
  const lines = tallies.map(({ suite, passed, failed, skipped, seconds }) => {
    const rest = skipped === 0 ? "" : `, ${skipped} skipped`;
    return `${suite.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s   passed ${passed}, failed ${failed}${rest}`;
  });
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  return `${lines.join("\n")}\n${sum((it) => it.passed)} passed, ${sum((it) => it.failed)} failed\n`;
}
