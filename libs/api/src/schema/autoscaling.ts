/**
 * The Scale that `kubectl scale` reads and writes. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, int32, packageOf, ref, str } from "./notation.ts";
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
