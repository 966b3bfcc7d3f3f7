import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from "@trireme/api";
import { toTime } from "../times.ts";
import { availableTotal, desiredTotal, replicasOf, rollingLimits } from "./limits.ts";

// Kubernetes' way to say "no deadline".
const NO_DEADLINE_SECONDS = 2 ** 31 - 1;

/** What the present rollout looks like to its conditions. */
export interface Rollout {
  readonly deployment: Deployment;
  /** All sets as they are after this reconcile. */
  readonly replicaSets: readonly ReplicaSet[];
  readonly newSet: ReplicaSet | undefined;
  /** A condition that this reconcile brings by itself: a set was created, found, paused. */
  readonly notice: Pick<DeploymentCondition, "type" | "status" | "reason" | "message"> | undefined;
  /** False while paused or scaling: then only numbers and availability change. */
  readonly rolling: boolean;
  readonly collisionCount: number | undefined;
}

/** The status after a reconcile, and when to look again for the progress deadline. */
export function deploymentStatus(rollout: Rollout, now: number): { status: DeploymentStatus; requeueAfterMs?: number } {
  const { deployment } = rollout;
  let conditions = deployment.status?.conditions ?? [];
  const counts = countReplicas(rollout);
  conditions = setCondition(conditions, availableCondition(deployment, counts), now);
  if (rollout.notice !== undefined && hasDeadline(deployment)) {
    conditions = setCondition(conditions, rollout.notice, now);
  }
  if (!hasDeadline(deployment)) conditions = conditions.filter((one) => one.type !== "Progressing");
  else if (rollout.rolling) conditions = progress(conditions, rollout, counts, now);
  const failure = rollout.replicaSets
    .flatMap((set) => set.status?.conditions ?? [])
    .find((one) => one.type === "ReplicaFailure" && one.status === "True");
  conditions =
    failure === undefined
      ? conditions.filter((one) => one.type !== "ReplicaFailure")
      : setCondition(conditions, { ...failure, reason: failure.reason ?? "", message: failure.message ?? "" }, now);
  const requeueAfterMs = rollout.rolling ? untilDeadline(deployment, conditions, counts, now) : undefined;
  return { status: { ...counts, conditions }, ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }) };
}

/** Whether everything that was asked for is up, new and available, and nothing old is left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const desired = replicasOf(deployment);
  return (
    status.updatedReplicas === desired &&
    status.replicas === desired &&
    status.availableReplicas === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

/** The status' condition of this type. */
export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return status?.conditions?.find((one) => one.type === type);
}

type Condition = Pick<DeploymentCondition, "type" | "status" | "reason" | "message">;

function countReplicas({ deployment, replicaSets, newSet, collisionCount }: Rollout): DeploymentStatus {
  const sum = (of: (set: ReplicaSet) => number | undefined): number =>
    replicaSets.reduce((total, set) => total + (of(set) ?? 0), 0);
  const available = availableTotal(replicaSets);
  const unavailable = Math.max(0, desiredTotal(replicaSets) - available);
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: sum((set) => set.status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas: available,
    ...(unavailable === 0 ? {} : { unavailableReplicas: unavailable }),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
}

function availableCondition(deployment: Deployment, counts: DeploymentStatus): Condition {
  const least = replicasOf(deployment) - rollingLimits(deployment).maxUnavailable;
  return (counts.availableReplicas ?? 0) >= least
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

function progress(
  conditions: readonly DeploymentCondition[],
  { deployment, newSet }: Rollout,
  counts: DeploymentStatus,
  now: number,
): DeploymentCondition[] {
  const before = deployment.status ?? {};
  const current = conditions.find((one) => one.type === "Progressing");
  // A rollout that ended well stays so, even if pods come and go later.
  if (counts.replicas === counts.updatedReplicas && current?.reason === "NewReplicaSetAvailable")
    return [...conditions];
  const subject =
    newSet === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${newSet.metadata.name}"`;
  if (isComplete(deployment, counts)) {
    const message = `${subject} has successfully progressed.`;
    return setCondition(
      conditions,
      { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable", message },
      now,
    );
  }
  if (hasProgressed(before, counts)) {
    const message = `${subject} is progressing.`;
    const next = { type: "Progressing", status: "True", reason: "ReplicaSetUpdated", message };
    // Every step forward restarts the deadline, so the time of update moves even if the words stay.
    return setCondition(conditions, next, now, true);
  }
  if (isTimedOut(deployment, current, now)) {
    const message = `${subject} has timed out progressing.`;
    return setCondition(
      conditions,
      { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message },
      now,
    );
  }
  return [...conditions];
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, current: DeploymentCondition | undefined, now: number): boolean {
  if (current === undefined || current.reason === "NewReplicaSetAvailable") return false;
  if (current.reason === "ProgressDeadlineExceeded") return true;
  return now - Date.parse(current.lastUpdateTime ?? "") > deadlineMs(deployment);
}

function untilDeadline(
  deployment: Deployment,
  conditions: readonly DeploymentCondition[],
  counts: DeploymentStatus,
  now: number,
): number | undefined {
  const current = conditions.find((one) => one.type === "Progressing");
  if (current === undefined || isComplete(deployment, counts) || current.reason === "ProgressDeadlineExceeded") {
    return undefined;
  }
  if (current.reason === "NewReplicaSetAvailable") return undefined;
  // A second on top, since the time in the condition was cut to whole seconds.
  return Math.max(0, Date.parse(current.lastUpdateTime ?? toTime(now)) + deadlineMs(deployment) + 1000 - now);
}

function hasDeadline(deployment: Deployment): boolean {
  const seconds = deployment.spec.progressDeadlineSeconds ?? NO_DEADLINE_SECONDS;
  return seconds !== NO_DEADLINE_SECONDS;
}

function deadlineMs(deployment: Deployment): number {
  return (deployment.spec.progressDeadlineSeconds ?? NO_DEADLINE_SECONDS) * 1000;
}

/** Sets one condition. Its times move only when it says something else (or `touch`: the time of update at least). */
function setCondition(
  conditions: readonly DeploymentCondition[],
  next: Condition,
  now: number,
  touch = false,
): DeploymentCondition[] {
  const before = conditions.find((one) => one.type === next.type);
  const same = before?.status === next.status && before.reason === next.reason;
  if (before !== undefined && same && !touch) return [...conditions];
  const time = toTime(now);
  const { type, status, reason, message } = next;
  const condition: DeploymentCondition = {
    type,
    status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    lastUpdateTime: time,
    lastTransitionTime: before?.status === status ? (before.lastTransitionTime ?? time) : time,
  };
  return [...conditions.filter((one) => one.type !== type), condition];
}
