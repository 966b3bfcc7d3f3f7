import {
  type HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerCondition,
  type HorizontalPodAutoscalerStatus,
  type MetricStatus,
  parseQuantity,
} from "@trireme/api";
import { toTime } from "../times.ts";
import { type History, allow } from "./behavior.ts";
import {
  DEFAULT_TOLERANCE,
  type MeasuredPod,
  type Proposal,
  type Tolerances,
  type Unmeasured,
  proposalOf,
} from "./metrics.ts";

/** What an autoscaler decides on. */
export interface ObservedTarget {
  readonly autoscaler: HorizontalPodAutoscaler;
  /** Replicas that the target's scale asks for, and that it has. */
  readonly wanted: number;
  readonly present: number;
  readonly pods: readonly MeasuredPod[];
  readonly history: History;
}

/** What to do. */
export interface AutoscalerDecision {
  /** The size to set; undefined: leave it as it is. */
  readonly replicas: number | undefined;
  /** Why, for the event. */
  readonly reason: string;
  readonly status: HorizontalPodAutoscalerStatus;
  readonly history: History;
  /** A metric that could not be read, for the event. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
}

type Finding = Omit<HorizontalPodAutoscalerCondition, "lastTransitionTime">;

/** The size that an autoscaler asks for, by Kubernetes' algorithm. Pure. */
export function decideAutoscaler(observed: ObservedTarget, now: number): AutoscalerDecision {
  const { autoscaler, wanted: current, history } = observed;
  const { minReplicas = 1, maxReplicas } = autoscaler.spec;
  const able: Finding = {
    type: "AbleToScale",
    status: "True",
    reason: "SucceededGetScale",
    message: "the HPA controller was able to get the target's current scale",
  };
  if (current === 0 && minReplicas !== 0) {
    const message = "scaling is disabled since the replica count of the target is zero";
    const active: Finding = { type: "ScalingActive", status: "False", reason: "ScalingDisabled", message };
    return conclude(observed, 0, "", [able, active], [], now);
  }
  if (current > maxReplicas) {
    return conclude(observed, maxReplicas, "Current number of replicas above Spec.MaxReplicas", [able], undefined, now);
  }
  if (current < minReplicas) {
    return conclude(observed, minReplicas, "Current number of replicas below Spec.MinReplicas", [able], undefined, now);
  }
  const { best, statuses, failures } = propose(observed, now);
  const [failure] = failures;
  // With a metric missing, the others may ask for more, but nobody knows whether less would do.
  if (best === undefined || (failure !== undefined && best.replicas < current)) {
    const { failure: reason, message } = failure ?? {
      failure: "InvalidMetricSourceType",
      message: "the autoscaler names no metrics",
    };
    const text = `the HPA was unable to compute the replica count: ${message}`;
    const active: Finding = { type: "ScalingActive", status: "False", reason, message: text };
    const decision = conclude(observed, current, "", [able, active], statuses, now);
    return { ...decision, failure: { reason, message } };
  }
  const active: Finding = {
    type: "ScalingActive",
    status: "True",
    reason: "ValidMetricFound",
    message: `the HPA was able to successfully calculate a replica count from ${best.name}`,
  };
  const allowed = allow(autoscaler, current, best.replicas, history, now);
  const found: Finding[] = [
    { type: "AbleToScale", status: "True", ...allowed.able },
    active,
    { type: "ScalingLimited", ...allowed.limited },
  ];
  const reason = best.replicas > current ? `${best.name} above target` : "All metrics below target";
  return conclude({ ...observed, history: allowed.history }, allowed.replicas, reason, found, statuses, now);
}

function propose(
  { autoscaler, wanted, pods }: ObservedTarget,
  now: number,
): { best: Proposal | undefined; statuses: MetricStatus[]; failures: Unmeasured[] } {
  const tolerances = tolerancesOf(autoscaler);
  let best: Proposal | undefined;
  const statuses: MetricStatus[] = [];
  const failures: Unmeasured[] = [];
  for (const metric of autoscaler.spec.metrics ?? []) {
    const proposal = proposalOf(metric, wanted, pods, tolerances, now);
    if ("failure" in proposal) {
      failures.push(proposal);
      continue;
    }
    statuses.push(proposal.status);
    if (best === undefined || proposal.replicas > best.replicas) best = proposal;
  }
  return { best, statuses, failures };
}

function tolerancesOf({ spec }: HorizontalPodAutoscaler): Tolerances {
  const of = (text: string | undefined): number =>
    text === undefined ? DEFAULT_TOLERANCE : parseQuantity(text).milli / 1000;
  return { up: of(spec.behavior?.scaleUp?.tolerance), down: of(spec.behavior?.scaleDown?.tolerance) };
}

function conclude(
  { autoscaler, wanted, present, history }: ObservedTarget,
  replicas: number,
  reason: string,
  found: readonly Finding[],
  metrics: readonly MetricStatus[] | undefined,
  now: number,
): AutoscalerDecision {
  const isRescale = replicas !== wanted;
  const findings = found.map((one) =>
    isRescale && one.type === "AbleToScale"
      ? {
          ...one,
          reason: "SucceededRescale",
          message: `the HPA controller was able to update the target scale to ${replicas}`,
        }
      : one,
  );
  const { status: before, metadata } = autoscaler;
  const currentMetrics = metrics ?? before?.currentMetrics ?? [];
  const lastScaleTime = isRescale ? toTime(now) : before?.lastScaleTime;
  const status: HorizontalPodAutoscalerStatus = {
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    ...(lastScaleTime === undefined ? {} : { lastScaleTime }),
    currentReplicas: present,
    desiredReplicas: replicas,
    ...(currentMetrics.length === 0 ? {} : { currentMetrics: [...currentMetrics] }),
    conditions: conditionsOf(before?.conditions ?? [], findings, now),
  };
  return { replicas: isRescale ? replicas : undefined, reason, status, history, failure: undefined };
}

/** The status of an autoscaler whose target's scale could not be read. */
export function unscalable(
  autoscaler: HorizontalPodAutoscaler,
  message: string,
  now: number,
): HorizontalPodAutoscalerStatus {
  const found: Finding = {
    type: "AbleToScale",
    status: "False",
    reason: "FailedGetScale",
    message: `the HPA controller was unable to get the target's current scale: ${message}`,
  };
  const { status, metadata } = autoscaler;
  return {
    desiredReplicas: 0,
    ...status,
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
    conditions: conditionsOf(status?.conditions ?? [], [found], now),
  };
}

function conditionsOf(
  before: readonly HorizontalPodAutoscalerCondition[],
  findings: readonly Finding[],
  now: number,
): HorizontalPodAutoscalerCondition[] {
  const result = new Map(before.map((one) => [one.type, one]));
  for (const finding of findings) {
    const old = result.get(finding.type);
    const since = old?.status === finding.status ? old.lastTransitionTime : undefined;
    result.set(finding.type, { ...finding, lastTransitionTime: since ?? toTime(now) });
  }
  return [...result.values()];
}
