// ./tri test sim: whole clusters of the store in one process, in virtual time, each from one seed. See DESIGN.md.
import { parseArgs } from "node:util";
import { bugNamed } from "./bugs.ts";
import { huntBugs } from "./bug-hunt.ts";
import { simulateModules } from "./hooks.ts";
import { real } from "./real-time.ts";

/** What continuous integration has time for: this many seeds if they fit. */
const CI_SEEDS = 200;
const CI_SECONDS = 26;

const { values } = parseArgs({
  options: {
    /** These seeds, one by one. */
    seed: { type: "string", multiple: true },
    /** So many seeds, from --first on. */
    seeds: { type: "string" },
    first: { type: "string", default: "1" },
    /** No further seed begins after so many seconds. */
    within: { type: "string" },
    /** Looks for the planted bugs instead: all of them, each within 500 seeds. */
    bugs: { type: "boolean", default: false },
    /** Plants one bug. */
    bug: { type: "string" },
    /** Shows what members log. */
    log: { type: "boolean", default: false },
  },
});

if (values.bugs) process.exit((await huntBugs(false)) ? 0 : 1);

const chosen = values.seed?.map(Number);
const showSeeds = chosen !== undefined;
const isCi = chosen === undefined && values.seeds === undefined;
const first = Number(values.first);
const seeds = chosen ?? Array.from({ length: Number(values.seeds ?? CI_SEEDS) }, (_, at) => first + at);
const begun = real.monotonic();
/** What is left of the time for seeds, when something else has had its share. */
const secondsLeft = (): number =>
  values.within !== undefined
    ? Number(values.within)
    : isCi
      ? CI_SECONDS - (real.monotonic() - begun) / 1000
      : Infinity;

const isFine = isCi && values.bug === undefined ? await huntBugs(true) : true;
simulateModules(values.bug === undefined ? undefined : bugNamed(values.bug));
const { checkReplay, report, runCampaign } = await import("./campaign.ts");
const { virtualizeTime } = await import("./world/globals.ts");
// Not from within a module's evaluation, which is a promise job: worlds run promise jobs themselves.
real.setTimeout(() => {
  virtualizeTime();
  // Thousands of requests fail in a seed, and each error would describe its stack.
  if (!showSeeds) Error.stackTraceLimit = 0;
  process.exit(run() && isFine ? 0 : 1);
}, 0);

function run(): boolean {
  const isReplayed = !isCi || checkReplay(first);
  const result = runCampaign({ seeds, withinSeconds: secondsLeft(), showLog: values.log, showSeeds });
  if (values.bug !== undefined) {
    const { failed, ran } = result;
    const line =
      failed === undefined ? `not found in ${ran} seeds` : `found in seed ${failed.seed}: ${failed.violation?.message}`;
    process.stdout.write(`${line}\n`);
    return failed !== undefined;
  }
  return report(result) && isReplayed;
}
