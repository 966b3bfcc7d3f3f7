/** HorizontalPodAutoscalers. Each name is a schema and the type of its values; `src/openapi/texts` says what fields mean. */
import { type Infer, int32, int64, list, packageOf, quantity, ref, str, time } from "./notation.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const autoscalingV2 = packageOf("io.k8s.api.autoscaling.v2", "autoscaling", "v2");

export const HPAScalingPolicy = autoscalingV2("HPAScalingPolicy", {
  type: str(1).required(),
  value: int32(2).required(),
  periodSeconds: int32(3).required(),
});
export interface HPAScalingPolicy extends Infer<typeof HPAScalingPolicy> {}

export const HPAScalingRules = autoscalingV2("HPAScalingRules", {
  selectPolicy: str(1),
  policies: list(2, HPAScalingPolicy),
  stabilizationWindowSeconds: int32(3).explicit(),
  tolerance: quantity(4),
});
export interface HPAScalingRules extends Infer<typeof HPAScalingRules> {}

export const HorizontalPodAutoscalerBehavior = autoscalingV2("HorizontalPodAutoscalerBehavior", {
  scaleUp: ref(1, HPAScalingRules),
  scaleDown: ref(2, HPAScalingRules),
});
export interface HorizontalPodAutoscalerBehavior extends Infer<typeof HorizontalPodAutoscalerBehavior> {}

export const MetricTarget = autoscalingV2("MetricTarget", {
  type: str(1).required(),
  value: quantity(2),
  averageValue: quantity(3),
  averageUtilization: int32(4).explicit(),
});
export interface MetricTarget extends Infer<typeof MetricTarget> {}

export const ContainerResourceMetricSource = autoscalingV2("ContainerResourceMetricSource", {
  name: str(1).required(),
  target: ref(2, MetricTarget).required(),
  container: str(3).required(),
});
export interface ContainerResourceMetricSource extends Infer<typeof ContainerResourceMetricSource> {}

export const MetricIdentifier = autoscalingV2("MetricIdentifier", {
  name: str(1).required(),
  selector: ref(2, LabelSelector),
});
export interface MetricIdentifier extends Infer<typeof MetricIdentifier> {}

export const ExternalMetricSource = autoscalingV2("ExternalMetricSource", {
  metric: ref(1, MetricIdentifier).required(),
  target: ref(2, MetricTarget).required(),
});
export interface ExternalMetricSource extends Infer<typeof ExternalMetricSource> {}

export const CrossVersionObjectReference = autoscalingV2("CrossVersionObjectReference", {
  kind: str(1).required(),
  name: str(2).required(),
  apiVersion: str(3),
});
export interface CrossVersionObjectReference extends Infer<typeof CrossVersionObjectReference> {}

export const ObjectMetricSource = autoscalingV2("ObjectMetricSource", {
  describedObject: ref(1, CrossVersionObjectReference).required(),
  target: ref(2, MetricTarget).required(),
  metric: ref(3, MetricIdentifier).required(),
});
export interface ObjectMetricSource extends Infer<typeof ObjectMetricSource> {}

export const PodsMetricSource = autoscalingV2("PodsMetricSource", {
  metric: ref(1, MetricIdentifier).required(),
  target: ref(2, MetricTarget).required(),
});
export interface PodsMetricSource extends Infer<typeof PodsMetricSource> {}

export const ResourceMetricSource = autoscalingV2("ResourceMetricSource", {
  name: str(1).required(),
  target: ref(2, MetricTarget).required(),
});
export interface ResourceMetricSource extends Infer<typeof ResourceMetricSource> {}

export const MetricSpec = autoscalingV2("MetricSpec", {
  type: str(1).required(),
  object: ref(2, ObjectMetricSource),
  pods: ref(3, PodsMetricSource),
  resource: ref(4, ResourceMetricSource),
  external: ref(5, ExternalMetricSource),
  containerResource: ref(7, ContainerResourceMetricSource),
});
export interface MetricSpec extends Infer<typeof MetricSpec> {}

export const HorizontalPodAutoscalerSpec = autoscalingV2("HorizontalPodAutoscalerSpec", {
  scaleTargetRef: ref(1, CrossVersionObjectReference).required(),
  minReplicas: int32(2).explicit(),
  maxReplicas: int32(3).required(),
  metrics: list(4, MetricSpec),
  behavior: ref(5, HorizontalPodAutoscalerBehavior),
});
export interface HorizontalPodAutoscalerSpec extends Infer<typeof HorizontalPodAutoscalerSpec> {}

export const HorizontalPodAutoscalerCondition = autoscalingV2("HorizontalPodAutoscalerCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastTransitionTime: time(3),
  reason: str(4),
  message: str(5),
});
export interface HorizontalPodAutoscalerCondition extends Infer<typeof HorizontalPodAutoscalerCondition> {}

export const MetricValueStatus = autoscalingV2("MetricValueStatus", {
  value: quantity(1),
  averageValue: quantity(2),
  averageUtilization: int32(3),
});
export interface MetricValueStatus extends Infer<typeof MetricValueStatus> {}

export const ContainerResourceMetricStatus = autoscalingV2("ContainerResourceMetricStatus", {
  name: str(1).required(),
  current: ref(2, MetricValueStatus).required(),
  container: str(3).required(),
});
export interface ContainerResourceMetricStatus extends Infer<typeof ContainerResourceMetricStatus> {}

export const ExternalMetricStatus = autoscalingV2("ExternalMetricStatus", {
  metric: ref(1, MetricIdentifier).required(),
  current: ref(2, MetricValueStatus).required(),
});
export interface ExternalMetricStatus extends Infer<typeof ExternalMetricStatus> {}

export const ObjectMetricStatus = autoscalingV2("ObjectMetricStatus", {
  metric: ref(1, MetricIdentifier).required(),
  current: ref(2, MetricValueStatus).required(),
  describedObject: ref(3, CrossVersionObjectReference).required(),
});
export interface ObjectMetricStatus extends Infer<typeof ObjectMetricStatus> {}

export const PodsMetricStatus = autoscalingV2("PodsMetricStatus", {
  metric: ref(1, MetricIdentifier).required(),
  current: ref(2, MetricValueStatus).required(),
});
export interface PodsMetricStatus extends Infer<typeof PodsMetricStatus> {}

export const ResourceMetricStatus = autoscalingV2("ResourceMetricStatus", {
  name: str(1).required(),
  current: ref(2, MetricValueStatus).required(),
});
export interface ResourceMetricStatus extends Infer<typeof ResourceMetricStatus> {}

export const MetricStatus = autoscalingV2("MetricStatus", {
  type: str(1).required(),
  object: ref(2, ObjectMetricStatus),
  pods: ref(3, PodsMetricStatus),
  resource: ref(4, ResourceMetricStatus),
  external: ref(5, ExternalMetricStatus),
  containerResource: ref(7, ContainerResourceMetricStatus),
});
export interface MetricStatus extends Infer<typeof MetricStatus> {}

export const HorizontalPodAutoscalerStatus = autoscalingV2("HorizontalPodAutoscalerStatus", {
  observedGeneration: int64(1),
  lastScaleTime: time(2),
  currentReplicas: int32(3),
  desiredReplicas: int32(4).required(),
  currentMetrics: list(5, MetricStatus),
  conditions: list(6, HorizontalPodAutoscalerCondition).by("type"),
});
export interface HorizontalPodAutoscalerStatus extends Infer<typeof HorizontalPodAutoscalerStatus> {}

export const HorizontalPodAutoscaler = autoscalingV2.kind("HorizontalPodAutoscaler", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, HorizontalPodAutoscalerSpec).always(),
  status: ref(3, HorizontalPodAutoscalerStatus),
});
export interface HorizontalPodAutoscaler extends Infer<typeof HorizontalPodAutoscaler> {}
