import type { PodDisruptionBudget } from "../kinds.ts";
import type { Problems } from "./field-error.ts";
import { validateSelector } from "./metadata.ts";
import { notNegative } from "./workloads.ts";

/** Checks a PodDisruptionBudget. */
export function validatePodDisruptionBudget({ spec }: PodDisruptionBudget, problems: Problems): void {
  if (spec === undefined) return;
  const { minAvailable, maxUnavailable, selector } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    problems.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
  }
  for (const key of ["minAvailable", "maxUnavailable"] as const) {
    const value = spec[key];
    const at = `spec.${key}`;
    if (typeof value === "number") notNegative(value, at, problems);
    else if (value !== undefined && !/^\d+%$/.test(value)) {
      problems.invalid(at, value, "a valid percent string must be a numeric string followed by an ending '%'");
    } else if (value !== undefined && Number(value.slice(0, -1)) > 100) {
      problems.invalid(at, value, "must not be greater than 100%");
    }
  }
  if (selector !== undefined) validateSelector(selector, "spec.selector", problems);
}
