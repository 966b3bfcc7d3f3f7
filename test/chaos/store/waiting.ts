/** Everything that a scenario waits for takes far less; a loaded machine gets more. */
const PATIENCE_MS = 40_000;

const LOOK_MS = 25;

/** What went against an invariant, or did not come about. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Throws a {@link Violation} unless `condition` holds. */
export function must(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Violation(message);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resolves to what `probe` answers as soon as it is neither undefined nor false; throws when that takes too long. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      if (error instanceof Violation) throw error;
      last = error;
    }
    await sleep(LOOK_MS);
  }
  const reason = last === undefined ? "" : `: ${(last as Error).message}`;
  throw new Violation(`L1: ${what} does not come about in ${patienceMs / 1000} s${reason}`);
}
