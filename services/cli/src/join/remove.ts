import type { ConfigMap, Lease, Node, Pod, Secret } from "@trireme/api";
import { CONFIGMAPS, ENDPOINTSLICES, type EndpointSlice, LEASES, NODES, PODS, SECRETS } from "@trireme/api";
import { TriremeError, errorFrom, hasCode, sleep } from "@trireme/base";
import { hostRecordName, tokenSecretName } from "@trireme/pki";
import type { Progress } from "../local/progress.ts";
import type { ServerAddress } from "@trireme/pki";
import { PORTS } from "../plan/cluster-plan.ts";
import type { Access } from "./access.ts";
import { Members } from "./members.ts";
import { listTokens } from "./tokens.ts";

const NAMESPACE = "kube-system";
/** Servers look at the list every few seconds; after this those that should do it do not. */
const LIST_WITHIN_MS = 60_000;
/** Clients learn of another list within two seconds; until then a server that goes should still answer them. */
const CLIENTS_MOVE_MS = 4_000;
/** Until the cluster's members are all connected for long enough, it refuses to change. */
const MEMBERS_WITHIN_MS = 60_000;
const RETRY_MS = 500;
/** As kubectl drain waits, unless told otherwise, for ever; a command of ours ends. */
const DRAIN_WITHIN_MS = 300_000;

/** Takes a machine's record and tokens away: from now on its certificates open nothing, and its name is free. */
export async function forgetMachine(access: Access, name: string, role: "server" | "node"): Promise<void> {
  const { client } = access;
  const secrets = client.resource<Secret>(SECRETS, NAMESPACE);
  for (const token of await listTokens(access)) {
    if (token.usedBy !== name) continue;
    const body = { stringData: { spent: `${role} "${name}" was removed` } };
    await secrets.patch(tokenSecretName(token.id), { type: "merge", body });
  }
  await gone(client.resource<ConfigMap>(CONFIGMAPS, NAMESPACE).delete(hostRecordName(name)));
  if (role === "server") await gone(client.resource<Lease>(LEASES, NAMESPACE).delete(`apiserver-${name}`));
}

/** Removes a server, dead or alive: first from the list, so that clients leave it, then from the store's members. */
export async function removeServer(
  access: Access,
  at: { readonly pkiDir: string; readonly servers: readonly ServerAddress[] },
  name: string,
  progress: Progress,
): Promise<void> {
  const endpoints = at.servers.map(({ address }) => `${address}:${PORTS.storeClient}`);
  const members = new Members(endpoints, at.pkiDir);
  try {
    const list = await members.list();
    const member = list.find((one) => one.name === name);
    if (member !== undefined && list.filter((one) => !one.isLearner).length === 1 && !member.isLearner) {
      throw new TriremeError("Conflict", `server "${name}" is the only one: nothing would be left of the cluster`);
    }
    const record = await found(access.client.resource<ConfigMap>(CONFIGMAPS, NAMESPACE).get(hostRecordName(name)));
    if (member === undefined && record?.data?.["role"] !== "server") {
      throw new TriremeError(
        "NotFound",
        `the cluster has no server "${name}"; it has ${list.map((it) => it.name).join(", ")}`,
      );
    }
    const wasAlive = await isReady(access, record?.data?.["address"]);
    await forgetMachine(access, name, "server");
    await progress.step(`${name} leaves the list`, () => unlisted(access, record?.data?.["address"]));
    if (wasAlive) await sleep(CLIENTS_MOVE_MS);
    if (member !== undefined) await progress.step(`${name} leaves the store`, () => removeMember(members, member.id));
  } finally {
    members.close();
  }
}

async function removeMember(members: Members, id: bigint): Promise<void> {
  const deadline = performance.now() + MEMBERS_WITHIN_MS;
  for (;;) {
    try {
      await members.remove(id);
    } catch (thrown) {
      // Removed by the attempt before, whose answer was lost, or refused for now: the list says which.
      if (!(await members.list()).some((one) => one.id === id)) return;
      if (performance.now() > deadline) throw thrown;
    }
    if (!(await members.list()).some((one) => one.id === id)) return;
    await sleep(RETRY_MS);
  }
}

/** Removes a node: its pods are evicted unless forced, then its Node object goes, and its identity opens nothing more. */
export async function removeNode(access: Access, name: string, force: boolean, progress: Progress): Promise<void> {
  const nodes = access.client.resource<Node>(NODES);
  const node = await found(nodes.get(name));
  const record = await found(access.client.resource<ConfigMap>(CONFIGMAPS, NAMESPACE).get(hostRecordName(name)));
  if (node === undefined && record === undefined)
    throw new TriremeError("NotFound", `the cluster has no node "${name}"`);
  if (node !== undefined) {
    await nodes.patch(name, { type: "merge", body: { spec: { unschedulable: true } } });
    if (!force) await progress.step(`${name} is drained`, () => drain(access, name));
  }
  await forgetMachine(access, name, "node");
  await gone(nodes.delete(name));
  if (force) {
    // Nobody will say how they ended: the machine is not asked any more.
    for (const pod of await podsOn(access, name))
      await gone(podsOf(access, pod).delete(nameOf(pod), { gracePeriodSeconds: 0 }));
  }
}

async function drain(access: Access, node: string): Promise<void> {
  const deadline = performance.now() + DRAIN_WITHIN_MS;
  for (;;) {
    const left = (await podsOn(access, node)).filter((pod) => !isKept(pod));
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      const names = left.map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`).join(", ");
      throw new TriremeError("Timeout", `node "${node}" is not drained: ${names}; --force removes it all the same`);
    }
    for (const pod of left) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const { name, namespace } = pod.metadata;
      const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
      try {
        await podsOf(access, pod).subresource("POST", nameOf(pod), "eviction", eviction);
      } catch (thrown) {
        // A PodDisruptionBudget holds it back for now, or it has gone by itself.
        if (!hasCode(thrown, "TooManyRequests") && !hasCode(thrown, "NotFound")) throw thrown;
      }
    }
    await sleep(RETRY_MS);
  }
}

/** Pods that a drain leaves: a DaemonSet would only make them again, and those that have ended hold nothing. */
function isKept(pod: Pod): boolean {
  const isDaemon = pod.metadata.ownerReferences?.some((owner) => owner.kind === "DaemonSet") === true;
  return isDaemon || pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

async function podsOn({ client }: Access, node: string): Promise<readonly Pod[]> {
  return (await client.resource<Pod>(PODS).list({ fieldSelector: `spec.nodeName=${node}` })).items;
}

function podsOf({ client }: Access, pod: Pod) {
  return client.resource<Pod>(PODS, pod.metadata.namespace ?? "default");
}

function nameOf(pod: Pod): string {
  return pod.metadata.name ?? "";
}

async function slice({ client }: Access): Promise<EndpointSlice> {
  return client.resource<EndpointSlice>(ENDPOINTSLICES, "default").get("kubernetes");
}

async function isReady(access: Access, address: string | undefined): Promise<boolean> {
  const { endpoints } = await slice(access);
  return endpoints?.some((one) => one.addresses.includes(address ?? "") && one.conditions?.ready === true) === true;
}

async function unlisted(access: Access, address: string | undefined): Promise<void> {
  const deadline = performance.now() + LIST_WITHIN_MS;
  for (;;) {
    try {
      const { endpoints } = await slice(access);
      if (endpoints?.some((one) => one.addresses.includes(address ?? "")) !== true) return;
    } catch (thrown) {
      if (!errorFrom(thrown).retryable) throw thrown;
    }
    if (performance.now() > deadline) {
      throw new TriremeError("Timeout", `${address} is still listed in EndpointSlice default/kubernetes`);
    }
    await sleep(RETRY_MS);
  }
}

async function found<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (thrown) {
    if (hasCode(thrown, "NotFound")) return undefined;
    throw thrown;
  }
}

async function gone(deletion: Promise<unknown>): Promise<void> {
  await found(deletion);
}
