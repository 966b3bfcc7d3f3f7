import type { Node } from "@trireme/api";
import { TriremeError, sleep } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import { adminClient, tryGet } from "./api.ts";
import type { Progress } from "./progress.ts";

/** A cluster starts in seconds, on an overloaded machine in minutes; after this people want to read logs. */
const READY_WITHIN_MS = 120_000;
/** Each question while nobody answers is a TLS connection that fails, on a machine that is busy starting. */
const POLL_MS = 100;

/** Waits until the API answers through the balancer and every node is Ready. */
export async function waitUntilReady(plan: ClusterPlan, programs: Programs, progress: Progress): Promise<void> {
  if (!programs.built.has("control")) {
    progress.note("control is not built: not waiting for the API");
    return;
  }
  const client = adminClient(plan);
  try {
    await progress.step("API ready", () => waitForApi(plan, client));
    if (programs.built.has("node-agent")) await progress.step("nodes ready", () => waitForNodes(plan, client));
  } finally {
    client.close();
  }
}

async function waitForApi(plan: ClusterPlan, client: ApiClient): Promise<void> {
  await poll(
    async () => (await tryGet(client, "/api/v1/namespaces/default")) !== undefined,
    () => `no server is ready; see control.log and store.log in ${plan.dir}/hosts/server1/log`,
  );
}

async function waitForNodes(plan: ClusterPlan, client: ApiClient): Promise<void> {
  let missing: string[] = plan.nodes.map((node) => node.name);
  await poll(
    async () => {
      const nodes = await tryGet<{ items: Node[] }>(client, "/api/v1/nodes");
      const ready = new Set((nodes?.items ?? []).filter(isReady).map((node) => node.metadata?.name));
      missing = plan.nodes.map((node) => node.name).filter((name) => !ready.has(name));
      return missing.length === 0;
    },
    () => `not ready: ${missing.join(", ")}; see agent.log in ${plan.dir}/hosts/${missing[0]}/log`,
  );
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((it) => it.type === "Ready" && it.status === "True") ?? false;
}

/** Asks until the answer is yes; at the deadline fails with what `problem` says then. */
async function poll(done: () => Promise<boolean>, problem: () => string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await done())) {
    if (performance.now() > deadline) throw new TriremeError("Timeout", problem());
    await sleep(POLL_MS);
  }
}
