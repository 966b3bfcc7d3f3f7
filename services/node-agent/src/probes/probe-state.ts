import type { Container, Probe } from "@trireme/api";
import type { ProbeFact } from "../pods/facts.ts";

/** The three kinds of probe. */
export type ProbeKind = "startup" | "readiness" | "liveness";

/** One probe of one container between two checks. Times are monotonic milliseconds. */
export interface ProbeState {
  readonly kind: ProbeKind;
  /** Successes (positive) or failures (negative) in a row that counted. */
  readonly row: number;
  readonly verdict: "unknown" | "success" | "failure";
  /** Failures before this time do not count: quick checks must not use up the threshold faster than the period. */
  readonly countFrom: number;
  readonly nextAt: number;
  readonly message: string;
}

/**
 * Until its first success a probe is asked quickly, at this pause doubling up to its period: a container that is ready
 * in 30 ms should not wait a second to be found so.
 */
const QUICK_FIRST_MS = 50;
const QUICK_LAST_MS = 500;

const seconds = (value: number | undefined, fallback: number): number => (value ?? fallback) * 1000;

/** The probe of this kind, if the container has one. */
export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  switch (kind) {
    case "startup":
      return container.startupProbe;
    case "readiness":
      return container.readinessProbe;
    case "liveness":
      return container.livenessProbe;
  }
}

/** A probe whose container started at `startedAt` (on the same clock as `now`). */
export function beginProbe(kind: ProbeKind, probe: Probe, startedAt: number, now: number): ProbeState {
  const delay = seconds(probe.initialDelaySeconds, 0);
  // Liveness is no matter of haste: its first check comes after a period, which also spares a busy start.
  const first = kind === "liveness" && delay === 0 ? seconds(probe.periodSeconds, 10) : delay;
  const at = Math.max(now, startedAt + first);
  return { kind, row: 0, verdict: "unknown", countFrom: at, nextAt: at, message: "" };
}

/** What a check's outcome makes of a probe. */
export function afterCheck(state: ProbeState, probe: Probe, ok: boolean, message: string, now: number): ProbeState {
  const period = seconds(probe.periodSeconds, 10);
  const quick = state.kind !== "liveness" && state.verdict !== "success";
  if (ok) {
    const row = Math.max(0, state.row) + 1;
    const enough = state.kind === "readiness" ? (probe.successThreshold ?? 1) : 1;
    const verdict = row >= enough ? "success" : state.verdict;
    return { ...state, row, verdict, message: "", countFrom: now + period, nextAt: now + period };
  }
  const pause = quick ? Math.min(period, quickPause(now - state.countFrom + period)) : period;
  // Early failures are looked at and forgotten; those that a period apart would have seen count.
  if (quick && now < state.countFrom) return { ...state, row: Math.min(0, state.row), message, nextAt: now + pause };
  const row = Math.min(0, state.row) - 1;
  const verdict = -row >= (probe.failureThreshold ?? 3) ? "failure" : state.verdict;
  return { ...state, row, verdict, message, countFrom: now + period, nextAt: now + pause };
}

/** Checks become rarer as the wait grows: a tenth of the time waited so far. */
function quickPause(waited: number): number {
  return Math.min(QUICK_LAST_MS, Math.max(QUICK_FIRST_MS, waited / 10));
}

/** What the probes of a container say together. Readiness and liveness begin when startup has succeeded. */
export function probeFact(container: Container, states: readonly ProbeState[]): ProbeFact {
  const of = (kind: ProbeKind): ProbeState | undefined => states.find((state) => state.kind === kind);
  const startup = of("startup");
  const started = container.startupProbe === undefined || known(startup);
  const ready = container.readinessProbe === undefined ? started : started && known(of("readiness"));
  const liveness = of("liveness");
  const failing = startup?.verdict === "failure" ? startup : liveness?.verdict === "failure" ? liveness : undefined;
  if (failing === undefined) return { started, ready };
  return { started, ready, failed: failing.kind === "startup" ? "startup" : "liveness" };
}

function known(state: ProbeState | undefined): boolean | undefined {
  return state === undefined || state.verdict === "unknown" ? undefined : state.verdict === "success";
}
