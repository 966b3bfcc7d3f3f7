import type { Deployment, ReplicaSet } from "@trireme/api";

/** How far a rolling update may leave the desired number of pods, in pods. */
export interface RollingLimits {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/**
 * Resolves the strategy's numbers and percentages as Kubernetes does: surge rounds up, unavailable down, and if both come
 * to nothing one pod may be unavailable, since otherwise nothing could ever move.
 */
export function rollingLimits(deployment: Deployment): RollingLimits {
  const replicas = replicasOf(deployment);
  const rolling = deployment.spec.strategy?.rollingUpdate;
  if (!isRollingUpdate(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const maxSurge = resolve(rolling?.maxSurge ?? "25%", replicas, Math.ceil);
  let maxUnavailable = resolve(rolling?.maxUnavailable ?? "25%", replicas, Math.floor);
  if (maxSurge === 0 && maxUnavailable === 0) maxUnavailable = 1;
  return { maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

/** Whether pods are to be replaced step by step; the default. */
export function isRollingUpdate(deployment: Deployment): boolean {
  return deployment.spec.strategy?.type !== "Recreate";
}

/** `spec.replicas`, 1 by default. */
export function replicasOf(object: Deployment | ReplicaSet): number {
  return object.spec.replicas ?? 1;
}

/** Sum of `spec.replicas`. */
export function desiredTotal(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, replicaSet) => sum + replicasOf(replicaSet), 0);
}

/**
 * Pods of a set that will still serve once the set has obeyed its spec. A status may be older than the spec: a set that
 * has just been told to shrink still reports its old pods as available.
 */
export function availableOf(replicaSet: ReplicaSet): number {
  return Math.min(replicaSet.status?.availableReplicas ?? 0, replicasOf(replicaSet));
}

/** Sum of {@link availableOf}. */
export function availableTotal(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, replicaSet) => sum + availableOf(replicaSet), 0);
}

function resolve(value: number | string, total: number, round: (value: number) => number): number {
  if (typeof value === "number") return Math.max(0, value);
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
}
