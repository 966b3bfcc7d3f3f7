import type { Deployment, DeploymentCondition, DeploymentStatus, Pod, ReplicaSet } from "@trireme/api";
import { DEPLOYMENTS } from "@trireme/api";
import { claim, controllerReference, isFinished } from "../ownership.ts";
import {
  REVISION,
  desiredReplicasOf,
  revisionOf,
  withReplicaAnnotations,
  withReplicas,
  withRevision,
} from "./annotations.ts";
import { isRollingUpdate, replicasOf } from "./limits.ts";
import { byAge, newSetReplicas, scaleProportionally, shrinkOldSets } from "./rolling.ts";
import { conditionOf, deploymentStatus, isComplete } from "./status.ts";
import { POD_TEMPLATE_HASH, templateHash, templatesEqual } from "./template.ts";

/** What a Deployment's reconciler sees. */
export interface DeploymentObserved {
  readonly deployment: Deployment;
  /** The namespace's ReplicaSets; those of others do no harm. */
  readonly replicaSets: readonly ReplicaSet[];
  /** Pods of one of these ReplicaSets, ending ones included. */
  readonly podsOf: (replicaSet: ReplicaSet) => readonly Pod[];
}

/** One thing to do. */
export type DeploymentAction =
  | { readonly type: "adopt"; readonly replicaSet: ReplicaSet }
  | { readonly type: "release"; readonly replicaSet: ReplicaSet }
  /** If the name is taken by a set of another template, the collision count must rise. */
  | { readonly type: "create"; readonly replicaSet: ReplicaSet }
  | { readonly type: "update"; readonly replicaSet: ReplicaSet; readonly before: ReplicaSet }
  | { readonly type: "delete"; readonly replicaSet: ReplicaSet }
  /** Annotates the Deployment itself. */
  | { readonly type: "annotate"; readonly annotations: Readonly<Record<string, string>> };

/** The outcome of one look. */
export interface DeploymentDecision {
  readonly actions: readonly DeploymentAction[];
  readonly status: DeploymentStatus;
  readonly requeueAfterMs?: number;
}

/** The sets of a Deployment as a plan changes them: what is new and what is to become of the old. */
interface Plan {
  readonly newSet: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  readonly notice?: Pick<DeploymentCondition, "type" | "status" | "reason" | "message">;
  readonly rolling: boolean;
}

/** What to do for one Deployment. */
export function decideDeployment(observed: DeploymentObserved, now: number): DeploymentDecision {
  const { deployment } = observed;
  const { owned, adopt, release } = claim(deployment, deployment.spec.selector, observed.replicaSets);
  const newSet = owned.toSorted(byAge).find((set) => templatesEqual(set.spec.template, deployment.spec.template));
  const old = owned.filter((set) => set !== newSet);
  const before: Plan = { newSet, old, rolling: false };
  if (adopt.length > 0 || release.length > 0) {
    // The sets that count must be known before anything is scaled: their adoption brings us back here.
    const actions = [
      ...adopt.map((replicaSet) => ({ type: "adopt" as const, replicaSet })),
      ...release.map((replicaSet) => ({ type: "release" as const, replicaSet })),
    ];
    return { actions, ...finish(deployment, before, now) };
  }
  if (deployment.metadata.deletionTimestamp !== undefined) return { actions: [], ...finish(deployment, before, now) };
  const plan = planFor(observed, before);
  const end = finish(deployment, plan, now);
  return { actions: [...actionsOf(deployment, before, plan), ...cleanup(deployment, plan, end.status)], ...end };
}

function planFor(observed: DeploymentObserved, { newSet, old }: Plan): Plan {
  const { deployment } = observed;
  const paused = deployment.spec.paused === true;
  const known = newSet === undefined ? old : [...old, newSet];
  if (paused || isScaling(deployment, known)) {
    const scaled = scale(deployment, newSet, old);
    const notice = pauseNotice(deployment);
    const kept = newSet === undefined ? undefined : withRevision(scaled.get(newSet)!, nextRevision(old), deployment);
    return { newSet: kept, old: old.map((set) => scaled.get(set)!), rolling: false, ...(notice && { notice }) };
  }
  return isRollingUpdate(deployment) ? rollingUpdate(deployment, newSet, old) : recreate(observed, newSet, old);
}

function rollingUpdate(deployment: Deployment, newSet: ReplicaSet | undefined, old: readonly ReplicaSet[]): Plan {
  const current = newSet ?? createdSet(deployment, nextRevision(old));
  const revised = withRevision(current, nextRevision(old), deployment);
  const grown = withReplicas(revised, newSetReplicas(deployment, replicasOf(revised), old), deployment);
  return {
    newSet: grown,
    old: shrinkOldSets(deployment, grown, old),
    rolling: true,
    ...noticeFor(deployment, newSet, grown),
  };
}

function recreate(observed: DeploymentObserved, newSet: ReplicaSet | undefined, old: readonly ReplicaSet[]): Plan {
  const { deployment } = observed;
  const stopped = old.map((set) => withReplicas(set, 0, deployment));
  const oldPodsRun = old.some((set) => observed.podsOf(set).some((pod) => !isFinished(pod)));
  if (old.some((set) => replicasOf(set) > 0) || oldPodsRun) {
    // Two versions must never run side by side: the new set waits until the last old pod is gone.
    return { newSet, old: stopped, rolling: true };
  }
  const current = newSet ?? createdSet(deployment, nextRevision(old));
  const revised = withRevision(current, nextRevision(old), deployment);
  const grown = withReplicas(revised, replicasOf(deployment), deployment);
  return { newSet: grown, old, rolling: true, ...noticeFor(deployment, newSet, grown) };
}

/** Sizes for a changed `spec.replicas` outside of (or in the middle of) a rollout. */
function scale(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ReadonlyMap<ReplicaSet, ReplicaSet> {
  const all = newSet === undefined ? old : [...old, newSet];
  const scaled = new Map(all.map((set) => [set, set]));
  const active = all.filter((set) => replicasOf(set) > 0);
  const only =
    active.length === 0 ? (newSet ?? old.toSorted(byAge).at(-1)) : active.length === 1 ? active[0] : undefined;
  const desired = replicasOf(deployment);
  if (only !== undefined) {
    scaled.set(only, withReplicaAnnotations(withReplicas(only, desired, deployment), deployment));
  } else if (newSet !== undefined && isSaturated(deployment, newSet)) {
    for (const set of active) if (set !== newSet) scaled.set(set, withReplicas(set, 0, deployment));
  } else if (isRollingUpdate(deployment)) {
    const proportional = scaleProportionally(deployment, active);
    for (const [i, set] of active.entries()) scaled.set(set, withReplicaAnnotations(proportional[i]!, deployment));
  }
  return scaled;
}

function isSaturated(deployment: Deployment, newSet: ReplicaSet): boolean {
  const desired = replicasOf(deployment);
  return (
    desiredReplicasOf(newSet) === desired &&
    replicasOf(newSet) === desired &&
    newSet.status?.availableReplicas === desired
  );
}

/** Whether `spec.replicas` changed since the active sets were scaled. */
function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = desiredReplicasOf(set);
    return replicasOf(set) > 0 && desired !== undefined && desired !== replicasOf(deployment);
  });
}

function nextRevision(old: readonly ReplicaSet[]): number {
  return old.reduce((most, set) => Math.max(most, revisionOf(set)), 0) + 1;
}

/** The set for the present template, still without replicas. */
function createdSet(deployment: Deployment, revision: number): ReplicaSet {
  const { metadata, spec, status } = deployment;
  const hash = templateHash(spec.template, status?.collisionCount);
  const labels = { ...spec.template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  const set: ReplicaSet = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${metadata.name}-${hash}`,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels,
      ownerReferences: [controllerReference(DEPLOYMENTS, deployment)],
    },
    spec: {
      replicas: 0,
      ...(spec.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec.selector, matchLabels: { ...spec.selector.matchLabels, [POD_TEMPLATE_HASH]: hash } },
      template: { ...spec.template, metadata: { ...spec.template.metadata, labels } },
    },
  };
  return withReplicaAnnotations(withRevision(set, revision, deployment), deployment);
}

function noticeFor(
  deployment: Deployment,
  found: ReplicaSet | undefined,
  current: ReplicaSet,
): { notice?: Pick<DeploymentCondition, "type" | "status" | "reason" | "message"> } {
  const { name } = current.metadata;
  if (found === undefined) {
    const message = `Created new replica set "${name}"`;
    return { notice: { type: "Progressing", status: "True", reason: "NewReplicaSetCreated", message } };
  }
  if (conditionOf(deployment.status, "Progressing") !== undefined) return {};
  const message = `Found new replica set "${name}"`;
  return { notice: { type: "Progressing", status: "True", reason: "FoundNewReplicaSet", message } };
}

function pauseNotice(
  deployment: Deployment,
): Pick<DeploymentCondition, "type" | "status" | "reason" | "message"> | undefined {
  const current = conditionOf(deployment.status, "Progressing");
  if (current?.reason === "ProgressDeadlineExceeded") return undefined;
  const said = current?.reason === "DeploymentPaused";
  if (deployment.spec.paused === true && !said) {
    return { type: "Progressing", status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" };
  }
  if (deployment.spec.paused !== true && said) {
    return { type: "Progressing", status: "Unknown", reason: "DeploymentResumed", message: "Deployment is resumed" };
  }
  return undefined;
}

function actionsOf(deployment: Deployment, before: Plan, after: Plan): DeploymentAction[] {
  const actions: DeploymentAction[] = [];
  if (after.newSet !== undefined) {
    if (before.newSet === undefined) actions.push({ type: "create", replicaSet: after.newSet });
    else actions.push(...update(before.newSet, withMinReady(after.newSet, deployment)));
    const revision = after.newSet.metadata.annotations?.[REVISION];
    if (revision !== undefined && deployment.metadata.annotations?.[REVISION] !== revision) {
      actions.push({ type: "annotate", annotations: { [REVISION]: revision } });
    }
  }
  for (const [i, set] of before.old.entries()) actions.push(...update(set, after.old[i]!));
  return actions;
}

function withMinReady(set: ReplicaSet, { spec }: Deployment): ReplicaSet {
  const minReadySeconds = spec.minReadySeconds ?? 0;
  return (set.spec.minReadySeconds ?? 0) === minReadySeconds ? set : { ...set, spec: { ...set.spec, minReadySeconds } };
}

function update(before: ReplicaSet, after: ReplicaSet): DeploymentAction[] {
  return before === after ? [] : [{ type: "update", replicaSet: after, before }];
}

/** Deletes old, empty sets beyond the history that is kept for rollbacks, oldest revision first. */
function cleanup(deployment: Deployment, plan: Plan, status: DeploymentStatus): DeploymentAction[] {
  if (!isComplete(deployment, status) && deployment.spec.paused !== true) return [];
  const candidates = plan.old.filter((set) => set.metadata.deletionTimestamp === undefined);
  const surplus = candidates.length - (deployment.spec.revisionHistoryLimit ?? 10);
  if (surplus <= 0) return [];
  return candidates
    .toSorted((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b))
    .slice(0, surplus)
    .filter(
      (set) =>
        replicasOf(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0),
    )
    .map((replicaSet) => ({ type: "delete" as const, replicaSet }));
}

function finish(
  deployment: Deployment,
  plan: Plan,
  now: number,
): { status: DeploymentStatus; requeueAfterMs?: number } {
  const replicaSets = plan.newSet === undefined ? plan.old : [...plan.old, plan.newSet];
  const { newSet, rolling } = plan;
  const rollout = { deployment, replicaSets, newSet, rolling, notice: plan.notice };
  return deploymentStatus({ ...rollout, collisionCount: deployment.status?.collisionCount }, now);
}
