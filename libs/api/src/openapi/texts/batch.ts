import { CronJob, CronJobSpec, CronJobStatus, Job, JobSpec, JobStatus, JobTemplateSpec } from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about Jobs and CronJobs. */
export const BATCH_TEXTS: readonly Text[] = [
  text(Job, "Runs Pods until enough of them have succeeded, or too many have failed.", {
    spec: "What is wanted.",
    status: "What is.",
  }),
  text(JobSpec, "What a Job wants.", {
    parallelism: "How many Pods may run at once; 1 unless given.",
    completions: "How many Pods must succeed. Without it, one success ends the Job when its other Pods have ended.",
    completionMode: "NonIndexed, or Indexed: then each completion has a number that its Pod is told.",
    backoffLimit: "How many Pods may fail before the Job does; 6 unless given.",
    activeDeadlineSeconds: "Seconds after which the Job is ended and has failed.",
    ttlSecondsAfterFinished: "Seconds that the Job is kept for after its end; for ever unless given.",
    suspend: "While set, no Pods run.",
    template: "The Pods to make. Their restartPolicy is OnFailure or Never.",
    selector: "Labels of its Pods; filled in by the server.",
    manualSelector: "Whether the selector is yours to choose.",
    podReplacementPolicy: "Whether a Pod is replaced when it is told to end, or only once it has ended.",
    managedBy: "The controller that runs this Job, if it is not the cluster's own.",
    podFailurePolicy: "Which failures end the Job, count, or do not.",
    backoffLimitPerIndex: "How often each index may fail.",
    maxFailedIndexes: "How many indexes may fail.",
    successPolicy: "When the Job has succeeded before all Pods have.",
  }),
  text(JobStatus, "What a Job has reached.", {
    active: "Pods that run or are to run.",
    ready: "Active Pods that are ready.",
    terminating: "Pods that were told to end and have not yet.",
    succeeded: "Pods that succeeded.",
    failed: "Pods that failed.",
    startTime: "When the Job began, or went on after it was suspended.",
    completionTime: "When the Job succeeded.",
    completedIndexes: "Numbers that have succeeded, such as 0-2,5.",
    conditions: "Complete or Failed at its end; Suspended while it is.",
    uncountedTerminatedPods: "Pods that ended and are not counted yet.",
    failedIndexes: "Indexes that failed.",
  }),
  text(CronJob, "Makes a Job each time its schedule says.", { spec: "What is wanted.", status: "What is." }),
  text(CronJobSpec, "What a CronJob wants.", {
    schedule: "Minute, hour, day of month, month, day of week; or @hourly, @daily and the like.",
    timeZone: "The zone of the schedule, such as Europe/Vienna; UTC unless given.",
    startingDeadlineSeconds: "How late a Job may start; a later one is left out.",
    concurrencyPolicy: "What to do while the last Job still runs: Allow another, Forbid it, or Replace the last one.",
    suspend: "While set, no Jobs are made.",
    jobTemplate: "The Jobs to make.",
    successfulJobsHistoryLimit: "How many Jobs that succeeded to keep; 3 unless given.",
    failedJobsHistoryLimit: "How many Jobs that failed to keep; 1 unless given.",
  }),
  text(JobTemplateSpec, "The Jobs to make.", {
    spec: "What each Job wants.",
    metadata: "Labels and annotations of the Jobs.",
  }),
  text(CronJobStatus, "What a CronJob has done.", {
    active: "Jobs that run now.",
    lastScheduleTime: "The last time of the schedule for which a Job was made.",
    lastSuccessfulTime: "When a Job last succeeded.",
  }),
];
