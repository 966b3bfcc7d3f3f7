/**
 * What nodes and pods use now: computed when asked for, never stored. Each name is a schema and the type of its values;
 * `src/openapi/texts` says what the fields mean.
 */
import { type Infer, list, map, packageOf, ref, str, time } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const metrics = packageOf("io.k8s.metrics.pkg.apis.metrics.v1beta1", "metrics.k8s.io", "v1beta1");

export const ContainerMetrics = metrics("ContainerMetrics", {
  name: str(1).required(),
  usage: map(2, "quantity").required(),
});
export interface ContainerMetrics extends Infer<typeof ContainerMetrics> {}

export const NodeMetrics = metrics.kind("NodeMetrics", {
  metadata: ref(1, ObjectMeta).always(),
  timestamp: time(2).required(),
  window: str(3).required(),
  usage: map(4, "quantity").required(),
});
export interface NodeMetrics extends Infer<typeof NodeMetrics> {}

export const PodMetrics = metrics.kind("PodMetrics", {
  metadata: ref(1, ObjectMeta).always(),
  timestamp: time(2).required(),
  window: str(3).required(),
  containers: list(4, ContainerMetrics).required(),
});
export interface PodMetrics extends Infer<typeof PodMetrics> {}
