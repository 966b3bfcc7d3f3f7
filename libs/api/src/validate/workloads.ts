import type { DaemonSet, Deployment, DeploymentSpec, LabelSelector, PodTemplateSpec, ReplicaSet } from "../kinds.ts";
import { labelSelectorMatches } from "../selectors.ts";
import type { Problems } from "./field-error.ts";
import { immutable, validateSelector } from "./metadata.ts";
import { validateTemplate } from "./pod.ts";

/** Checks a Deployment. */
export function validateDeployment({ spec }: Deployment, problems: Problems): void {
  if (spec === undefined) return;
  validateSelectorAndTemplate(spec.selector, spec.template, problems);
  for (const key of ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] as const) {
    notNegative(spec[key], `spec.${key}`, problems);
  }
  const { progressDeadlineSeconds: deadline, minReadySeconds: ready = 0 } = spec;
  if (deadline !== undefined && deadline <= ready) {
    problems.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
  }
  validateStrategy(spec, problems);
}

/** Checks a ReplicaSet. */
export function validateReplicaSet({ spec }: ReplicaSet, problems: Problems): void {
  if (spec === undefined) return;
  validateSelectorAndTemplate(spec.selector, spec.template, problems);
  notNegative(spec.replicas, "spec.replicas", problems);
  notNegative(spec.minReadySeconds, "spec.minReadySeconds", problems);
  if (spec.template === undefined) problems.required("spec.template");
}

/** A selector that changes would leave its Pods behind, owned by nobody. */
export function validateWorkloadUpdate(
  { spec }: Deployment | ReplicaSet | DaemonSet,
  { spec: old }: Deployment | ReplicaSet | DaemonSet,
  problems: Problems,
): void {
  immutable("spec.selector", spec?.selector, old?.selector, problems);
}

/** Checks that a selector is there, is not empty and selects the template. */
export function validateSelectorAndTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  problems: Problems,
  restartPolicies?: readonly string[],
): void {
  if (selector !== undefined) {
    validateSelector(selector, "spec.selector", problems);
    const empty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0;
    if (empty) problems.invalid("spec.selector", selector, "empty selector is invalid for deployment");
    else if (template !== undefined && !labelSelectorMatches(selector, template.metadata?.labels ?? {})) {
      problems.invalid(
        "spec.template.metadata.labels",
        template.metadata?.labels ?? {},
        "`selector` does not match template `labels`",
      );
    }
  }
  if (template !== undefined) validateTemplate(template, "spec.template", problems, restartPolicies);
}

function validateStrategy({ strategy }: DeploymentSpec, problems: Problems): void {
  const rolling = strategy?.rollingUpdate;
  if (strategy?.type === "Recreate" && rolling !== undefined) {
    problems.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  validateSteps(rolling, "spec.strategy.rollingUpdate", problems);
  if (rolling !== undefined && isZero(rolling.maxUnavailable) && isZero(rolling.maxSurge)) {
    problems.invalid(
      "spec.strategy.rollingUpdate.maxUnavailable",
      rolling.maxUnavailable,
      "may not be 0 when `maxSurge` is 0",
    );
  }
}

/** Checks the sizes of the steps of a rolling update: numbers or percentages. */
export function validateSteps(
  rolling: { maxUnavailable?: number | string; maxSurge?: number | string } | undefined,
  path: string,
  problems: Problems,
): void {
  for (const key of ["maxUnavailable", "maxSurge"] as const) {
    const value = rolling?.[key];
    const at = `${path}.${key}`;
    if (typeof value === "number") notNegative(value, at, problems);
    else if (value !== undefined && !/^\d+%$/.test(value)) {
      problems.invalid(at, value, "a valid percent string must be a numeric string followed by an ending '%'");
    } else if (key === "maxUnavailable" && value !== undefined && Number(value.slice(0, -1)) > 100) {
      problems.invalid(at, value, "must not be greater than 100%");
    }
  }
}

/** Whether a step has no size. */
export function isZero(value: number | string | undefined): boolean {
  return value === 0 || value === "0%";
}

/** Checks a count. */
export function notNegative(value: number | undefined, path: string, problems: Problems): void {
  if (value !== undefined && value < 0) problems.invalid(path, value, "must be greater than or equal to 0");
}
