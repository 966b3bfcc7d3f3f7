import type { PodStatus } from "@trireme/api";

/**
 * How long a status may wait to be written, so that what follows within that time saves its write. Pure. At once: what
 * others act on, that is readiness and ends. A moment: everything that soon becomes one of those. `written` is what
 * the API has; `ending`: the pod is being deleted, which all others know by its deletionTimestamp.
 */
export function patienceMs(written: PodStatus | undefined, next: PodStatus, ending: boolean): number {
  if (ending) return ENDING_MS;
  if (readyOf(written) !== readyOf(next)) return 0;
  if (next.phase !== (written?.phase ?? "Pending") && next.phase !== "Running") return 0;
  if (reasonsOf(next) !== reasonsOf(written)) return 0;
  return next.phase === "Pending" ? STARTING_MS : SETTLING_MS;
}

/** A pod that starts passes through states that nobody acts on; it is up within this time, as a rule. */
const STARTING_MS = 500;
/** Most pods that are deleted are gone by then, and their last states with them. */
const ENDING_MS = 2000;
/** Between a container's start and its first successful probe. */
const SETTLING_MS = 100;
/** Why a container waits, when all is well. */
const USUAL = new Set<string | undefined>(["ContainerCreating", "PodInitializing", undefined]);

function readyOf(status: PodStatus | undefined): boolean {
  return status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;
}

function reasonsOf(status: PodStatus | undefined): string {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const reasons = all.flatMap(({ name, state }) =>
    USUAL.has(state?.waiting?.reason) ? [] : [`${name} ${state?.waiting?.reason}`],
  );
  return reasons.join();
}
