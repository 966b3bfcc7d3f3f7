import { execFileSync } from "node:child_process";
import { Coverage, USUAL_FROM_SEEDS } from "./coverage.ts";
import { Progress } from "./progress.ts";
import { real } from "./real-time.ts";
import type { SeedReport } from "./seed-report.ts";
import { Worker, inParallel } from "./worker.ts";

export interface CampaignOptions {
  readonly first: number;
  readonly seeds: number;
  /** So many seeds at once, each in a process of its own. */
  readonly jobs: number;
  /** No further seed begins after so many seconds. */
  readonly withinSeconds: number;
}

/** What a campaign came to. */
interface CampaignResult {
  readonly ran: number;
  readonly failed: readonly SeedReport[];
  readonly coverage: Coverage;
  readonly undecided: number;
  readonly steps: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** The first seed, once more and in another process. */
  readonly replay: readonly [SeedReport, SeedReport] | undefined;
}

/** The program that was simulated, for who wants to see the same again. */
export function gitHash(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown (no git)";
  }
}

/** Runs seeds until one fails, all are through, or the time is over; answers whether all is well. */
export async function runCampaign(options: CampaignOptions): Promise<boolean> {
  const { first, seeds, jobs, withinSeconds } = options;
  const started = real.monotonic();
  const seconds = (): number => (real.monotonic() - started) / 1000;
  const progress = new Progress();
  const coverage = new Coverage();
  const failed: SeedReport[] = [];
  let [ran, undecided, steps, cpuSeconds] = [0, 0, 0, 0];
  let firstReport: SeedReport | undefined;
  const workers = Array.from({ length: jobs }, () => new Worker());
  const idle = [...workers];
  function* wanted(): Generator<number> {
    for (let seed = first; seed < first + seeds && failed.length === 0; seed++) {
      if (seed > first && seconds() > withinSeconds) return;
      yield seed;
    }
  }
  await inParallel(jobs, wanted(), async (seed) => {
    const worker = idle.pop()!;
    const report = await worker.run(seed);
    idle.push(worker);
    if (seed === first) firstReport = report;
    ran += 1;
    undecided += report.undecided;
    steps += report.steps;
    cpuSeconds += report.cpuSeconds;
    coverage.addAll(report.counts);
    if (report.failure !== undefined) failed.push(report);
    const left = ((seeds - ran) * seconds()) / ran;
    progress.say(
      `${ran} of ${seeds} seeds, ${seconds().toFixed(0)} s, about ${left.toFixed(0)} s to go, at seed ${seed}`,
    );
  });
  for (const worker of workers) worker.end();
  let replay: CampaignResult["replay"];
  if (firstReport !== undefined && failed.length === 0) {
    const another = new Worker();
    replay = [firstReport, await another.run(first)];
    another.end();
  }
  progress.end();
  return report({ ran, failed, coverage, undecided, steps, seconds: seconds(), cpuSeconds, replay });
}

/** Says what a campaign came to, as lines that `tri test` counts; answers whether all is well. */
function report(result: CampaignResult): boolean {
  const { ran, failed, coverage, undecided, steps, seconds, cpuSeconds, replay } = result;
  const each = (cpuSeconds / Math.max(1, ran)).toFixed(2);
  write(`${ran} seeds of 60 virtual seconds, ${seconds.toFixed(1)} s, ${each} s of CPU each, ${steps} steps`);
  write(coverage.describe());
  if (undecided > 0) write(`${undecided} histories of a key were too tangled to judge`);
  for (const seed of [...failed].sort((a, b) => a.seed - b.seed)) tellFailure(seed);
  if (failed.length > 0) return false;
  write(`ok ${ran} seeds without a violation (at ${gitHash()})`);
  return checkReplay(replay) && checkCoverage(ran, coverage);
}

/** What went wrong in a seed, and how to see it again. */
export function tellFailure({ seed, failure, trace }: SeedReport, bug?: string): void {
  if (failure === undefined) return;
  for (const line of failure.lines) write(`  ${line}`);
  write(failure.stack);
  const planted = bug === undefined ? "" : ` --bug "${bug}"`;
  write(`again: ./tri test sim${planted} --seed ${seed}   (at ${gitHash()}, trace ${trace})`);
  write(`not ok seed ${seed}: ${failure.message}`);
}

/** A failure that cannot be told again cannot be found. */
function checkReplay(replay: CampaignResult["replay"]): boolean {
  if (replay === undefined) return true;
  const [before, again] = replay;
  const same = before.trace === again.trace && before.steps === again.steps;
  write(
    `${same ? "ok" : "not ok"} seed ${before.seed} in two processes has the traces ${before.trace}, ${again.trace}`,
  );
  return same;
}

function checkCoverage(ran: number, coverage: Coverage): boolean {
  if (ran < USUAL_FROM_SEEDS) return true;
  const missing = coverage.missing(ran);
  if (missing.length > 0)
    write(`not ok never happened in ${ran} seeds, so nothing is proved about: ${missing.join(", ")}`);
  else write("ok what must have happened in so many seeds did");
  return missing.length === 0;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
