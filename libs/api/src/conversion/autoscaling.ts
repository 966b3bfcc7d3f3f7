/**
 * HorizontalPodAutoscalers between autoscaling/v1, which knows of CPU utilization alone, and v2. What v1 cannot say rides
 * in annotations, under the names and in the form that Kubernetes gives them, so that a client of v1 which reads, changes
 * and writes an object loses nothing of it.
 */
import { TriremeError, errorFrom } from "@trireme/base";
import { decodeStrict } from "../decode.ts";
import {
  CrossVersionObjectReference,
  type HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  type HorizontalPodAutoscalerV1,
  LabelSelector,
  type MetricIdentifier,
  type MetricSpec,
  type MetricStatus,
  type MetricTarget,
  type MetricValueStatus,
  type ObjectMeta,
} from "../kinds.ts";
import { type Infer, type Message, int32, packageOf, quantity, ref, str } from "../schema/notation.ts";

const PREFIX = "autoscaling.alpha.kubernetes.io";
const METRICS = `${PREFIX}/metrics`;
const CURRENT_METRICS = `${PREFIX}/current-metrics`;
const CONDITIONS = `${PREFIX}/conditions`;
const BEHAVIOR = `${PREFIX}/behavior`;
const OURS: readonly string[] = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR];

const autoscalingV1 = packageOf("io.k8s.api.autoscaling.v1", "autoscaling", "v1");

/** All that the sources of metrics have in v1, and what was measured of them; each uses a part of it. */
const Source = autoscalingV1("MetricSource", {
  name: str(1),
  container: str(2),
  metricName: str(3),
  selector: ref(4, LabelSelector),
  metricSelector: ref(5, LabelSelector),
  target: ref(6, CrossVersionObjectReference),
  targetAverageUtilization: int32(7),
  targetAverageValue: quantity(8),
  targetValue: quantity(9),
  averageValue: quantity(10),
  currentAverageUtilization: int32(11),
  currentAverageValue: quantity(12),
  currentValue: quantity(13),
});
type Source = Infer<typeof Source>;

/** A metric, or the status of one, as an annotation holds it. */
const Annotated = autoscalingV1("Metric", {
  type: str(1).required(),
  resource: ref(2, Source),
  containerResource: ref(3, Source),
  pods: ref(4, Source),
  object: ref(5, Source),
  external: ref(6, Source),
});
type Annotated = Infer<typeof Annotated>;

/** The v2 form of an autoscaler that came as v1. Throws BadRequest for annotations of ours that nobody can read. */
export function autoscalerToV2({ metadata, spec, status }: HorizontalPodAutoscalerV1): HorizontalPodAutoscaler {
  const { targetCPUUtilizationPercentage: cpu, ...plain } = spec;
  const others = listIn(metadata, METRICS, Annotated)?.map(metricToV2) ?? [];
  const metrics = cpu === undefined ? others : [...others, cpuMetric(cpu)];
  const behavior = valueIn(metadata, BEHAVIOR, HorizontalPodAutoscalerBehavior);
  const next: HorizontalPodAutoscaler = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: withAnnotations(metadata, {}),
    spec: defined({ ...plain, metrics: metrics.length === 0 ? undefined : metrics, behavior }),
  };
  if (status === undefined) return next;
  const { currentCPUUtilizationPercentage: _, ...counts } = status;
  const currentMetrics = listIn(metadata, CURRENT_METRICS, Annotated)?.map(statusToV2);
  const conditions = listIn(metadata, CONDITIONS, HorizontalPodAutoscalerCondition);
  return { ...next, status: defined({ ...counts, currentMetrics, conditions }) };
}

/** The v1 form of a stored autoscaler. */
export function autoscalerToV1({ metadata, spec, status }: HorizontalPodAutoscaler): HorizontalPodAutoscalerV1 {
  const { metrics = [], behavior, ...plain } = spec;
  const { currentMetrics = [], conditions = [], ...counts } = status ?? { desiredReplicas: 0 };
  // v1 has room for one share of CPU; were there two, the second would be lost if it did not ride along.
  const own = metrics.find(isCpuUtilization);
  const others = metrics.filter((metric) => metric !== own);
  const next: HorizontalPodAutoscalerV1 = {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: withAnnotations(metadata, {
      [METRICS]: others.map(metricToV1),
      [CURRENT_METRICS]: currentMetrics.map(statusToV1),
      [CONDITIONS]: conditions,
      [BEHAVIOR]: behavior,
    }),
    spec: defined({ ...plain, targetCPUUtilizationPercentage: own?.resource?.target.averageUtilization }),
  };
  if (status === undefined) return next;
  const measured = currentMetrics.find(({ resource }) => resource?.name === "cpu")?.resource?.current;
  const { currentReplicas = 0 } = counts;
  const currentCPUUtilizationPercentage = measured?.averageUtilization;
  return { ...next, status: defined({ ...counts, currentReplicas, currentCPUUtilizationPercentage }) };
}

/** Metadata whose annotations of ours are these; empty lists and absent values make none. */
function withAnnotations(metadata: ObjectMeta, own: Readonly<Record<string, unknown>>): ObjectMeta {
  const { annotations = {}, ...rest } = metadata;
  const foreign = Object.entries(annotations).filter(([key]) => !OURS.includes(key));
  const said = Object.entries(own)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([key, value]) => [key, JSON.stringify(value)]);
  const all = Object.fromEntries([...foreign, ...said]) as Record<string, string>;
  return Object.keys(all).length === 0 ? rest : { ...rest, annotations: all };
}

function valueIn<M extends Message>(metadata: ObjectMeta, key: string, of: M): Infer<M> | undefined {
  const value = jsonIn(metadata, key);
  return value === undefined ? undefined : decodedAs(of, value, key);
}

function listIn<M extends Message>(metadata: ObjectMeta, key: string, of: M): Infer<M>[] | undefined {
  const value = jsonIn(metadata, key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw unreadable(key, "it is not a list");
  return value.map((one) => decodedAs(of, one, key));
}

function jsonIn({ annotations }: ObjectMeta, key: string): unknown {
  const text = annotations?.[key];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw unreadable(key, errorFrom(thrown).message, thrown);
  }
}

function decodedAs<M extends Message>(of: M, value: unknown, key: string): Infer<M> {
  try {
    return decodeStrict(of, value, "Ignore").object as unknown as Infer<M>;
  } catch (thrown) {
    throw unreadable(key, errorFrom(thrown).message, thrown);
  }
}

function unreadable(key: string, why: string, cause?: unknown): TriremeError {
  return new TriremeError(
    "BadRequest",
    `metadata.annotations[${key}] holds what autoscaling/v2 says and v1 cannot: ${why}`,
    { cause },
  );
}

/** The object without members that are undefined. */
function defined<T extends object>(given: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization } } };
}

function isCpuUtilization({ type, resource }: MetricSpec): boolean {
  return type === "Resource" && resource?.name === "cpu" && resource.target.averageUtilization !== undefined;
}

function metricToV1({ type, resource, containerResource, pods, object, external }: MetricSpec): Annotated {
  const share = ({ averageUtilization, averageValue }: MetricTarget): Source =>
    defined({ targetAverageUtilization: averageUtilization, targetAverageValue: averageValue });
  if (resource !== undefined) return { type, resource: { name: resource.name, ...share(resource.target) } };
  if (containerResource !== undefined) {
    const { name, container, target } = containerResource;
    return { type, containerResource: { name, container, ...share(target) } };
  }
  if (pods !== undefined) {
    const { name: metricName, selector } = pods.metric;
    return { type, pods: defined({ metricName, selector, targetAverageValue: pods.target.averageValue }) };
  }
  if (object !== undefined) {
    const { describedObject: target, metric } = object;
    const { value: targetValue = "0", averageValue } = object.target;
    const { name: metricName, selector } = metric;
    return { type, object: defined({ target, metricName, selector, targetValue, averageValue }) };
  }
  if (external !== undefined) {
    const { name: metricName, selector: metricSelector } = external.metric;
    const { value: targetValue, averageValue: targetAverageValue } = external.target;
    return { type, external: defined({ metricName, metricSelector, targetValue, targetAverageValue }) };
  }
  return { type };
}

function metricToV2({ type, resource, containerResource, pods, object, external }: Annotated): MetricSpec {
  const share = ({ targetAverageUtilization: averageUtilization, targetAverageValue: averageValue }: Source) =>
    targetOf(averageUtilization === undefined ? "AverageValue" : "Utilization", { averageUtilization, averageValue });
  const amount = (value: string | undefined, averageValue: string | undefined): MetricTarget =>
    averageValue === undefined ? targetOf("Value", { value }) : targetOf("AverageValue", { averageValue });
  if (resource !== undefined) return { type, resource: { name: resource.name ?? "", target: share(resource) } };
  if (containerResource !== undefined) {
    const { name = "", container = "" } = containerResource;
    return { type, containerResource: { name, container, target: share(containerResource) } };
  }
  if (pods !== undefined) {
    const target = targetOf("AverageValue", { averageValue: pods.targetAverageValue });
    return { type, pods: { metric: identifier(pods), target } };
  }
  if (object !== undefined) {
    const target = amount(object.targetValue, object.averageValue);
    return { type, object: { describedObject: described(object), metric: identifier(object), target } };
  }
  if (external !== undefined) {
    const target = amount(external.targetValue, external.targetAverageValue);
    return { type, external: { metric: identifier(external), target } };
  }
  return { type };
}

function targetOf(type: string, given: { [K in keyof MetricTarget]?: MetricTarget[K] | undefined }): MetricTarget {
  return defined<MetricTarget>({ ...given, type });
}

function identifier({ metricName: name = "", selector, metricSelector }: Source): MetricIdentifier {
  return defined<MetricIdentifier>({ name, selector: selector ?? metricSelector });
}

function described({ target }: Source): CrossVersionObjectReference {
  return target ?? { kind: "", name: "" };
}

function statusToV1({ type, resource, containerResource, pods, object, external }: MetricStatus): Annotated {
  const share = ({ averageUtilization, averageValue }: MetricValueStatus): Source =>
    defined({ currentAverageUtilization: averageUtilization, currentAverageValue: averageValue });
  if (resource !== undefined) return { type, resource: { name: resource.name, ...share(resource.current) } };
  if (containerResource !== undefined) {
    const { name, container, current } = containerResource;
    return { type, containerResource: { name, container, ...share(current) } };
  }
  if (pods !== undefined) {
    const { name: metricName, selector } = pods.metric;
    return { type, pods: defined({ metricName, selector, currentAverageValue: pods.current.averageValue }) };
  }
  if (object !== undefined) {
    const { describedObject: target, metric, current } = object;
    const { value: currentValue, averageValue } = current;
    const { name: metricName, selector } = metric;
    return { type, object: defined({ target, metricName, selector, currentValue, averageValue }) };
  }
  if (external !== undefined) {
    const { name: metricName, selector: metricSelector } = external.metric;
    const { value: currentValue, averageValue: currentAverageValue } = external.current;
    return { type, external: defined({ metricName, metricSelector, currentValue, currentAverageValue }) };
  }
  return { type };
}

function statusToV2({ type, resource, containerResource, pods, object, external }: Annotated): MetricStatus {
  const current = ({ currentAverageUtilization, currentAverageValue, averageValue, currentValue }: Source) =>
    defined<MetricValueStatus>({
      averageUtilization: currentAverageUtilization,
      averageValue: currentAverageValue ?? averageValue,
      value: currentValue,
    });
  if (resource !== undefined) return { type, resource: { name: resource.name ?? "", current: current(resource) } };
  if (containerResource !== undefined) {
    const { name = "", container = "" } = containerResource;
    return { type, containerResource: { name, container, current: current(containerResource) } };
  }
  if (pods !== undefined) return { type, pods: { metric: identifier(pods), current: current(pods) } };
  if (object !== undefined) {
    const describedObject = described(object);
    return { type, object: { describedObject, metric: identifier(object), current: current(object) } };
  }
  if (external !== undefined) return { type, external: { metric: identifier(external), current: current(external) } };
  return { type };
}
