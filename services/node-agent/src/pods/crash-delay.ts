import type { ContainerFact } from "./facts.ts";

/** Kubernetes' row of crash delays: at once, 10 s, 20 s, 40 s ... 300 s. */
const FIRST_MS = 10_000;
const LAST_MS = 300_000;
/** A container that ran this long starts the row anew, as in kubelet (twice the longest delay). */
const FORGIVE_MS = 600_000;

/** The pause before the instance that follows one of this step. */
export function crashDelayMs(step: number): number {
  return step === 0 ? 0 : Math.min(LAST_MS, FIRST_MS * 2 ** Math.min(step - 1, 10));
}

/** When the container that ended may run again, and the step at which its successor starts. */
export function restartOf(ended: ContainerFact): { readonly at: number; readonly step: number } {
  const from = ended.startedAt || ended.createdAt;
  const step = ended.finishedAt - from >= FORGIVE_MS ? 0 : ended.crashStep;
  return { at: ended.finishedAt + crashDelayMs(step), step: step + 1 };
}
