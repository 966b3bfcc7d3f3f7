import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from "@trireme/api";
import { labelSelectorMatches } from "@trireme/api";
import { claim, isActive, isReady, msUntilAvailable } from "../ownership.ts";
import { toTime } from "../times.ts";
import { rankForDeletion } from "./rank.ts";

// Kubernetes' burst: one reconcile creates or deletes at most so many pods, the next one goes on.
const MAX_CHANGES_PER_RECONCILE = 500;

/** What a ReplicaSet's reconciler sees: caches that show all of its own writes. */
export interface ReplicaSetObserved {
  readonly replicaSet: ReplicaSet;
  /** The namespace's pods that the set selects or owns; others do no harm. */
  readonly pods: readonly Pod[];
  /** Pods of the sets that belong to the same Deployment: crowded nodes lose a pod first. */
  readonly related: readonly Pod[];
  /** Whether a node has fallen silent: nobody can say that its pods are ready, whatever they last said. */
  readonly isLost: (node: string) => boolean;
}

/** One thing to do. */
export type ReplicaSetAction =
  | { readonly type: "adopt"; readonly pod: Pod }
  | { readonly type: "release"; readonly pod: Pod }
  | { readonly type: "create"; readonly count: number }
  | { readonly type: "delete"; readonly pod: Pod };

/** The outcome of one look. */
export interface ReplicaSetDecision {
  readonly actions: readonly ReplicaSetAction[];
  readonly status: ReplicaSetStatus;
  /** When a ready pod becomes available by the mere passing of time. */
  readonly requeueAfterMs?: number;
}

/** What to do for one ReplicaSet. */
export function decideReplicaSet(observed: ReplicaSetObserved, now: number): ReplicaSetDecision {
  const { replicaSet } = observed;
  const { owned, adopt, release } = claim(replicaSet, replicaSet.spec.selector, observed.pods);
  const active = [...owned, ...adopt].filter(isActive);
  const actions: ReplicaSetAction[] = [
    ...adopt.filter(isActive).map((pod) => ({ type: "adopt" as const, pod })),
    ...release.map((pod) => ({ type: "release" as const, pod })),
  ];
  if (replicaSet.metadata.deletionTimestamp === undefined) {
    const surplus = active.length - (replicaSet.spec.replicas ?? 1);
    if (surplus < 0) actions.push({ type: "create", count: Math.min(-surplus, MAX_CHANGES_PER_RECONCILE) });
    if (surplus > 0) {
      const doomed = rankForDeletion(active, observed.related).slice(0, Math.min(surplus, MAX_CHANGES_PER_RECONCILE));
      actions.push(...doomed.map((pod) => ({ type: "delete" as const, pod })));
    }
  }
  const { status, requeueAfterMs } = statusOf(replicaSet, active, observed.isLost, now);
  return { actions, status, ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }) };
}

/** The status with the condition that says whether pods could be created and deleted. */
export function withReplicaFailure(
  status: ReplicaSetStatus,
  failure: { readonly reason: "FailedCreate" | "FailedDelete"; readonly message: string } | undefined,
  now: number,
): ReplicaSetStatus {
  const others = (status.conditions ?? []).filter((one) => one.type !== "ReplicaFailure");
  if (failure === undefined) return { ...status, conditions: others };
  const before = status.conditions?.find((one) => one.type === "ReplicaFailure");
  const same = before?.reason === failure.reason && before.message === failure.message;
  const condition: ReplicaSetCondition = {
    type: "ReplicaFailure",
    status: "True",
    reason: failure.reason,
    message: failure.message,
    lastTransitionTime: same && before.lastTransitionTime !== undefined ? before.lastTransitionTime : toTime(now),
  };
  return { ...status, conditions: [...others, condition] };
}

function statusOf(
  replicaSet: ReplicaSet,
  active: readonly Pod[],
  isLost: (node: string) => boolean,
  now: number,
): { status: ReplicaSetStatus; requeueAfterMs: number | undefined } {
  const minReadySeconds = replicaSet.spec.minReadySeconds ?? 0;
  const template = { matchLabels: replicaSet.spec.template.metadata?.labels ?? {} };
  let available = 0;
  let requeueAfterMs: number | undefined;
  const heard = active.filter((pod) => !isLost(pod.spec.nodeName ?? ""));
  for (const pod of heard) {
    const wait = msUntilAvailable(pod, minReadySeconds, now);
    if (wait === 0) available += 1;
    else if (wait !== undefined) requeueAfterMs = Math.min(requeueAfterMs ?? wait, wait);
  }
  const status: ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => labelSelectorMatches(template, pod.metadata.labels)).length,
    readyReplicas: heard.filter(isReady).length,
    availableReplicas: available,
    observedGeneration: replicaSet.metadata.generation ?? 0,
    conditions: replicaSet.status?.conditions ?? [],
  };
  return { status, requeueAfterMs };
}
