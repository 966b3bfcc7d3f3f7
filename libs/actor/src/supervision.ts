import type { Directive, SupervisionPolicy } from "./types.ts";

/** A policy with everything decided. */
export interface Supervision {
  readonly decide: (error: unknown) => Directive;
  readonly maxRestarts: number;
  readonly windowMs: number;
  readonly backoffMs: number;
}

/** Longest pause before a restart: past half a minute an operator thinks that it is stuck. */
const MAX_BACKOFF_MS = 30_000;

/** Fills in the defaults; see {@link SupervisionPolicy}. */
export function supervisionOf(policy: SupervisionPolicy = {}): Supervision {
  return {
    decide: policy.decide ?? (() => "restart"),
    maxRestarts: policy.maxRestarts ?? 10,
    windowMs: policy.windowMs ?? 60_000,
    backoffMs: policy.backoffMs ?? 100,
  };
}

/** What is to be done about one failure. */
export interface Verdict {
  readonly directive: Directive;
  /** Times of the restarts within the window, for the next verdict. */
  readonly restarts: readonly number[];
  /** Pause before a restart. */
  readonly pauseMs: number;
}

/** Decides about one failure, given the times of earlier restarts. Pure. */
export function decideVerdict(
  supervision: Supervision,
  error: unknown,
  earlier: readonly number[],
  now: number,
): Verdict {
  const recent = earlier.filter((at) => now - at < supervision.windowMs);
  // A broken invariant is a bug: going on from a fresh state would hide it and may do harm.
  const isBug = error instanceof Error && error.name === "AssertionError";
  const directive = isBug ? "escalate" : supervision.decide(error);
  if (directive !== "restart") return { directive, restarts: recent, pauseMs: 0 };
  if (recent.length >= supervision.maxRestarts) return { directive: "escalate", restarts: recent, pauseMs: 0 };
  const pauseMs = Math.min(MAX_BACKOFF_MS, supervision.backoffMs * 2 ** recent.length);
  return { directive, restarts: [...recent, now], pauseMs };
}
