import { type MetricSpec, type MetricStatus, type MetricTarget, type Pod, Quantity, parseQuantity } from "@trireme/api";
import type { PodUsage } from "@trireme/bus";

/** CPU of a pod that started so lately counts only from its first measurement after it became ready. */
const CPU_INITIALIZATION_MS = 5 * 60_000;
/**
 * How much of such a measurement must be from after it became ready. Kubernetes asks for all of it; windows here grow from
 * the container's start, so that all would mean to wait until the first reading has left them.
 */
const READY_SHARE = 0.5;
/** A pod that is not ready and last changed so soon after its start was never ready. */
const INITIAL_READINESS_MS = 30_000;
/** Scaling by a measurement so close to its target would only go to and fro. */
export const DEFAULT_TOLERANCE = 0.1;

/** A pod under an autoscaler and what it uses, if that is known. */
export interface MeasuredPod {
  readonly pod: Pod;
  readonly usage: (PodUsage & { readonly atMs: number }) | undefined;
}

/** How far above and below its target a measurement may be before something is done. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

/** What one metric asks for. */
export interface Proposal {
  readonly replicas: number;
  readonly status: MetricStatus;
  /** For messages: `cpu resource utilization (percentage of request)`. */
  readonly name: string;
}

interface Source {
  readonly name: string;
  readonly container: string | undefined;
  readonly target: MetricTarget;
}

/** Why a metric asks for nothing, in the words of a condition. */
export interface Unmeasured {
  readonly failure: string;
  readonly message: string;
}

/** The replicas that a metric asks for, by Kubernetes' algorithm, or why it could not be measured. */
export function proposalOf(
  metric: MetricSpec,
  replicas: number,
  pods: readonly MeasuredPod[],
  tolerances: Tolerances,
  now: number,
): Proposal | Unmeasured {
  const source = sourceOf(metric);
  if (source === undefined) {
    const message = `metrics of type ${metric.type} are not measured here: use Resource or ContainerResource`;
    return { failure: `FailedGet${metric.type}Metric`, message };
  }
  const { name, container, target } = source;
  const of = container === undefined ? "" : ` of container ${container}`;
  const share = target.averageUtilization;
  const perPod = share === undefined ? amountOf(name, target.averageValue ?? "0") : undefined;
  const sorted = sortPods(source, pods, perPod, now);
  if (typeof sorted === "string") {
    const what = `${name} ${share === undefined ? "usage" : "utilization"}${of}`;
    const failure = container === undefined ? "FailedGetResourceMetric" : "FailedGetContainerResourceMetric";
    return { failure, message: `failed to get ${what}: ${sorted}` };
  }
  const { used, wanted, next } = replicasFor(sorted, replicas, (share ?? 100) / 100, tolerances);
  const averageValue = quantityOf(name, Math.ceil(used / sorted.measured.length));
  const current =
    share === undefined ? { averageValue } : { averageUtilization: Math.floor((used * 100) / wanted), averageValue };
  const status: MetricStatus =
    container === undefined
      ? { type: "Resource", resource: { name, current } }
      : { type: "ContainerResource", containerResource: { name, container, current } };
  const words = share === undefined ? `${name} resource` : `${name} resource utilization (percentage of request)`;
  return { replicas: next, status, name: `${words}${of}` };
}

function sourceOf(metric: MetricSpec): Source | undefined {
  if (metric.type === "Resource" && metric.resource !== undefined) return { ...metric.resource, container: undefined };
  return metric.type === "ContainerResource" ? metric.containerResource : undefined;
}

/** One pod's use of the resource, and how much of it counts as all of its share. */
interface Amount {
  readonly used: number;
  readonly wanted: number;
}

interface SortedPods {
  readonly measured: readonly Amount[];
  /** What pods without a measurement would be entitled to. */
  readonly missing: readonly number[];
  /** The same of pods that are not ready yet. */
  readonly unready: readonly number[];
}

/** Sorts the pods that count, or says why nothing can be said of them. */
function sortPods(
  { name, container }: Source,
  pods: readonly MeasuredPod[],
  perPod: number | undefined,
  now: number,
): SortedPods | string {
  const measured: Amount[] = [];
  const missing: number[] = [];
  const unready: number[] = [];
  for (const { pod, usage } of pods) {
    if (pod.metadata.deletionTimestamp !== undefined || pod.status?.phase === "Failed") continue;
    const wanted = perPod ?? requestOf(pod, name, container);
    if (typeof wanted === "string") return wanted;
    const from = container === undefined ? usage : usage?.containers[container];
    if (pod.status?.phase === "Pending") unready.push(wanted);
    else if (from === undefined || usage === undefined) missing.push(wanted);
    else if (name === "cpu" && isStarting(pod, usage, now)) unready.push(wanted);
    else measured.push({ used: name === "cpu" ? from.cpuMillis : from.memoryBytes, wanted });
  }
  if (measured.length > 0) return { measured, missing, unready };
  const why = pods.length === 0 ? "there are no pods" : "no pod has been measured lately, or pods are not ready yet";
  return `unable to get metrics for resource ${name}: ${why}`;
}

/** Whether a pod's CPU is still that of its start, which says nothing of its load. */
function isStarting(pod: Pod, { atMs, windowMs }: { atMs: number; windowMs: number }, now: number): boolean {
  const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
  const { startTime } = pod.status ?? {};
  if (ready?.lastTransitionTime === undefined || startTime === undefined) return true;
  const startMs = Date.parse(startTime);
  const changedMs = Date.parse(ready.lastTransitionTime);
  if (startMs + CPU_INITIALIZATION_MS > now) {
    return ready.status !== "True" || atMs < changedMs + windowMs * READY_SHARE;
  }
  return ready.status !== "True" && startMs + INITIAL_READINESS_MS > changedMs;
}

/** What a pod requests of a resource, or which container requests nothing. */
function requestOf(pod: Pod, name: string, only: string | undefined): number | string {
  let sum = 0;
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const { name: container, resources } of [...pod.spec.containers, ...sidecars]) {
    if (only !== undefined && container !== only) continue;
    const request = resources?.requests?.[name];
    if (request === undefined) {
      return `missing request for ${name} in container ${container} of Pod ${pod.metadata.name}`;
    }
    sum += amountOf(name, request);
  }
  return sum > 0 ? sum : `missing request for ${name} in Pod ${pod.metadata.name}`;
}

/** Thousandths of a CPU, or bytes. */
function amountOf(name: string, text: string): number {
  const quantity = parseQuantity(text);
  return name === "cpu" ? quantity.milli : quantity.value;
}

function quantityOf(name: string, amount: number): string {
  return name === "cpu" ? Quantity.ofMilli(amount).toString() : Quantity.of(amount).toString();
}

function replicasFor(
  { measured, missing, unready }: SortedPods,
  replicas: number,
  share: number,
  tolerances: Tolerances,
): { readonly used: number; readonly wanted: number; readonly next: number } {
  const used = measured.reduce((sum, one) => sum + one.used, 0);
  const wanted = measured.reduce((sum, one) => sum + one.wanted, 0);
  const isNear = (ratio: number): boolean => ratio >= 1 - tolerances.down && ratio <= 1 + tolerances.up;
  const ratio = used / wanted / share;
  const isUp = ratio > 1;
  const withUnready = unready.length > 0 && isUp;
  if (!withUnready && missing.length === 0) {
    return { used, wanted, next: isNear(ratio) ? replicas : Math.ceil(ratio * measured.length) };
  }
  // Those that are not seen count against the change: as idle on the way up, as busy on the way down.
  const assumed = [
    ...measured,
    ...missing.map((one) => ({ used: isUp ? 0 : one * Math.max(1, share), wanted: one })),
    ...(withUnready ? unready.map((one) => ({ used: 0, wanted: one })) : []),
  ];
  const damped =
    assumed.reduce((sum, one) => sum + one.used, 0) / assumed.reduce((sum, one) => sum + one.wanted, 0) / share;
  const turned = (isUp && damped < 1) || (!isUp && damped > 1);
  const next = Math.ceil(damped * assumed.length);
  const against = (damped < 1 && next > replicas) || (damped > 1 && next < replicas);
  return { used, wanted, next: isNear(damped) || turned || against ? replicas : next };
}
