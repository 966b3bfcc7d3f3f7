import type { Deployment, ReplicaSet } from "@trireme/api";
import { maxReplicasOf, withReplicas } from "./annotations.ts";
import { availableOf, availableTotal, desiredTotal, replicasOf, rollingLimits } from "./limits.ts";

/** How many replicas the new set of a rolling update may have now: never more pods in total than the surge allows. */
export function newSetReplicas(deployment: Deployment, newReplicas: number, others: readonly ReplicaSet[]): number {
  const desired = replicasOf(deployment);
  const room = desired + rollingLimits(deployment).maxSurge - desiredTotal(others) - newReplicas;
  if (newReplicas > desired) return desired;
  if (room <= 0) return newReplicas;
  return newReplicas + Math.min(room, desired - newReplicas);
}

/**
 * Shrinks the old sets of a rolling update as far as availability allows: first pods that do not serve anyway, then as
 * many that serve as others have taken over for.
 */
export function shrinkOldSets(deployment: Deployment, newSet: ReplicaSet, old: readonly ReplicaSet[]): ReplicaSet[] {
  const least = replicasOf(deployment) - rollingLimits(deployment).maxUnavailable;
  const unready = replicasOf(newSet) - availableOf(newSet);
  // Pods of the new set that do not serve yet may not be counted on: all others could have to carry the load.
  let budget = desiredTotal([...old, newSet]) - least - unready;
  if (budget <= 0) return [...old];

  const oldestFirst = old.toSorted(byAge);
  const sizes = new Map(oldestFirst.map((set) => [set, replicasOf(set)]));
  for (const set of oldestFirst) {
    const cut = Math.min(budget, sizes.get(set)! - availableOf(set));
    if (cut > 0) {
      sizes.set(set, sizes.get(set)! - cut);
      budget -= cut;
    }
  }
  let spare = Math.min(budget, availableTotal([...old, newSet]) - least);
  for (const set of oldestFirst) {
    const cut = Math.min(spare, sizes.get(set)!);
    if (cut > 0) {
      sizes.set(set, sizes.get(set)! - cut);
      spare -= cut;
    }
  }
  return old.map((set) => withReplicas(set, sizes.get(set)!, deployment));
}

/** Spreads a change of `spec.replicas` over all active sets by their sizes, in the middle of a rolling update. */
export function scaleProportionally(deployment: Deployment, active: readonly ReplicaSet[]): ReplicaSet[] {
  const desired = replicasOf(deployment);
  const allowed = desired > 0 ? desired + rollingLimits(deployment).maxSurge : 0;
  const toAdd = allowed - desiredTotal(active);
  const order = active.toSorted((a, b) => replicasOf(b) - replicasOf(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)));
  const sizes = new Map<ReplicaSet, number>();
  let added = 0;
  for (const set of order) {
    const share = toAdd === 0 ? 0 : proportion(set, deployment, allowed, toAdd - added, toAdd > 0);
    sizes.set(set, replicasOf(set) + share);
    added += share;
  }
  const first = order[0];
  // Rounding leaves a rest; the greatest set takes it.
  if (first !== undefined && toAdd !== 0) sizes.set(first, Math.max(0, sizes.get(first)! + toAdd - added));
  return active.map((set) => withReplicas(set, sizes.get(set)!, deployment));
}

function proportion(set: ReplicaSet, deployment: Deployment, allowed: number, left: number, grow: boolean): number {
  const size = replicasOf(set);
  if (size === 0 || left === 0) return 0;
  const desired = replicasOf(deployment);
  const before = maxReplicasOf(set) ?? deployment.status?.replicas ?? 0;
  const fraction = desired === 0 ? -size : before === 0 ? 0 : Math.round((size * allowed) / before) - size;
  return grow ? Math.max(0, Math.min(fraction, left)) : Math.min(0, Math.max(fraction, left));
}

/** Oldest first; names decide between sets of the same second. */
export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const left = a.metadata.creationTimestamp ?? "";
  const right = b.metadata.creationTimestamp ?? "";
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
