import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
  Scale,
} from "../kinds.ts";
import { AGE, NAME, count, printer, text } from "./column.ts";

/** More than so many targets are counted, not shown. */
const TARGETS_SHOWN = 2;

function nowOf(current: MetricValueStatus | undefined, target: MetricTarget): string {
  if (target.averageUtilization !== undefined) {
    const wanted = `${target.averageUtilization}%`;
    return `${current?.averageUtilization === undefined ? "<unknown>" : `${current.averageUtilization}%`}/${wanted}`;
  }
  return `${current?.averageValue ?? "<unknown>"}/${target.averageValue ?? target.value ?? "<auto>"}`;
}

function targetText(spec: MetricSpec, status: MetricStatus | undefined): string {
  if (spec.resource !== undefined) {
    return `${spec.resource.name}: ${nowOf(status?.resource?.current, spec.resource.target)}`;
  }
  if (spec.containerResource !== undefined) {
    const { name, container, target } = spec.containerResource;
    return `${name}/${container}: ${nowOf(status?.containerResource?.current, target)}`;
  }
  return `<unknown type>/${spec.type}`;
}

function sameMetric(spec: MetricSpec, status: MetricStatus): boolean {
  return (
    spec.type === status.type &&
    spec.resource?.name === status.resource?.name &&
    spec.containerResource?.name === status.containerResource?.name &&
    spec.containerResource?.container === status.containerResource?.container
  );
}

function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  const shown = metrics.slice(0, TARGETS_SHOWN).map((metric) =>
    targetText(
      metric,
      status?.currentMetrics?.find((one) => sameMetric(metric, one)),
    ),
  );
  const more = metrics.length - shown.length;
  return shown.length === 0 ? "<none>" : `${shown.join(", ")}${more > 0 ? ` + ${more} more...` : ""}`;
}

/** Prints HorizontalPodAutoscalers. */
export const autoscalerPrinter = printer<HorizontalPodAutoscaler>([
  NAME,
  text(
    "Reference",
    "The workload that it scales.",
    ({ spec }: HorizontalPodAutoscaler) => `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}`,
  ),
  text("Targets", "What was measured, and what it should be.", targetsText),
  text("MinPods", "The least number of Pods.", ({ spec }: HorizontalPodAutoscaler) => String(spec.minReplicas ?? 1)),
  count("MaxPods", "The greatest number of Pods.", ({ spec }: HorizontalPodAutoscaler) => spec.maxReplicas),
  count("Replicas", "Pods there are.", ({ status }: HorizontalPodAutoscaler) => status?.currentReplicas ?? 0),
  AGE,
]);

/** Prints the scale of a workload (`kubectl get --subresource=scale`). */
export const scalePrinter = printer<Scale>([
  NAME,
  count("Desired", "Pods that are wanted.", ({ spec }: Scale) => spec.replicas ?? 0),
  count("Available", "Pods there are.", ({ status }: Scale) => status?.replicas ?? 0),
  AGE,
]);
