import type { CronJob, Job, JobSpec } from "../kinds.ts";
import { defaultPodSpec } from "./pod.ts";

/** Kubernetes' SetDefaults_Job. */
export function defaultJob(job: Job): void {
  const { spec } = job;
  if (!spec) return;
  defaultJobSpec(spec);
  const { labels } = spec.template?.metadata ?? {};
  if (labels !== undefined && job.metadata.labels === undefined) job.metadata.labels = { ...labels };
}

/** Those of its spec. */
function defaultJobSpec(spec: JobSpec): void {
  // With neither given it is one pod; with parallelism alone it is a work queue, which has no number of completions.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= 6;
  if (!spec.completionMode) spec.completionMode = "NonIndexed";
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  if (!spec.podReplacementPolicy) spec.podReplacementPolicy = "TerminatingOrFailed";
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

/** Kubernetes' SetDefaults_CronJob: its Jobs get theirs when they are made. */
export function defaultCronJob({ spec }: CronJob): void {
  if (!spec) return;
  if (!spec.concurrencyPolicy) spec.concurrencyPolicy = "Allow";
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  const pods = spec.jobTemplate?.spec?.template?.spec;
  if (pods) defaultPodSpec(pods);
}
