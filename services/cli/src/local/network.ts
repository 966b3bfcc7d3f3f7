import { existsSync, readdirSync } from "node:fs";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { type ExistingNetwork, fabricScript } from "../plan/fabric-script.ts";
import { runScript } from "./shell.ts";

/** Where `ip netns` keeps namespaces. */
const NETNS_DIR = "/run/netns";

/** What there is of a cluster's network already. */
export function existingNetwork(plan: ClusterPlan): ExistingNetwork {
  const namespaces = new Set(existsSync(NETNS_DIR) ? readdirSync(NETNS_DIR) : []);
  return { namespaces, rootLink: existsSync(`/sys/class/net/${plan.fabric.rootLink}`) };
}

/** Makes what is missing of a cluster's network. */
export async function createNetwork(plan: ClusterPlan): Promise<void> {
  await runScript(fabricScript(plan, existingNetwork(plan)));
}
