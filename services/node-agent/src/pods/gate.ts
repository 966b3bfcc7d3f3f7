/** Lets a bounded number of jobs run at once, first come first served. */
export interface Gate {
  run<T>(job: () => Promise<T>): Promise<T>;
  readonly waiting: number;
}

/** Opens a gate for `limit` jobs at once. */
export function createGate(limit: number): Gate {
  let active = 0;
  const queue: (() => void)[] = [];
  return {
    async run(job) {
      if (active >= limit) await new Promise<void>((resolve) => queue.push(resolve));
      else active += 1;
      try {
        return await job();
      } finally {
        // The place is handed on, not given back, so that a newcomer cannot overtake those that wait.
        const next = queue.shift();
        if (next === undefined) active -= 1;
        else next();
      }
    },
    get waiting() {
      return queue.length;
    },
  };
}
