import { matchesTerm } from "./node-affinity.ts";
import type { PodContext } from "./pod-context.ts";
import type { NodeState } from "./snapshot.ts";
import { untoleratedTaint } from "./taints.ts";

/** One preference among the nodes that passed the filters. */
export interface Scorer {
  readonly name: string;
  readonly weight: number;
  /** A raw score; {@link Scorer.normalize} says what it means. */
  score(context: PodContext, node: NodeState): number;
  /**
   * `percent`: already 0 (worst) to 100 (best). `most`, `least`: any range, the greatest or the smallest raw score is
   * best; scaled over the candidates.
   */
  readonly normalize: "percent" | "most" | "least";
}

const BALANCED = ["cpu", "memory"];

const leastAllocated: Scorer = {
  name: "NodeResourcesFit",
  weight: 1,
  normalize: "percent",
  score(context, node) {
    const shares = usedShares(context, node);
    if (shares.length === 0) return 0;
    return (100 * shares.reduce((sum, share) => sum + (1 - share), 0)) / shares.length;
  },
};

const balancedAllocation: Scorer = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  normalize: "percent",
  score(context, node) {
    const shares = usedShares(context, node);
    if (shares.length < 2) return 100;
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length;
    return 100 * (1 - Math.sqrt(variance));
  },
};

/**
 * Replicas of one owner spread over nodes. It outweighs the other scores together, because losing one node should cost
 * one replica even where another node has more room.
 */
const spread: Scorer = {
  name: "PodTopologySpread",
  weight: 10,
  normalize: "least",
  score: ({ owner }, node) => (owner === undefined ? 0 : (node.podsByOwner.get(owner) ?? 0)),
};

const taintPreference: Scorer = {
  name: "TaintToleration",
  weight: 30,
  normalize: "least",
  score({ pod }, { node }) {
    const soft = (node.spec?.taints ?? []).filter((taint) => taint.effect === "PreferNoSchedule");
    return soft.filter((taint) => untoleratedTaint([taint], pod.spec.tolerations, ["PreferNoSchedule"])).length;
  },
};

const affinityPreference: Scorer = {
  name: "NodeAffinity",
  weight: 20,
  normalize: "most",
  score({ pod }, { node }) {
    const terms = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
  },
};

/** Every preference with its weight: what people asked for in words outweighs what we think is tidy. */
export const SCORERS: readonly Scorer[] = [
  leastAllocated,
  balancedAllocation,
  spread,
  taintPreference,
  affinityPreference,
];

function usedShares({ requestsForScoring }: PodContext, { allocatable, requestedForScoring }: NodeState): number[] {
  return BALANCED.filter((name) => (allocatable[name] ?? 0) > 0).map((name) =>
    Math.min(1, ((requestedForScoring[name] ?? 0) + (requestsForScoring[name] ?? 0)) / allocatable[name]!),
  );
}
