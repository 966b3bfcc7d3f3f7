import { real } from "./real-time.ts";
import { simulate } from "./simulation.ts";
import type { SeedReport } from "./seed-report.ts";
import { virtualizeTime } from "./world/globals.ts";

/** The last lines that members logged before a violation. */
const LAST_LINES = 60;

/** Runs one seed; `show` hears what the members log as they log it. */
export function runSeed(seed: number, show?: (line: string) => void): SeedReport {
  const lines: string[] = [];
  const cpu = process.cpuUsage();
  const { violation, coverage, traceHash, steps, undecided } = simulate(seed, (line) => {
    show?.(line);
    if (lines.push(line) > 2 * LAST_LINES) lines.splice(0, LAST_LINES);
  });
  const { user, system } = process.cpuUsage(cpu);
  const failure =
    violation === undefined
      ? undefined
      : { message: violation.message, stack: violation.stack ?? "", lines: lines.slice(-LAST_LINES) };
  const trace = (traceHash >>> 0).toString(16).padStart(8, "0");
  return { seed, failure, counts: coverage.counts(), trace, steps, undecided, cpuSeconds: (user + system) / 1e6 };
}

/** From now on worlds move all clocks of this process. `act` runs outside of any promise job: worlds run those themselves. */
export function whenVirtual(act: () => void): void {
  real.setTimeout(() => {
    virtualizeTime();
    act();
  }, 0);
}

/** A worker: runs the seeds that its parent names, one by one, and ends with it. */
export function serveSeeds(): void {
  whenVirtual(() => {
    // Thousands of requests fail in a seed, and each error would describe its stack.
    Error.stackTraceLimit = 0;
    process.on("disconnect", () => process.exit(0));
    process.on("message", (seed: number) => {
      real.setTimeout(() => {
        const report = runSeed(seed);
        // Whoever asked may have ended meanwhile; nobody else wants to know.
        if (process.connected) process.send!(report, undefined, {}, () => undefined);
        else process.exit(0);
      }, 0);
    });
    process.send!("ready");
  });
}
