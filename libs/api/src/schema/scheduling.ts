/** Priorities of Pods: declared, and not served yet. Each name is a schema and the type of its values. */
import { type Infer, bool, int32, packageOf, ref, str } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const scheduling = packageOf("io.k8s.api.scheduling.v1", "scheduling.k8s.io", "v1");

export const PriorityClass = scheduling.kind("PriorityClass", {
  metadata: ref(1, ObjectMeta).always(),
  value: int32(2),
  globalDefault: bool(3),
  description: str(4),
  preemptionPolicy: str(5),
});
export interface PriorityClass extends Infer<typeof PriorityClass> {}
