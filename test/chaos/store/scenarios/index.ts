import type { OwnScenario, Scenario } from "../scenario.ts";
import { CLOCKS } from "./clocks.ts";
import { CRASHES } from "./crashes.ts";
import { DISKS } from "./disks.ts";
import { MEMBERSHIP } from "./membership.ts";
import { OPERATIONS } from "./operations.ts";
import { SNAPSHOTS } from "./snapshots.ts";
import { WATCHES } from "./watches.ts";
import { WIRES } from "./wires.ts";

/** The faults of the list, in its order. */
export const SCENARIOS: readonly (Scenario | OwnScenario)[] = [
  ...CRASHES,
  ...WIRES,
  ...DISKS,
  ...SNAPSHOTS,
  ...MEMBERSHIP,
  ...CLOCKS,
  ...WATCHES,
  ...OPERATIONS,
];
