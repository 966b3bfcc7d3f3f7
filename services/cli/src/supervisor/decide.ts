/** How a child has behaved so far. */
export interface RestartState {
  /** Restarts in a row of a child that did not stay up. */
  readonly failures: number;
}

/** Fast enough that one crash is hardly seen, slow enough that a child that cannot start costs little. */
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
/** A child that ran this long was well: its next end is a new story, restarted at once. */
const STABLE_MS = 10_000;

/** A child's first state. */
export const INITIAL_RESTART_STATE: RestartState = { failures: 0 };

/** Whether an end is final: the child said so by its exit code. Of an adopted child no code is known: it is started once more and says it again. */
export function isFinal(code: number | null | undefined, finalCode: number | undefined): boolean {
  return finalCode !== undefined && code === finalCode;
}

/** After an end: when to start again. The first time at once, then 100 ms doubling to 5 s. */
export function decideRestart(
  state: RestartState,
  uptimeMs: number,
): { readonly state: RestartState; readonly delayMs: number } {
  const failures = uptimeMs >= STABLE_MS ? 0 : state.failures;
  const delayMs = failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures - 1, 10));
  return { state: { failures: failures + 1 }, delayMs };
}
