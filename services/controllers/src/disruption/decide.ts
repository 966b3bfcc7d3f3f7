import type { Condition, OwnerReference, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from "@trireme/api";
import { controllerOf, isReady } from "../ownership.ts";
import { toTime } from "../times.ts";

/** Kubernetes' patience: a pod whose eviction was allowed so long ago and that still does not end stays after all. */
const DISRUPTION_TIMEOUT_MS = 2 * 60_000;

/** A workload and how many pods it wants. */
export interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

/** What a budget's reconciler sees. */
export interface DisruptionObserved {
  readonly budget: PodDisruptionBudget;
  /** The pods that it selects. */
  readonly pods: readonly Pod[];
  /** Whether a node has fallen silent. */
  readonly isLost: (node: string) => boolean;
  /** The workload behind a pod's controller; undefined when it is unknown or has no scale. */
  readonly scaleOf: (controller: OwnerReference) => Scale | undefined;
}

/** Something to tell about the budget, or about one of its pods. */
export interface DisruptionTelling {
  readonly about: Pod | undefined;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** The outcome of one look. */
export interface DisruptionDecision {
  readonly status: PodDisruptionBudgetStatus;
  readonly tellings: readonly DisruptionTelling[];
  readonly requeueAfterMs: number | undefined;
}

/** How many pods of a budget may be evicted now, by Kubernetes' rules. */
export function decideDisruptions(observed: DisruptionObserved, now: number): DisruptionDecision {
  const { budget, pods, isLost } = observed;
  const tellings: DisruptionTelling[] = [];
  const tell = (type: "Normal" | "Warning", reason: string, message: string, about?: Pod): void =>
    void tellings.push({ about, type, reason, message });
  if (pods.length === 0) tell("Normal", "NoPods", "No matching pods found");
  const { disruptedPods, late, requeueAfterMs } = reviewDisrupted(budget, pods, now);
  for (const pod of late) {
    const { namespace, name } = budget.metadata;
    const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`;
    tell("Warning", "NotDeleted", message, pod);
  }
  const counted = countExpected(observed);
  if ("failure" in counted) {
    const { failure } = counted;
    tell("Warning", "CalculateExpectedPodCountFailed", `Failed to calculate the number of expected pods: ${failure}`);
    // Nobody knows how many there should be, so none may go.
    const status = { ...budget.status, disruptedPods, disruptionsAllowed: 0, ...observedGeneration(budget) };
    return { status: withCondition(budget, status, "SyncFailed", failure, now), tellings, requeueAfterMs };
  }
  const { expected, desired, unmanaged } = counted;
  if (unmanaged.length > 0) {
    const message =
      'Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.';
    tell("Warning", "UnmanagedPods", message);
  }
  const healthy = pods.filter(
    (pod) =>
      pod.metadata.deletionTimestamp === undefined &&
      !Object.hasOwn(disruptedPods, pod.metadata.name) &&
      isReady(pod) &&
      !isLost(pod.spec.nodeName ?? ""),
  ).length;
  // A budget whose first pods are not seen yet allows nothing.
  const allowed = expected <= 0 ? 0 : Math.max(0, healthy - desired);
  const { disruptedPods: _, ...before } = budget.status ?? {};
  const status = {
    ...before,
    ...(Object.keys(disruptedPods).length === 0 ? {} : { disruptedPods }),
    ...observedGeneration(budget),
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    disruptionsAllowed: allowed,
  };
  const reason = allowed > 0 ? "SufficientPods" : "InsufficientPods";
  return { status: withCondition(budget, status, reason, "", now), tellings, requeueAfterMs };
}

interface Reviewed {
  readonly disruptedPods: Record<string, string>;
  readonly late: readonly Pod[];
  readonly requeueAfterMs: number | undefined;
}

/** The evictions that were allowed and that the pods do not show yet. */
function reviewDisrupted({ status }: PodDisruptionBudget, pods: readonly Pod[], now: number): Reviewed {
  const disruptedPods: Record<string, string> = {};
  const late: Pod[] = [];
  let requeueAfterMs: number | undefined;
  const allowed = status?.disruptedPods ?? {};
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined || !Object.hasOwn(allowed, name)) continue;
    const left = Date.parse(allowed[name]!) + DISRUPTION_TIMEOUT_MS - now;
    if (left < 0) late.push(pod);
    else {
      disruptedPods[name] = allowed[name]!;
      requeueAfterMs = Math.min(requeueAfterMs ?? Infinity, left + 1);
    }
  }
  return { disruptedPods, late, requeueAfterMs };
}

interface Expected {
  readonly expected: number;
  readonly desired: number;
  readonly unmanaged: readonly Pod[];
}

function countExpected({ budget: { spec }, pods, scaleOf }: DisruptionObserved): Expected | { failure: string } {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable === undefined && typeof minAvailable !== "string") {
    return { expected: pods.length, desired: minAvailable ?? 0, unmanaged: [] };
  }
  // A share is of what the workloads want, each counted once.
  const scales = new Map<string, number>();
  const unmanaged: Pod[] = [];
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (controller === undefined) {
      unmanaged.push(pod);
      continue;
    }
    const scale = scaleOf(controller);
    if (scale === undefined) return { failure: `found no controllers for pod "${pod.metadata.name}"` };
    scales.set(scale.uid, scale.replicas);
  }
  const expected = [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
  const desired =
    maxUnavailable === undefined
      ? roundedUp(minAvailable!, expected)
      : Math.max(0, expected - roundedUp(maxUnavailable, expected));
  return { expected, desired, unmanaged };
}

function roundedUp(amount: number | string, total: number): number {
  return typeof amount === "number" ? amount : Math.ceil((Number.parseInt(amount, 10) * total) / 100);
}

function observedGeneration({ metadata: { generation } }: PodDisruptionBudget): { observedGeneration?: number } {
  return generation === undefined ? {} : { observedGeneration: generation };
}

function withCondition(
  { status: before }: PodDisruptionBudget,
  status: PodDisruptionBudgetStatus,
  reason: string,
  message: string,
  now: number,
): PodDisruptionBudgetStatus {
  const type = "DisruptionAllowed";
  const holds = (status.disruptionsAllowed ?? 0) > 0 ? "True" : "False";
  const old = before?.conditions?.find((one) => one.type === type);
  const since = old?.status === holds ? old.lastTransitionTime : undefined;
  const condition: Condition = {
    type,
    status: holds,
    reason,
    message,
    lastTransitionTime: since ?? toTime(now),
    ...(status.observedGeneration === undefined ? {} : { observedGeneration: status.observedGeneration }),
  };
  return { ...status, conditions: [...(before?.conditions ?? []).filter((one) => one.type !== type), condition] };
}
