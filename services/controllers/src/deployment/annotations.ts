import type { Deployment, ReplicaSet } from "@trireme/api";
import { replicasOf, rollingLimits } from "./limits.ts";

/** Annotations by which kubectl and the controller itself follow a rollout. */
export const REVISION = "deployment.kubernetes.io/revision";
const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";
// Kubernetes' bound for the list of earlier revisions of one set, in characters.
const MAX_HISTORY_LENGTH = 2000;

const NOT_COPIED = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  "deprecated.deployment.rollback.to",
]);

/** The revision number of a set or Deployment; 0 when it has none. */
export function revisionOf(object: Deployment | ReplicaSet): number {
  const revision = Number(object.metadata.annotations?.[REVISION] ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

/** What `spec.replicas` was when the set was last scaled; differs from now in a scaling event. */
export function desiredReplicasOf(replicaSet: ReplicaSet): number | undefined {
  return integer(replicaSet.metadata.annotations?.[DESIRED_REPLICAS]);
}

/** Replicas and surge when the set was last scaled. */
export function maxReplicasOf(replicaSet: ReplicaSet): number | undefined {
  return integer(replicaSet.metadata.annotations?.[MAX_REPLICAS]);
}

/** The set scaled to `replicas`, its annotations brought up to date; the very same set if nothing changes. */
export function withReplicas(replicaSet: ReplicaSet, replicas: number, deployment: Deployment): ReplicaSet {
  if (replicasOf(replicaSet) === replicas) return replicaSet;
  return withReplicaAnnotations({ ...replicaSet, spec: { ...replicaSet.spec, replicas } }, deployment);
}

/** The set with annotations that name the Deployment's present size; the very same set if they do already. */
export function withReplicaAnnotations(replicaSet: ReplicaSet, deployment: Deployment): ReplicaSet {
  const desired = replicasOf(deployment);
  return annotated(replicaSet, {
    [DESIRED_REPLICAS]: String(desired),
    [MAX_REPLICAS]: String(desired + rollingLimits(deployment).maxSurge),
  });
}

/**
 * The current set with the Deployment's own annotations and at least this revision. A set that comes back after a
 * rollback gets a new revision; the earlier one moves to its history.
 */
export function withRevision(replicaSet: ReplicaSet, revision: number, deployment: Deployment): ReplicaSet {
  const wanted: Record<string, string> = {};
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) wanted[key] = value;
  }
  const before = revisionOf(replicaSet);
  if (before < revision) {
    wanted[REVISION] = String(revision);
    if (before > 0) {
      const history = replicaSet.metadata.annotations?.[REVISION_HISTORY];
      const entries = [...(history === undefined ? [] : history.split(",")), String(before)];
      while (entries.join(",").length > MAX_HISTORY_LENGTH) entries.shift();
      wanted[REVISION_HISTORY] = entries.join(",");
    }
  }
  return annotated(replicaSet, wanted);
}

function annotated(replicaSet: ReplicaSet, wanted: Readonly<Record<string, string>>): ReplicaSet {
  const present = replicaSet.metadata.annotations ?? {};
  if (Object.entries(wanted).every(([key, value]) => present[key] === value)) return replicaSet;
  return { ...replicaSet, metadata: { ...replicaSet.metadata, annotations: { ...present, ...wanted } } };
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
