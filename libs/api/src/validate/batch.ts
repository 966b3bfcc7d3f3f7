import type { CronJob, Job, JobSpec } from "../kinds.ts";
import { parseCronSchedule } from "../schedule/cron.ts";
import { timeZoneOffsets } from "../schedule/time-zone.ts";
import type { Problems } from "./field-error.ts";
import { immutable, validateAnnotations, validateLabels } from "./metadata.ts";
import { validateTemplate } from "./pod.ts";
import { notNegative, validateSelectorAndTemplate } from "./workloads.ts";

const RESTART_POLICIES = ["OnFailure", "Never"];
// Kubernetes' bound: indexes that ended are kept in the status as text.
const MAX_INDEXED = 100_000;
// A Job is named after its CronJob: `-`, ten digits, and what pods add must fit into a label.
const MAX_CRON_JOB_NAME = 52;
/** Fields whose meaning the controller does not have: taken silently they would be lies. */
const UNSUPPORTED = ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes"] as const;

/** Checks a Job, whose selector the server has filled in. */
export function validateJob({ spec }: Job, problems: Problems): void {
  if (spec === undefined) return;
  if (spec.selector === undefined) problems.required("spec.selector");
  validateSelectorAndTemplate(spec.selector, spec.template, problems, RESTART_POLICIES);
  validateCounts(spec, "spec", problems);
}

/** Checks a CronJob. */
export function validateCronJob({ metadata, spec }: CronJob, problems: Problems): void {
  if (metadata.name?.length > MAX_CRON_JOB_NAME) {
    problems.invalid("metadata.name", metadata.name, `must be no more than ${MAX_CRON_JOB_NAME} characters`);
  }
  if (spec === undefined) return;
  if (spec.schedule) validateSchedule(spec.schedule, problems);
  if (spec.timeZone !== undefined) validateTimeZone(spec.timeZone, problems);
  for (const key of ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] as const) {
    notNegative(spec[key], `spec.${key}`, problems);
  }
  const { jobTemplate } = spec;
  if (jobTemplate === undefined) return;
  validateLabels(jobTemplate.metadata?.labels, "spec.jobTemplate.metadata.labels", problems);
  validateAnnotations(jobTemplate.metadata?.annotations, "spec.jobTemplate.metadata.annotations", problems);
  if (jobTemplate.spec === undefined) problems.required("spec.jobTemplate.spec");
  else validateJobTemplate(jobTemplate.spec, "spec.jobTemplate.spec", problems);
}

function validateSchedule(schedule: string, problems: Problems): void {
  if (schedule.includes("TZ")) {
    const message = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
    return problems.invalid("spec.schedule", schedule, message);
  }
  const parsed = parseCronSchedule(schedule);
  if (typeof parsed === "string") problems.invalid("spec.schedule", schedule, parsed);
}

function validateTimeZone(zone: string, problems: Problems): void {
  if (zone === "") problems.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string");
  else if (zone.toLowerCase() === "local") {
    const message = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
    problems.invalid("spec.timeZone", zone, message);
  } else if (timeZoneOffsets(zone) === undefined) {
    problems.invalid("spec.timeZone", zone, `unknown time zone ${zone}`);
  }
}

/** Checks a Job's spec in a template, where it has no selector yet. */
function validateJobTemplate(spec: JobSpec, path: string, problems: Problems): void {
  if (spec.selector !== undefined) problems.forbidden(`${path}.selector`, "`selector` will be auto-generated");
  if (spec.template !== undefined) validateTemplate(spec.template, `${path}.template`, problems, RESTART_POLICIES);
  validateCounts(spec, path, problems);
}

function validateCounts(spec: JobSpec, path: string, problems: Problems): void {
  const counts = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
  ] as const;
  for (const key of counts) notNegative(spec[key], `${path}.${key}`, problems);
  if (spec.completionMode === "Indexed") {
    if (spec.completions === undefined) {
      problems.required(`${path}.completions`, "when completion mode is Indexed");
    } else if (spec.completions > MAX_INDEXED) {
      problems.invalid(`${path}.completions`, spec.completions, `must be less than or equal to ${MAX_INDEXED}`);
    }
  }
  for (const key of UNSUPPORTED) {
    if (spec[key] !== undefined) problems.forbidden(`${path}.${key}`, "is not supported by this cluster yet");
  }
}

/** A Job's pods are made from one template for as long as it lives. */
export function validateJobUpdate({ spec }: Job, { spec: old }: Job, problems: Problems): void {
  for (const key of ["selector", "completions", "completionMode", "template", "managedBy"] as const) {
    immutable(`spec.${key}`, spec?.[key], old?.[key], problems);
  }
}
