// ./tri test sim: whole clusters of the store in one process, in virtual time, each from one seed. See DESIGN.md.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { bugNamed } from "./bugs.ts";
import { huntBugs } from "./bug-hunt.ts";
import { runCampaign, tellFailure } from "./campaign.ts";
import { simulateModules } from "./hooks.ts";
import type { SeedReport } from "./seed-report.ts";

/** Without arguments: so many seeds, and a look whether the planted bugs that are quickly found still are. */
const SEEDS = 200;

/** The same in continuous integration, on the processors' idle time beside suites that wait: as many as fit. */
const CI_SEEDS = 1000;
const CI_SECONDS = 900;

const { values } = parseArgs({
  options: {
    /** These seeds, one by one, in this process. */
    seed: { type: "string", multiple: true },
    /** So many seeds, from --first on, in processes of their own. */
    seeds: { type: "string" },
    first: { type: "string", default: "1" },
    /** So many processes; by default one for each core. */
    jobs: { type: "string", default: String(availableParallelism()) },
    /** No further seed begins after so many seconds. */
    within: { type: "string" },
    /** As continuous integration does. */
    ci: { type: "boolean", default: false },
    /** Looks for the planted bugs instead: all of them, each within 500 seeds. */
    bugs: { type: "boolean", default: false },
    /** With --seed: plants this bug. */
    bug: { type: "string" },
    /** With --seed: shows what members log. */
    log: { type: "boolean", default: false },
    /** How this program calls itself. */
    worker: { type: "boolean", default: false },
  },
});

if (values.worker || values.seed !== undefined) {
  simulateModules(values.bug === undefined ? undefined : bugNamed(values.bug));
  // Loaded only now: what they import has to meet the simulated world.
  const { runSeed, serveSeeds, whenVirtual } = await import("./run-seed.ts");
  if (values.worker) serveSeeds();
  else whenVirtual(() => process.exit(runChosen(values.seed!.map(Number), runSeed) ? 0 : 1));
} else {
  process.exit((await runAll()) ? 0 : 1);
}

async function runAll(): Promise<boolean> {
  const jobs = Number(values.jobs);
  if (values.bugs) return huntBugs(false, jobs);
  const isShort = values.seeds === undefined;
  const areFound = !isShort || (await huntBugs(true, jobs));
  const isFine = await runCampaign({
    first: Number(values.first),
    seeds: Number(values.seeds ?? (values.ci ? CI_SEEDS : SEEDS)),
    jobs,
    withinSeconds: Number(values.within ?? (values.ci ? CI_SECONDS : Infinity)),
  });
  return areFound && isFine;
}

/** Each seed again, exactly; whether none of them violates anything. */
function runChosen(
  seeds: readonly number[],
  runSeed: (seed: number, show?: (line: string) => void) => SeedReport,
): boolean {
  const show = values.log ? (line: string): void => void process.stdout.write(`${line}\n`) : undefined;
  let isFine = true;
  for (const seed of seeds) {
    const report = runSeed(seed, show);
    const { failure, steps, trace } = report;
    isFine &&= failure === undefined;
    if (failure === undefined) process.stdout.write(`ok seed ${seed}: no violation (trace ${trace}, ${steps} steps)\n`);
    else tellFailure(report, values.bug);
  }
  return isFine;
}
