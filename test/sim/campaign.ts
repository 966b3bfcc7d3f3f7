import { execFileSync } from "node:child_process";
import { Coverage } from "./coverage.ts";
import { real } from "./real-time.ts";
import { type Result, simulate } from "./simulation.ts";

/** Below so many seeds rare things may be missing by chance; from there on a campaign must have seen everything. */
const COVERED_FROM_SEEDS = 100;

/** The last lines that members logged before a violation. */
const LAST_LINES = 60;

export interface CampaignOptions {
  readonly seeds: readonly number[];
  /** No further seed begins after so many seconds. */
  readonly withinSeconds: number;
  /** Shows what members log. */
  readonly showLog: boolean;
  /** Says how each seed went. */
  readonly showSeeds: boolean;
}

/** What a campaign came to. */
export interface CampaignResult {
  readonly ran: number;
  readonly failed: Result | undefined;
  readonly coverage: Coverage;
  readonly undecided: number;
  readonly steps: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** The program that was simulated, for who wants to see the same again. */
export function gitHash(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown (no git)";
  }
}

/** Runs seeds until one fails, all are through, or the time is over. */
export function runCampaign(options: CampaignOptions): CampaignResult {
  const started = real.monotonic();
  const cpu = process.cpuUsage();
  const coverage = new Coverage();
  let [ran, undecided, steps] = [0, 0, 0];
  let failed: Result | undefined;
  const seconds = (): number => (real.monotonic() - started) / 1000;
  for (const seed of options.seeds) {
    if (ran > 0 && seconds() > options.withinSeconds) break;
    const result = runSeed(seed, options);
    ran += 1;
    coverage.merge(result.coverage);
    undecided += result.undecided;
    steps += result.steps;
    if (result.violation !== undefined) {
      failed = result;
      break;
    }
  }
  const { user, system } = process.cpuUsage(cpu);
  return { ran, failed, coverage, undecided, steps, seconds: seconds(), cpuSeconds: (user + system) / 1e6 };
}

function runSeed(seed: number, { showLog, showSeeds }: CampaignOptions): Result {
  const lines: string[] = [];
  const result = simulate(seed, (line) => {
    if (showLog) write(line);
    else if (lines.push(line) > 2 * LAST_LINES) lines.splice(0, LAST_LINES);
  });
  if (showSeeds) {
    const { violation, traceHash, steps } = result;
    write(`seed ${seed}: ${violation?.message ?? "no violation"} (trace ${hex(traceHash)}, ${steps} steps)`);
  }
  if (result.violation !== undefined && !showLog) for (const line of lines.slice(-LAST_LINES)) write(`  ${line}`);
  return result;
}

/** Says what a campaign came to, as lines that `tri test` counts; answers whether all is well. */
export function report({ ran, failed, coverage, undecided, steps, seconds, cpuSeconds }: CampaignResult): boolean {
  const each = (cpuSeconds / Math.max(1, ran)).toFixed(2);
  write(`${ran} seeds of 60 virtual seconds, ${seconds.toFixed(1)} s, ${each} s of CPU each, ${steps} steps`);
  write(coverage.describe());
  if (undecided > 0) write(`${undecided} histories of a key were too tangled to judge`);
  if (failed !== undefined) {
    write(failed.violation?.stack ?? "");
    write(`again: ./tri test sim --seed ${failed.seed}   (at ${gitHash()}, trace ${hex(failed.traceHash)})`);
    write(`not ok seed ${failed.seed}: ${failed.violation?.message}`);
    return false;
  }
  write(`ok ${ran} seeds without a violation (at ${gitHash()})`);
  const missing = coverage.missing();
  if (ran < COVERED_FROM_SEEDS) return true;
  if (missing.length > 0)
    write(`not ok never happened in ${ran} seeds, so nothing is proved about: ${missing.join(", ")}`);
  else write("ok everything that is counted happened");
  return missing.length === 0;
}

/** Runs a seed twice and compares: a failure that cannot be told again cannot be found. */
export function checkReplay(seed: number): boolean {
  const [first, second] = [simulate(seed), simulate(seed)];
  const same = first.traceHash === second.traceHash && first.steps === second.steps;
  const traces = `${hex(first.traceHash)} and ${hex(second.traceHash)}`;
  write(`${same ? "ok" : "not ok"} seed ${seed} twice has the traces ${traces}`);
  return same;
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
