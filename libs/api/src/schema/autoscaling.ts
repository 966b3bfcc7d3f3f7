/**
 * The Scale that `kubectl scale` reads and writes, and HorizontalPodAutoscalers as older clients speak of them. Each name
 * is a schema and the type of its values; `src/openapi/texts` says what the fields mean.
 */
import { type Infer, int32, int64, packageOf, ref, str, time } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const autoscaling = packageOf("io.k8s.api.autoscaling.v1", "autoscaling", "v1");

export const ScaleSpec = autoscaling("ScaleSpec", {
  replicas: int32(1).explicit(),
});
export interface ScaleSpec extends Infer<typeof ScaleSpec> {}

export const ScaleStatus = autoscaling("ScaleStatus", {
  replicas: int32(1).required(),
  selector: str(2),
});
export interface ScaleStatus extends Infer<typeof ScaleStatus> {}

export const Scale = autoscaling.kind("Scale", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, ScaleSpec).always(),
  status: ref(3, ScaleStatus),
});
export interface Scale extends Infer<typeof Scale> {}

export const CrossVersionObjectReferenceV1 = autoscaling.atomic("CrossVersionObjectReference", {
  kind: str(1).required(),
  name: str(2).required(),
  apiVersion: str(3),
});
export interface CrossVersionObjectReferenceV1 extends Infer<typeof CrossVersionObjectReferenceV1> {}

export const HorizontalPodAutoscalerSpecV1 = autoscaling("HorizontalPodAutoscalerSpec", {
  scaleTargetRef: ref(1, CrossVersionObjectReferenceV1).required(),
  minReplicas: int32(2).explicit(),
  maxReplicas: int32(3).required(),
  targetCPUUtilizationPercentage: int32(4).explicit(),
});
export interface HorizontalPodAutoscalerSpecV1 extends Infer<typeof HorizontalPodAutoscalerSpecV1> {}

export const HorizontalPodAutoscalerStatusV1 = autoscaling("HorizontalPodAutoscalerStatus", {
  observedGeneration: int64(1),
  lastScaleTime: time(2),
  currentReplicas: int32(3).required(),
  desiredReplicas: int32(4).required(),
  currentCPUUtilizationPercentage: int32(5),
});
export interface HorizontalPodAutoscalerStatusV1 extends Infer<typeof HorizontalPodAutoscalerStatusV1> {}

export const HorizontalPodAutoscalerV1 = autoscaling.kind("HorizontalPodAutoscaler", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, HorizontalPodAutoscalerSpecV1).always(),
  status: ref(3, HorizontalPodAutoscalerStatusV1),
});
export interface HorizontalPodAutoscalerV1 extends Infer<typeof HorizontalPodAutoscalerV1> {}
