import {
  ContainerMetrics,
  CrossVersionObjectReference,
  CrossVersionObjectReferenceV1,
  HPAScalingPolicy,
  HPAScalingRules,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerSpec,
  HorizontalPodAutoscalerSpecV1,
  HorizontalPodAutoscalerStatus,
  HorizontalPodAutoscalerStatusV1,
  HorizontalPodAutoscalerV1,
  MetricSpec,
  MetricTarget,
  NodeMetrics,
  PodMetrics,
  ResourceMetricSource,
} from "../../kinds.ts";
import { type Text, text } from "./text.ts";

const MEASURED = {
  timestamp: "When it was measured, by the node's clock.",
  window: "The time over which CPU use is an average.",
};

const REFERENCE = {
  kind: "Its kind, such as Deployment.",
  name: "Its name.",
  apiVersion: "Its group and version, such as apps/v1.",
};

const COUNTS = {
  currentReplicas: "How many Pods there were.",
  desiredReplicas: "How many it asked for.",
  lastScaleTime: "When it last changed the number.",
  observedGeneration: "The generation of the spec that this is about.",
};

/** Texts about autoscalers and the measurements that they follow. */
export const AUTOSCALING_TEXTS: readonly Text[] = [
  text(HorizontalPodAutoscaler, "Sets the number of Pods of a workload so that a measurement stays near its target.", {
    spec: "What is wanted.",
    status: "What was measured and decided last.",
  }),
  text(HorizontalPodAutoscalerSpec, "What is scaled, within which bounds, and by which measurements.", {
    scaleTargetRef: "The workload to scale, in the same namespace.",
    minReplicas: "The least number of Pods; 1 unless given.",
    maxReplicas: "The greatest number of Pods; not below minReplicas.",
    metrics: "What is measured. Each asks for a number of Pods and the greatest counts. CPU at 80% unless given.",
    behavior: "How fast it may grow and shrink.",
  }),
  text(CrossVersionObjectReference, "Names an object of the same namespace.", REFERENCE),
  text(CrossVersionObjectReferenceV1, "Names an object of the same namespace.", REFERENCE),
  text(HorizontalPodAutoscalerV1, "Sets the number of Pods of a workload so that its use of CPU stays near a target.", {
    spec: "What is wanted. What only autoscaling/v2 can say is in annotations.",
    status: "What was measured and decided last.",
  }),
  text(HorizontalPodAutoscalerSpecV1, "What is scaled, within which bounds, and by which use of CPU.", {
    scaleTargetRef: "The workload to scale, in the same namespace.",
    minReplicas: "The least number of Pods; 1 unless given.",
    maxReplicas: "The greatest number of Pods; not below minReplicas.",
    targetCPUUtilizationPercentage: "Percentage of the CPU that the Pods request, over all of them; 80 unless given.",
  }),
  text(HorizontalPodAutoscalerStatusV1, "What was measured and decided last.", {
    ...COUNTS,
    currentCPUUtilizationPercentage: "The use of CPU that was measured, as a percentage of what the Pods request.",
  }),
  text(MetricSpec, "One measurement and its target.", {
    type: "Resource, of whole Pods, or ContainerResource, of one of their containers.",
    resource: "For Resource.",
    containerResource: "For ContainerResource.",
    object: "For Object: a measurement of one object.",
    pods: "For Pods: a measurement of each Pod.",
    external: "For External: a measurement of something else.",
  }),
  text(ResourceMetricSource, "What the Pods use of cpu or memory.", {
    name: "cpu or memory.",
    target: "What it should be.",
  }),
  text(MetricTarget, "What a measurement should be.", {
    type: "Utilization or AverageValue.",
    averageUtilization: "Percentage of what the Pods request, over all of them.",
    averageValue: "Amount for each Pod.",
    value: "Amount in all.",
  }),
  text(HorizontalPodAutoscalerBehavior, "How fast it may grow and shrink.", {
    scaleUp: "Limits of growing: by 4 Pods or to the double within 15 seconds, whichever is more, unless given.",
    scaleDown: "Limits of shrinking: only to the greatest number asked for in the last 300 seconds, unless given.",
  }),
  text(HPAScalingRules, "Limits of changes in one direction.", {
    stabilizationWindowSeconds: "Decisions of so many last seconds count, and the most careful of them is taken.",
    selectPolicy: "Which policy counts: Max (the largest change), Min, or Disabled for no change at all.",
    policies: "How much may change in which time.",
    tolerance: "How far a measurement may be off its target before anything is done; 0.1 unless given.",
  }),
  text(HPAScalingPolicy, "How much may change in which time.", {
    type: "Pods or Percent.",
    value: "How many.",
    periodSeconds: "Within so many seconds, at most 1800.",
  }),
  text(HorizontalPodAutoscalerStatus, "What was measured and decided last.", {
    ...COUNTS,
    currentMetrics: "What was measured.",
    conditions: "Whether it can scale, whether it does, and whether a bound holds it back.",
  }),
  text(NodeMetrics, "What a Node uses now.", { ...MEASURED, usage: "Its use of cpu and memory." }),
  text(PodMetrics, "What a Pod uses now.", { ...MEASURED, containers: "What each of its containers uses." }),
  text(ContainerMetrics, "What a container uses now.", { name: "Its name.", usage: "Its use of cpu and memory." }),
];
