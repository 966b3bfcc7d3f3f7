import type { ConfigMap, Node } from "@trireme/api";
import { TriremeError, sleep } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { HOST_LABEL, hostRecordName } from "@trireme/pki";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { adminClient, tryGet } from "./api.ts";
import type { Progress } from "./progress.ts";

/** A cluster starts in seconds, on an overloaded machine in minutes; after this people want to read logs. */
const READY_WITHIN_MS = 120_000;
/** Each question while nobody answers is a TLS connection that fails, on a machine that is busy starting. */
const POLL_MS = 100;

/** Waits until a server answers through the balancer, whom machines can join; answers which machines have. */
export async function waitForApi(plan: ClusterPlan, progress: Progress): Promise<ReadonlySet<string>> {
  return withClient(plan, (client) => progress.step("API ready", () => untilServersRecorded(plan, client)));
}

/** Waits until every node is Ready. */
export async function waitForNodes(plan: ClusterPlan, progress: Progress): Promise<void> {
  await withClient(plan, (client) => progress.step("nodes ready", () => untilNodesReady(plan, client)));
}

async function withClient<T>(plan: ClusterPlan, work: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = adminClient(plan);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** The first server of a new cluster records itself before it does anything else. */
async function untilServersRecorded(plan: ClusterPlan, client: ApiClient): Promise<ReadonlySet<string>> {
  const path = `/api/v1/namespaces/kube-system/configmaps?labelSelector=${HOST_LABEL}`;
  let records: readonly ConfigMap[] = [];
  await poll(
    async () => {
      records = (await tryGet<{ items: ConfigMap[] }>(client, path))?.items ?? [];
      return records.some((record) => record.data?.["role"] === "server");
    },
    () => `no server is ready; see control.log and store.log in ${plan.dir}/hosts/server1/log`,
  );
  const recorded = new Set(records.map(({ metadata }) => metadata.name));
  return new Set(plan.hosts.map(({ name }) => name).filter((name) => recorded.has(hostRecordName(name))));
}

async function untilNodesReady(plan: ClusterPlan, client: ApiClient): Promise<void> {
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
