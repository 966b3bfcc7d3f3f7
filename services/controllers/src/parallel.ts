import { type ErrorCode, type TriremeError, errorFrom, hasCode } from "@trireme/base";

/** Writes in flight for one object: enough to hide the latency of a commit, few enough that one object starves nobody. */
export const MAX_PARALLEL_WRITES = 16;

// The first batch of a burst. When everything is refused (a quota, a broken template), only so many requests are wasted.
const FIRST_BATCH = 4;

/** What became of a burst of equal tasks. */
export interface BatchResult {
  readonly succeeded: number;
  readonly failures: readonly TriremeError[];
}

/**
 * Runs `count` equal tasks in batches that double while all succeed, up to {@link MAX_PARALLEL_WRITES}; after a failed
 * batch the rest is left undone.
 */
export async function slowStart(count: number, task: (index: number) => Promise<void>): Promise<BatchResult> {
  let succeeded = 0;
  const failures: TriremeError[] = [];
  for (let next = 0, batch = FIRST_BATCH; next < count && failures.length === 0; batch *= 2) {
    const size = Math.min(batch, MAX_PARALLEL_WRITES, count - next);
    const start = next;
    next += size;
    const results = await Promise.allSettled(Array.from({ length: size }, (_, i) => task(start + i)));
    for (const result of results) {
      if (result.status === "fulfilled") succeeded += 1;
      else failures.push(errorFrom(result.reason));
    }
  }
  return { succeeded, failures };
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
