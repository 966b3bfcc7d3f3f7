import type { Cluster } from "./cluster.ts";
import type { Result, Trial } from "./trial.ts";

/** What a scenario that needs more than the shared clusters may use. */
export interface Ground {
  /** Founds a cluster of its own, which goes with the scenario. */
  found(size: number, flags?: readonly string[]): Promise<Cluster>;
  /** A new folder. */
  folder(name: string): string;
}

/** One fault of the list. */
export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** The names of the invariants that the list gives. */
  readonly holds: string;
  /** Members of the shared cluster that it happens to; undefined: it brings its own. */
  readonly members: 3 | 5 | undefined;
  /** How much faster than the clients' clock a member's may run while it lasts. */
  readonly clockRate?: number;
  /** Does the fault, proves that it happened, and heals it; or, on ground of its own, all of it. */
  run(trial: Trial): Promise<void>;
}

/** One that founds its own cluster, because nothing is as before behind it. */
export interface OwnScenario extends Omit<Scenario, "members" | "run"> {
  readonly members: undefined;
  run(ground: Ground, prefix: string): Promise<Result>;
}
