import type { Pod } from "@trireme/api";
import { isActive, isReady } from "../ownership.ts";

const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** Pods in the order in which a scale-down takes them: those that serve least first (Kubernetes' ActivePodsWithRanks). */
export function rankForDeletion(pods: readonly Pod[], related: readonly Pod[]): Pod[] {
  const crowd = new Map<string, number>();
  for (const pod of related.length === 0 ? pods : related) {
    const node = pod.spec.nodeName ?? "";
    if (isActive(pod) && node !== "") crowd.set(node, (crowd.get(node) ?? 0) + 1);
  }
  const keys = new Map(pods.map((pod) => [pod, sortKey(pod, crowd)]));
  return pods.toSorted((a, b) => compare(keys.get(a)!, keys.get(b)!));
}

const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Smaller goes first, element by element. */
function sortKey(pod: Pod, crowd: ReadonlyMap<string, number>): readonly (number | string)[] {
  const node = pod.spec.nodeName ?? "";
  const ready = isReady(pod);
  const readySince = ready ? transitionTime(pod) : 0;
  const restarts = (pod.status?.containerStatuses ?? []).reduce((most, one) => Math.max(most, one.restartCount), 0);
  const cost = Number(pod.metadata.annotations?.[DELETION_COST] ?? 0);
  return [
    node === "" ? 0 : 1,
    PHASE_ORDER[pod.status?.phase ?? "Pending"] ?? 0,
    ready ? 1 : 0,
    Number.isInteger(cost) ? cost : 0,
    -(crowd.get(node) ?? 0),
    -readySince,
    -restarts,
    -created(pod),
    pod.metadata.name,
  ];
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]!;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function transitionTime(pod: Pod): number {
  const time = pod.status?.conditions?.find((one) => one.type === "Ready")?.lastTransitionTime;
  return time === undefined ? 0 : Date.parse(time);
}

function created(pod: Pod): number {
  return pod.metadata.creationTimestamp === undefined ? 0 : Date.parse(pod.metadata.creationTimestamp);
}
