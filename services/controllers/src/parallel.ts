import { type ErrorCode, type TriremeError, errorFrom, hasCode } from "@trireme/base";

/** Writes in flight for one object: enough to hide the latency of a commit, few enough that one object starves nobody. */
export const MAX_PARALLEL_WRITES = 16;

// The first tasks of a burst. When everything is refused (a quota, a broken template), only so many requests are wasted.
const FIRST_BATCH = 4;

/**
 * Runs `count` equal tasks: a few first, and if those succeed the rest, at most {@link MAX_PARALLEL_WRITES} at once.
 * After a failure no further task is begun. Answers the failures.
 */
export async function slowStart(count: number, task: () => Promise<void>): Promise<readonly TriremeError[]> {
  const failures: TriremeError[] = [];
  let left = count;
  const worker = async (tasks: number): Promise<void> => {
    for (let done = 0; done < tasks && left > 0 && failures.length === 0; done++) {
      left -= 1;
      try {
        await task();
      } catch (thrown) {
        failures.push(errorFrom(thrown));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(FIRST_BATCH, count) }, () => worker(1)));
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL_WRITES, left) }, () => worker(count)));
  return failures;
}

/** Runs `task` for each item, at most {@link MAX_PARALLEL_WRITES} at once; every item is tried, failures are gathered. */
export async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<TriremeError[]> {
  const failures: TriremeError[] = [];
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) {
      try {
        await task(item);
      } catch (thrown) {
        failures.push(errorFrom(thrown));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL_WRITES, items.length) }, worker));
  return failures;
}

/** The answer, or undefined if it failed with this code: what is gone needs nothing more. */
export async function ignoring<T>(code: ErrorCode, promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (thrown) {
    if (hasCode(thrown, code)) return undefined;
    throw thrown;
  }
}
