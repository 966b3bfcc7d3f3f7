import { errorFrom } from "@trireme/base";

/** Shows people what takes time. Everything goes to stderr: stdout is for answers. */
export interface Progress {
  /** Runs one step and prints its name with the seconds it took, or its error. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  note(text: string): void;
}

/** Steps faster than this are not worth a line. */
const QUIET_MS = 150;
/** A step that is still running after this long says so. */
const PATIENCE_MS = 3_000;

/** Prints to stderr, one line a step. */
export function createProgress(write = (line: string): void => void process.stderr.write(line)): Progress {
  return {
    async step(name, work) {
      const start = performance.now();
      const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;
      const waiting = setInterval(() => write(`  ... ${name} (${seconds()})\n`), PATIENCE_MS);
      try {
        const result = await work();
        if (performance.now() - start >= QUIET_MS) write(`  ${name.padEnd(48)} ${seconds().padStart(7)}\n`);
        return result;
      } catch (thrown) {
        write(`  ${name}: failed after ${seconds()}: ${errorFrom(thrown).message.split("\n")[0]}\n`);
        throw thrown;
      } finally {
        clearInterval(waiting);
      }
    },
    note: (text) => write(`  ${text}\n`),
  };
}
