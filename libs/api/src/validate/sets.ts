import type { DaemonSet } from "../kinds.ts";
import type { Problems } from "./field-error.ts";
import { isZero, notNegative, validateSelectorAndTemplate, validateSteps } from "./workloads.ts";

/** Checks a DaemonSet. */
export function validateDaemonSet({ spec }: DaemonSet, problems: Problems): void {
  if (spec === undefined) return;
  validateSelectorAndTemplate(spec.selector, spec.template, problems);
  notNegative(spec.minReadySeconds, "spec.minReadySeconds", problems);
  notNegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit", problems);
  const rolling = spec.updateStrategy?.rollingUpdate;
  const at = "spec.updateStrategy.rollingUpdate";
  validateSteps(rolling, at, problems);
  if (rolling === undefined) return;
  if (rolling.maxSurge !== undefined && !isZero(rolling.maxSurge)) {
    problems.forbidden(`${at}.maxSurge`, "is not supported by this cluster yet");
  } else if (isZero(rolling.maxUnavailable)) {
    problems.invalid(`${at}.maxUnavailable`, rolling.maxUnavailable, "cannot be 0 when maxSurge is 0");
  }
}
