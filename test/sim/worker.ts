import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { real } from "./real-time.ts";
import type { SeedReport } from "./seed-report.ts";

/** A seed takes about a second; one without an end is a finding. Machines may be busy, so the bound is generous. */
const MOST_SECONDS = 600;

/** A process that runs seeds. A planted bug lives in the modules that it loads, so each bug has workers of its own. */
export class Worker {
  private readonly child: ChildProcess;
  private readonly ready: Promise<unknown>;

  constructor(bug?: string) {
    const main = fileURLToPath(new URL("./main.ts", import.meta.url));
    this.child = fork(main, ["--worker", ...(bug === undefined ? [] : ["--bug", bug])]);
    this.ready = this.next("to load");
    // Whoever runs a seed hears of it; a worker that ends before it is asked must not end its parent.
    this.ready.catch(() => undefined);
  }

  /** Runs a seed; a worker that ends, or does not, is a failure of the seed. */
  async run(seed: number): Promise<SeedReport> {
    try {
      await this.ready;
      const answer = this.next(`seed ${seed}`);
      this.child.send(seed);
      return (await answer) as SeedReport;
    } catch (error) {
      const { message, stack = "" } = error as Error;
      const failure = { message, stack, lines: [] };
      return { seed, failure, counts: [], trace: "unknown", steps: 0, undecided: 0, cpuSeconds: 0 };
    }
  }

  private next(what: string): Promise<unknown> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        real.clearTimeout(timer);
        child.off("message", heard);
        child.off("exit", ended);
        child.off("error", failed);
        act();
      };
      const heard = (message: unknown): void => settle(() => resolve(message));
      const ended = (code: number | null, signal: string | null): void =>
        settle(() => reject(new Error(`assertion or crash: the worker ended with ${code ?? signal} at ${what}`)));
      const failed = (error: Error): void => settle(() => reject(error));
      const timer = real.setTimeout(() => {
        child.kill("SIGKILL");
        settle(() => reject(new Error(`L1: ${what} has no end within ${MOST_SECONDS} s`)));
      }, MOST_SECONDS * 1000);
      child.on("message", heard);
      child.on("exit", ended);
      child.on("error", failed);
    });
  }

  end(): void {
    if (this.child.connected) this.child.disconnect();
  }
}

/** Does the tasks, so many at a time, in their order. */
export async function inParallel<T>(jobs: number, tasks: Iterable<T>, run: (task: T) => Promise<void>): Promise<void> {
  const iterator = tasks[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await run(next.value);
  };
  await Promise.all(Array.from({ length: jobs }, lane));
}
