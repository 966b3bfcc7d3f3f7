import { PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from "../../kinds.ts";
import { type Text, text } from "./text.ts";

/** Texts about disruption budgets. */
export const POLICY_TEXTS: readonly Text[] = [
  text(PodDisruptionBudget, "Holds evictions back that would leave too few healthy Pods.", {
    spec: "What is wanted.",
    status: "How things stand.",
  }),
  text(PodDisruptionBudgetSpec, "Which Pods to protect, and how many of them must stay.", {
    selector: "Labels of the Pods, in the same namespace; an empty selector means all of them.",
    minAvailable: "How many must stay healthy: a number, or a percentage of those that their workloads want.",
    maxUnavailable: "How many may be missing: a number or a percentage. Not together with minAvailable.",
    unhealthyPodEvictionPolicy:
      "IfHealthyBudget: Pods that are not ready may go while enough others are healthy; AlwaysAllow: at any time.",
  }),
  text(PodDisruptionBudgetStatus, "How things stand.", {
    disruptionsAllowed: "How many Pods may be evicted now.",
    currentHealthy: "Pods that are ready and stay.",
    desiredHealthy: "Pods that must stay healthy.",
    expectedPods: "Pods that there should be.",
    disruptedPods: "Pods whose eviction was allowed, and when; until they are seen to end.",
    conditions: "DisruptionAllowed: whether any Pod may be evicted now.",
    observedGeneration: "The generation of the spec that this is about.",
  }),
];
