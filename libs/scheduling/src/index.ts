/**
 * Where a pod should run: pure functions over a snapshot of the cluster.
 *
 * Callers' duties: keep a {@link ClusterState} up to date with every node and every pod, bound or assumed; ask
 * {@link schedule} for one pod at a time; `assume` its answer before the next question, and `forget` it when the
 * binding is refused. The same snapshot, pod, time and seed give the same answer.
 */
export { ClusterState } from "./cluster-state.ts";
export { FILTERS, type Filter } from "./filters.ts";
export { matchesNodeSelector } from "./node-affinity.ts";
export { type PodContext, podContext } from "./pod-context.ts";
export { type ResourceAmounts, podRequests } from "./resources.ts";
export { type NodeScore, type Placement, type ScheduleResult, type Unschedulable, schedule } from "./schedule.ts";
export { SCORERS, type Scorer } from "./scorers.ts";
export type { NodeState, Snapshot } from "./snapshot.ts";
export { tolerates, untoleratedTaint } from "./taints.ts";
export {
  BIND_COMPLETED,
  NO_STORAGE,
  type StorageView,
  type VolumeNeeds,
  type WaitingClaim,
  canProvisionOn,
  claimNamesOf,
  hostnameOf,
  isBound,
  storageOf,
  volumeReaches,
  volumeSatisfies,
  volumeSuits,
} from "./volumes.ts";
