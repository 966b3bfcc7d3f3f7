import type { Node, Pod } from "@trireme/api";
import type { ResourceAmounts } from "./resources.ts";
import type { StorageView } from "./volumes.ts";

/** One node and what stands on it, as filters and scorers see it. */
export interface NodeState {
  readonly node: Node;
  readonly name: string;
  readonly allocatable: ResourceAmounts;
  /** Sum of the requests of its pods. */
  readonly requested: ResourceAmounts;
  /** The same with assumptions for containers that request nothing. */
  readonly requestedForScoring: ResourceAmounts;
  /** Pods bound to it or assumed to be, the finished ones left out. */
  readonly pods: ReadonlyMap<string, Pod>;
  /** How many of its pods, not counting those that are ending, each controller owns, by the controller's uid. */
  readonly podsByOwner: ReadonlyMap<string, number>;
  /** Host ports taken, each counted, as `protocol/ip/port`. */
  readonly hostPorts: ReadonlyMap<string, number>;
}

/** The cluster at one moment. */
export interface Snapshot {
  readonly nodes: readonly NodeState[];
  /** Claims, volumes and their classes; absent: there are none. */
  readonly storage?: StorageView;
}
