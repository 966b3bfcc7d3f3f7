/** Disruption budgets and evictions. Each name is a schema and the type of its values. */
import { type Infer, int32, int64, intOrString, list, map, packageOf, ref, str } from "./notation.ts";
import { Condition, DeleteOptions, LabelSelector, ObjectMeta } from "./meta.ts";

const policy = packageOf("io.k8s.api.policy.v1", "policy", "v1");

export const PodDisruptionBudgetSpec = policy("PodDisruptionBudgetSpec", {
  minAvailable: intOrString(1),
  selector: ref(2, LabelSelector),
  maxUnavailable: intOrString(3),
  unhealthyPodEvictionPolicy: str(4).oneOf("IfHealthyBudget", "AlwaysAllow"),
});
export interface PodDisruptionBudgetSpec extends Infer<typeof PodDisruptionBudgetSpec> {}

export const PodDisruptionBudgetStatus = policy("PodDisruptionBudgetStatus", {
  observedGeneration: int64(1),
  disruptedPods: map(2, "time"),
  disruptionsAllowed: int32(3),
  currentHealthy: int32(4),
  desiredHealthy: int32(5),
  expectedPods: int32(6),
  conditions: list(7, Condition).by("type"),
});
export interface PodDisruptionBudgetStatus extends Infer<typeof PodDisruptionBudgetStatus> {}

export const PodDisruptionBudget = policy.kind("PodDisruptionBudget", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, PodDisruptionBudgetSpec).always(),
  status: ref(3, PodDisruptionBudgetStatus),
});
export interface PodDisruptionBudget extends Infer<typeof PodDisruptionBudget> {}

export const Eviction = policy.kind("Eviction", {
  metadata: ref(1, ObjectMeta).always(),
  deleteOptions: ref(2, DeleteOptions),
});
export interface Eviction extends Infer<typeof Eviction> {}
