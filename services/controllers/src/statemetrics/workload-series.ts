import type {
  CronJob,
  DaemonSet,
  Deployment,
  HorizontalPodAutoscaler,
  Job,
  KubeObject,
  ReplicaSet,
  StatefulSet,
} from "@trireme/api";
import type { Exposition, SampleLabels } from "@trireme/telemetry";
import { addCondition, ownerLabels, perObject, secondsOf } from "./series.ts";

/** The workload kinds, as the caches have them. */
export interface Workloads {
  readonly deployments: readonly Deployment[];
  readonly replicaSets: readonly ReplicaSet[];
  readonly statefulSets: readonly StatefulSet[];
  readonly daemonSets: readonly DaemonSet[];
  readonly jobs: readonly Job[];
  readonly cronJobs: readonly CronJob[];
  readonly autoscalers: readonly HorizontalPodAutoscaler[];
}

type Number_<T> = (object: T) => number | undefined;

/** A family of one number an object, labelled with its namespace and its name under `label`. */
function numbers<T extends KubeObject>(
  out: Exposition,
  label: string,
  objects: readonly T[],
  families: readonly (readonly [name: string, help: string, value: Number_<T>])[],
): void {
  for (const [name, help, value] of families) {
    perObject(out, objects, `kube_${label}_${name}`, help, (object, add) => {
      const found = value(object);
      if (found !== undefined) add(named(label, object), found);
    });
  }
}

function named(label: string, { metadata }: KubeObject): SampleLabels {
  return { namespace: metadata.namespace ?? "", [label]: metadata.name };
}

const CREATED = [
  "created",
  "When it was made.",
  ({ metadata }: KubeObject) => secondsOf(metadata.creationTimestamp),
] as const;
const GENERATION = [
  "metadata_generation",
  "The wish's number.",
  ({ metadata }: KubeObject) => metadata.generation,
] as const;

/** kube_deployment_*, kube_replicaset_*, kube_statefulset_*, kube_daemonset_*, kube_job_*, kube_cronjob_* and of autoscalers. */
export function workloadSeries(out: Exposition, of: Workloads): void {
  deployments(out, of.deployments);
  replicaSets(out, of.replicaSets);
  statefulSets(out, of.statefulSets);
  daemonSets(out, of.daemonSets);
  jobs(out, of.jobs, of.cronJobs);
  autoscalers(out, of.autoscalers);
}

function deployments(out: Exposition, objects: readonly Deployment[]): void {
  numbers(out, "deployment", objects, [
    CREATED,
    GENERATION,
    ["spec_replicas", "Replicas wished for.", ({ spec }) => spec.replicas ?? 1],
    ["spec_paused", "Whether it is paused.", ({ spec }) => Number(spec.paused === true)],
    ["status_observed_generation", "The wish that was seen.", ({ status }) => status?.observedGeneration ?? 0],
    ["status_replicas", "Replicas.", ({ status }) => status?.replicas ?? 0],
    ["status_replicas_ready", "Ready ones.", ({ status }) => status?.readyReplicas ?? 0],
    ["status_replicas_available", "Available ones.", ({ status }) => status?.availableReplicas ?? 0],
    ["status_replicas_unavailable", "Missing ones.", ({ status }) => status?.unavailableReplicas ?? 0],
    ["status_replicas_updated", "Of the newest template.", ({ status }) => status?.updatedReplicas ?? 0],
  ]);
  perObject(out, objects, "kube_deployment_status_condition", "Its conditions.", (object, add) => {
    for (const { type, status, reason } of object.status?.conditions ?? []) {
      addCondition(add, { ...named("deployment", object), condition: type, reason: reason ?? "" }, status);
    }
  });
}

function replicaSets(out: Exposition, objects: readonly ReplicaSet[]): void {
  numbers(out, "replicaset", objects, [
    CREATED,
    GENERATION,
    ["spec_replicas", "Replicas wished for.", ({ spec }) => spec.replicas ?? 1],
    ["status_replicas", "Replicas.", ({ status }) => status?.replicas ?? 0],
    ["status_ready_replicas", "Ready ones.", ({ status }) => status?.readyReplicas ?? 0],
  ]);
  perObject(out, objects, "kube_replicaset_owner", "Who owns a ReplicaSet.", (object, add) => {
    for (const owner of ownerLabels(object)) add({ ...named("replicaset", object), ...owner }, 1);
  });
}

function statefulSets(out: Exposition, objects: readonly StatefulSet[]): void {
  numbers(out, "statefulset", objects, [
    CREATED,
    GENERATION,
    ["replicas", "Replicas wished for.", ({ spec }) => spec.replicas ?? 1],
    ["status_observed_generation", "The wish that was seen.", ({ status }) => status?.observedGeneration ?? 0],
    ["status_replicas", "Replicas.", ({ status }) => status?.replicas ?? 0],
    ["status_replicas_ready", "Ready ones.", ({ status }) => status?.readyReplicas ?? 0],
    ["status_replicas_available", "Available ones.", ({ status }) => status?.availableReplicas ?? 0],
    ["status_replicas_current", "Of the present revision.", ({ status }) => status?.currentReplicas ?? 0],
    ["status_replicas_updated", "Of the newest revision.", ({ status }) => status?.updatedReplicas ?? 0],
  ]);
  for (const [name, field] of [
    ["current", "currentRevision"],
    ["update", "updateRevision"],
  ] as const) {
    const family = `kube_statefulset_status_${name}_revision`;
    perObject(out, objects, family, `Its ${name} revision.`, (object, add) => {
      add({ ...named("statefulset", object), revision: object.status?.[field] ?? "" }, 1);
    });
  }
}

function daemonSets(out: Exposition, objects: readonly DaemonSet[]): void {
  numbers(out, "daemonset", objects, [
    CREATED,
    GENERATION,
    ["status_observed_generation", "The wish that was seen.", ({ status }) => status?.observedGeneration ?? 0],
    ["status_desired_number_scheduled", "Nodes that want it.", ({ status }) => status?.desiredNumberScheduled ?? 0],
    ["status_current_number_scheduled", "Nodes that have it.", ({ status }) => status?.currentNumberScheduled ?? 0],
    ["status_number_misscheduled", "Nodes that should not.", ({ status }) => status?.numberMisscheduled ?? 0],
    ["status_number_ready", "Nodes where it is ready.", ({ status }) => status?.numberReady ?? 0],
    ["status_number_available", "Nodes where it is available.", ({ status }) => status?.numberAvailable ?? 0],
    ["status_number_unavailable", "Nodes where it is missing.", ({ status }) => status?.numberUnavailable ?? 0],
    ["status_updated_number_scheduled", "Nodes with the newest.", ({ status }) => status?.updatedNumberScheduled ?? 0],
  ]);
}

function jobs(out: Exposition, objects: readonly Job[], cronJobs: readonly CronJob[]): void {
  const label = "job_name";
  const job = (object: Job): SampleLabels => named(label, object);
  const family = (name: string, help: string, value: Number_<Job>): void =>
    perObject(out, objects, `kube_job_${name}`, help, (object, add) => {
      const found = value(object);
      if (found !== undefined) add(job(object), found);
    });
  perObject(out, objects, "kube_job_owner", "Who owns a Job.", (object, add) => {
    for (const owner of ownerLabels(object)) add({ ...job(object), ...owner }, 1);
  });
  family("spec_completions", "Pods that are to succeed.", ({ spec }) => spec.completions);
  family("spec_parallelism", "Pods at once.", ({ spec }) => spec.parallelism ?? 1);
  family("status_active", "Pods that run.", ({ status }) => status?.active ?? 0);
  family("status_succeeded", "Pods that succeeded.", ({ status }) => status?.succeeded ?? 0);
  family("status_failed", "Pods that failed.", ({ status }) => status?.failed ?? 0);
  family("status_start_time", "When it began.", ({ status }) => secondsOf(status?.startTime));
  family("status_completion_time", "When it was done.", ({ status }) => secondsOf(status?.completionTime));
  for (const [name, type] of [
    ["complete", "Complete"],
    ["failed", "Failed"],
  ] as const) {
    perObject(out, objects, `kube_job_${name}`, `Whether its condition is ${type}.`, (object, add) => {
      const found = object.status?.conditions?.find((one) => one.type === type);
      // As kube-state-metrics: there is a series once there is a condition.
      if (found === undefined) return;
      for (const one of ["true", "false", "unknown"]) {
        add({ ...job(object), condition: one }, found.status.toLowerCase() === one ? 1 : 0);
      }
    });
  }
  numbers(out, "cronjob", cronJobs, [
    CREATED,
    ["spec_suspend", "Whether it is suspended.", ({ spec }) => Number(spec.suspend === true)],
    ["status_active", "Jobs of it that run.", ({ status }) => status?.active?.length ?? 0],
    ["status_last_schedule_time", "Its last start.", ({ status }) => secondsOf(status?.lastScheduleTime)],
    ["status_last_successful_time", "Its last success.", ({ status }) => secondsOf(status?.lastSuccessfulTime)],
  ]);
}

function autoscalers(out: Exposition, objects: readonly HorizontalPodAutoscaler[]): void {
  numbers(out, "horizontalpodautoscaler", objects, [
    GENERATION,
    ["spec_min_replicas", "Least replicas.", ({ spec }) => spec?.minReplicas ?? 1],
    ["spec_max_replicas", "Most replicas.", ({ spec }) => spec?.maxReplicas],
    ["status_current_replicas", "Replicas that it saw.", ({ status }) => status?.currentReplicas ?? 0],
    ["status_desired_replicas", "Replicas that it wants.", ({ status }) => status?.desiredReplicas ?? 0],
  ]);
  const name = "kube_horizontalpodautoscaler_status_condition";
  perObject(out, objects, name, "Its conditions.", (object, add) => {
    for (const { type, status } of object.status?.conditions ?? []) {
      addCondition(add, { ...named("horizontalpodautoscaler", object), condition: type }, status);
    }
  });
}
