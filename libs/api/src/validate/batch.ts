import type { Job, JobSpec } from "../kinds.ts";
import type { Problems } from "./field-error.ts";
import { immutable } from "./metadata.ts";
import { validateTemplate } from "./pod.ts";
import { notNegative, validateSelectorAndTemplate } from "./workloads.ts";

const RESTART_POLICIES = ["OnFailure", "Never"];
// Kubernetes' bound: indexes that ended are kept in the status as text.
const MAX_INDEXED = 100_000;
/** Fields whose meaning the controller does not have: taken silently they would be lies. */
const UNSUPPORTED = ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes"] as const;

/** Checks a Job, whose selector the server has filled in. */
export function validateJob({ spec }: Job, problems: Problems): void {
  if (spec === undefined) return;
  if (spec.selector === undefined) problems.required("spec.selector");
  validateSelectorAndTemplate(spec.selector, spec.template, problems, RESTART_POLICIES);
  validateCounts(spec, "spec", problems);
}

/** Checks a Job's spec in a template, where it has no selector yet. */
export function validateJobTemplate(spec: JobSpec, path: string, problems: Problems): void {
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
