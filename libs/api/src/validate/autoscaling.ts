import type { HPAScalingRules, HorizontalPodAutoscaler, MetricSpec, MetricTarget } from "../kinds.ts";
import { parseQuantity, isQuantity } from "../quantity.ts";
import type { Problems } from "./field-error.ts";

const MAX_PERIOD_SECONDS = 1800;
const MAX_WINDOW_SECONDS = 3600;

/** The field of a MetricSpec that goes with each type. */
const SOURCES = {
  Resource: "resource",
  ContainerResource: "containerResource",
  Pods: "pods",
  Object: "object",
  External: "external",
} as const;

/** Checks a HorizontalPodAutoscaler. */
export function validateAutoscaler({ spec }: HorizontalPodAutoscaler, problems: Problems): void {
  if (spec === undefined) return;
  const { minReplicas = 1, maxReplicas, scaleTargetRef } = spec;
  if (minReplicas < 1) problems.invalid("spec.minReplicas", minReplicas, "must be greater than or equal to 1");
  if (maxReplicas !== undefined && maxReplicas < 1) {
    problems.invalid("spec.maxReplicas", maxReplicas, "must be greater than 0");
  } else if (maxReplicas !== undefined && maxReplicas < minReplicas) {
    problems.invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`");
  }
  for (const field of ["kind", "name"] as const) {
    if (scaleTargetRef?.[field] === "") problems.required(`spec.scaleTargetRef.${field}`);
  }
  for (const [i, metric] of (spec.metrics ?? []).entries()) validateMetric(metric, `spec.metrics[${i}]`, problems);
  for (const direction of ["scaleUp", "scaleDown"] as const) {
    const rules = spec.behavior?.[direction];
    if (rules !== undefined) validateRules(rules, `spec.behavior.${direction}`, problems);
  }
}

function validateMetric(metric: MetricSpec, at: string, problems: Problems): void {
  if (!Object.hasOwn(SOURCES, metric.type)) {
    problems.notSupported(`${at}.type`, metric.type, Object.keys(SOURCES));
    return;
  }
  const own = SOURCES[metric.type as keyof typeof SOURCES];
  if (metric[own] === undefined) {
    problems.required(`${at}.${own}`, "must populate information for the given metric source");
  }
  for (const other of Object.values(SOURCES)) {
    if (other !== own && metric[other] !== undefined) {
      problems.forbidden(`${at}.${other}`, "must populate the given metric source only");
    }
  }
  const source = own === "resource" || own === "containerResource" ? metric[own] : undefined;
  if (source?.target !== undefined) validateTarget(source.target, `${at}.${own}.target`, problems);
}

function validateTarget(target: MetricTarget, at: string, problems: Problems): void {
  const { averageUtilization: share, averageValue: amount } = target;
  if (!["Utilization", "Value", "AverageValue"].includes(target.type)) {
    problems.notSupported(`${at}.type`, target.type, ["Utilization", "Value", "AverageValue"]);
  }
  if (share === undefined && amount === undefined) {
    problems.required(`${at}.averageUtilization`, "must set either a target raw value or a target utilization");
  } else if (share !== undefined && amount !== undefined) {
    problems.forbidden(`${at}.averageValue`, "may not set both a target raw value and a target utilization");
  }
  if (share !== undefined && share < 1) problems.invalid(`${at}.averageUtilization`, share, "must be greater than 0");
  if (isQuantity(amount) && parseQuantity(amount!).nanos <= 0n) {
    problems.invalid(`${at}.averageValue`, amount, "must be positive");
  }
}

function validateRules(rules: HPAScalingRules, at: string, problems: Problems): void {
  const { stabilizationWindowSeconds: window, selectPolicy, policies, tolerance } = rules;
  if (window !== undefined && (window < 0 || window > MAX_WINDOW_SECONDS)) {
    problems.invalid(`${at}.stabilizationWindowSeconds`, window, `must be between 0 and ${MAX_WINDOW_SECONDS}`);
  }
  if (selectPolicy !== undefined && !["Max", "Min", "Disabled"].includes(selectPolicy)) {
    problems.notSupported(`${at}.selectPolicy`, selectPolicy, ["Disabled", "Max", "Min"]);
  }
  if (isQuantity(tolerance) && parseQuantity(tolerance!).nanos < 0n) {
    problems.invalid(`${at}.tolerance`, tolerance, "must be greater than or equal to zero");
  }
  if (policies?.length === 0) problems.required(`${at}.policies`, "must specify at least one Policy");
  for (const [i, { type, value, periodSeconds }] of (policies ?? []).entries()) {
    const path = `${at}.policies[${i}]`;
    if (type !== "Pods" && type !== "Percent") problems.notSupported(`${path}.type`, type, ["Percent", "Pods"]);
    if (value <= 0) problems.invalid(`${path}.value`, value, "must be greater than zero");
    if (periodSeconds <= 0 || periodSeconds > MAX_PERIOD_SECONDS) {
      problems.invalid(`${path}.periodSeconds`, periodSeconds, `must be between 1 and ${MAX_PERIOD_SECONDS}`);
    }
  }
}
