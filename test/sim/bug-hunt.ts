import { BUGS, type Bug } from "./bugs.ts";
import { Progress } from "./progress.ts";
import { profileOf } from "./scenario.ts";
import type { SeedReport } from "./seed-report.ts";
import { Worker, inParallel } from "./worker.ts";

/** A bug that so many seeds do not find is one that the simulation does not know. */
const MOST_SEEDS = 500;

/** What a hunt came to. */
interface Hunt {
  readonly bug: Bug;
  readonly found: SeedReport | undefined;
  /** Why a failing seed proves nothing. */
  readonly void?: string;
  readonly tried: number;
}

/** The seeds from 1 on, those of the bug's profile first. */
function seedsFor({ profile }: Bug): number[] {
  const all = Array.from({ length: MOST_SEEDS }, (_, at) => at + 1);
  const isFirst = (seed: number): boolean => profileOf(seed) === profile;
  return [...all.filter(isFirst), ...all.filter((seed) => !isFirst(seed))];
}

async function hunt(
  bug: Bug,
  { most, withControl }: { readonly most: number; readonly withControl: boolean },
  tell: (tried: number) => void,
): Promise<Hunt> {
  const worker = new Worker(bug.name);
  let [found, tried]: [SeedReport | undefined, number] = [undefined, 0];
  for (const seed of seedsFor(bug).slice(0, most)) {
    const report = await worker.run(seed);
    tried += 1;
    if (report.failure !== undefined) {
      found = report;
      break;
    }
    tell(tried);
  }
  worker.end();
  if (found === undefined) return { bug, found, tried };
  // A worker that could not even load has found nothing, and neither has a seed that fails without the bug.
  if (found.steps === 0) return { bug, found: undefined, void: found.failure!.message, tried };
  if (!withControl) return { bug, found, tried };
  const control = new Worker();
  const without = await control.run(found.seed);
  control.end();
  if (without.failure === undefined) return { bug, found, tried };
  return { bug, found: undefined, void: `seed ${found.seed} without it: ${without.failure.message}`, tried };
}

/**
 * Looks for planted bugs, so many at once: all of them, each within 500 seeds, or those that are found at once, each within
 * 10. Prints a table and answers whether each was found.
 */
export async function huntBugs(quickOnly: boolean, jobs: number): Promise<boolean> {
  const bugs = BUGS.filter((bug) => !quickOnly || bug.quick === true);
  const progress = new Progress();
  const under = new Map<string, number>();
  const hunts = new Map<Bug, Hunt>();
  await inParallel(jobs, bugs, async (bug) => {
    // Continuous integration runs the same seeds without any bug right after.
    const bounds = { most: quickOnly ? 10 : MOST_SEEDS, withControl: !quickOnly };
    const done = await hunt(bug, bounds, (tried) => {
      under.set(bug.name, tried);
      const now = [...under].map(([name, seeds]) => `${name}, ${seeds} seeds`).join("; ");
      progress.say(`${hunts.size} of ${bugs.length} bugs hunted; under way: ${now}`);
    });
    under.delete(bug.name);
    hunts.set(bug, done);
    // As it comes: a campaign that is ended early has told what it knows.
    progress.end();
    process.stdout.write(`${row(done)}\n`);
  });
  const missed = [...hunts.values()].filter(({ found }) => found === undefined);
  process.stdout.write(`${hunts.size - missed.length} of ${bugs.length} planted bugs found\n`);
  return missed.length === 0;
}

const WIDTH = Math.max(...BUGS.map(({ name }) => name.length));

function row({ bug, found, void: reason = "", tried }: Hunt): string {
  const name = bug.name.padEnd(WIDTH);
  const seeds = `${tried} tried`.padStart(9);
  if (found === undefined) return `not ok ${name}  not found  ${seeds}  ${reason}`;
  return `ok ${name}  seed ${String(found.seed).padStart(3)}  ${seeds}  ${found.failure?.message}`;
}
