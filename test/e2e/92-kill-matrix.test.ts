/**
 * Goal: no single process is worth a request or an acknowledged write. Method: kill -9 of each agent, containerd, control
 * process, store and nats-server in turn, under a stream of writes and an open loop of requests on fresh and on kept
 * connections, by the balancer and from a pod. The way of a request is the kernel's, so not one may fail; a write that was
 * under way in the killed process may fail, one that was acknowledged must be found, and another must succeed within 3 s.
 */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiRequest, serverIdentity } from "./api-request.ts";
import {
  type Any,
  applyText,
  cachedStatus,
  CLUSTER,
  type ClusterStatus,
  containerTask,
  ensureCluster,
  etcdctl,
  freshNamespace,
  getJson,
  isReady,
  kubectl,
  leaveNamespace,
} from "./cluster.ts";
import { fetchText } from "./http.ts";
import { type Load, expectNoneFailed, startLoad, sumOf } from "./load.ts";
import { expectThat, must, within } from "./process.ts";
import { type WriteReport, writeStream } from "./write-stream.ts";

const NS = "kill-matrix";
const NODE_PORT = 30192;
/** Of each of the two generators, requests a second. */
const RATES = { fresh: 25, kept: 25 };
/** Writes succeed again within this time after a kill. */
const WRITES_WITHIN_MS = 3_000;
/** After each kill, at least so many writes are acknowledged before the next. */
const WRITES_AFTER_KILL = 10;
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${NS} }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: trireme.local/hello:1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1 }
          livenessProbe: { httpGet: { path: /livez, port: http }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 16Mi } }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${NS} }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${NS} }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: client, image: trireme.local/hello:1 }]
`;

type Host = ClusterStatus["servers"][number] | ClusterStatus["nodes"][number];

/** What dies, and how one sees that its successor works. */
interface Kind {
  readonly name: string;
  readonly on: "servers" | "nodes";
  readonly works: (host: Host) => Promise<unknown>;
}

async function answers(address: string, path: string): Promise<void> {
  const { servers } = await cachedStatus();
  const identity = serverIdentity(CLUSTER, servers[0]!.name, "scheduler");
  const { status } = await apiRequest(address, identity, { method: "GET", path });
  expectThat(status === 200, `${address}${path}: ${status}`);
}

const KINDS: readonly Kind[] = [
  { name: "agent", on: "nodes", works: ({ address }) => answers(`${address}:10250`, "/healthz") },
  {
    name: "containerd",
    on: "nodes",
    works: (host) => must("ctr", ["-a", (host as ClusterStatus["nodes"][number]).criSocket, "version"]),
  },
  { name: "control", on: "servers", works: ({ address }) => answers(`${address}:6443`, "/readyz") },
  {
    name: "store",
    on: "servers",
    works: async ({ address }) => {
      const { code, stderr } = await etcdctl(["endpoint", "health"], { endpoints: [`https://${address}:2379`] });
      expectThat(code === 0, stderr);
    },
  },
  { name: "nats", on: "servers", works: ({ address }) => greeting(address, 4222) },
];

/** The first bytes that a server says by itself. */
function greeting(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 1_000 });
    socket.once("data", (data) => resolve(String(data)));
    socket.once("error", reject).once("timeout", () => reject(new Error("it says nothing")));
    socket.once("data", () => socket.destroy()).once("timeout", () => socket.destroy());
  });
}

function pidOf(host: string, name: string): number {
  return (JSON.parse(readFileSync(`/var/lib/trireme/${CLUSTER}/hosts/${host}/run/${name}.pid`, "utf8")) as Any).pid;
}

/** The containers of all pods, each with what a restart would change. */
async function containers(): Promise<string[]> {
  const pods = (await getJson("pods", "-n", NS)).items;
  for (const pod of pods) expectThat(isReady(pod), `${pod.metadata.name} is not Ready`);
  return pods
    .flatMap((pod: Any) => pod.status.containerStatuses)
    .map((c: Any) => `${c.containerID} ${c.restartCount} ${c.state.running?.startedAt}`)
    .toSorted();
}

async function nodesReady(): Promise<void> {
  for (const node of (await getJson("nodes")).items) expectThat(isReady(node), `${node.metadata.name} is not Ready`);
}

/** One kill, seen afterwards. */
interface Kill {
  readonly what: string;
  readonly at: number;
  readonly backMs: number;
}

async function killOne({ name, works }: Kind, host: Host): Promise<Kill> {
  const pid = pidOf(host.name, name);
  const at = performance.now();
  process.kill(pid, "SIGKILL");
  const backMs = await within(15_000, `${name} of ${host.name} works again`, async () => {
    expectThat(pidOf(host.name, name) !== pid, "no new process");
    await works(host);
    return Math.round(performance.now() - at);
  });
  await within(10_000, "every node is Ready", nodesReady);
  return { what: `${host.name} ${name}`, at, backMs };
}

/** The longest time without an acknowledged write from just before `from` to `until`, ms. */
function longestGap({ acknowledgedAt }: WriteReport, from: number, until: number): number {
  const before = acknowledgedAt.findLast((at) => at <= from) ?? from;
  const times = [before, ...acknowledgedAt.filter((at) => at > from && at <= until), until];
  return Math.round(Math.max(...times.slice(1).map((at, i) => at - times[i]!)));
}

describe("kill -9", () => {
  let clusterIP = "";
  let clientPid = 0;
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await Promise.all([
      kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s"),
      kubectl("wait", "pod/client", "-n", NS, "--for=condition=Ready", "--timeout=60s"),
    ]);
    await within(10_000, "the Service answers", () => fetchText(`http://127.0.0.1:${NODE_PORT}/`));
    clusterIP = (await getJson("service", "web", "-n", NS)).spec.clusterIP;
    clientPid = (await containerTask(await getJson("pod", "client", "-n", NS))).pid;
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it.each(KINDS)(
    "of each $name in turn costs no request, no acknowledged write, and no container",
    async (kind) => {
      const hosts: readonly Host[] = (await cachedStatus())[kind.on];
      const before = await containers();
      const writes = await writeStream(NS);
      const loads: Load[] = [
        startLoad(`http://127.0.0.1:${NODE_PORT}/`, RATES),
        startLoad(`http://${clusterIP}/`, RATES, clientPid),
      ];
      const look = async () => sumOf(await Promise.all(loads.map((load) => load.look())));
      const kills: (Kill & { readonly until: number; readonly seen: Awaited<ReturnType<typeof look>> })[] = [];
      let seen = await look();
      for (const host of hosts) {
        const kill = await killOne(kind, host);
        expect(await within(10_000, "every pod is Ready", containers)).toEqual(before);
        const goal = writes.acknowledged() + WRITES_AFTER_KILL;
        await within(10_000, "writes go on", () =>
          expectThat(writes.acknowledged() >= goal, "too few are acknowledged"),
        );
        const now = await look();
        kills.push({ ...kill, until: performance.now(), seen: now });
      }
      const total = sumOf(await Promise.all(loads.map((load) => load.stop())));
      const written = await writes.stop();
      for (const { what, at, until, backMs, seen: now } of kills) {
        const requests = `${now.sent - seen.sent} sent, ${now.ok - seen.ok} ok, ${now.failed - seen.failed} failed`;
        const gap = longestGap(written, at, until);
        console.log(`${what}: works again after ${backMs} ms; requests ${requests}; longest gap of writes ${gap} ms`);
        seen = now;
        expect(gap).toBeLessThanOrEqual(WRITES_WITHIN_MS);
      }
      console.log(
        `${kind.name}: requests ${JSON.stringify(total)}; writes ${written.acknowledged.length}, ${written.failed} failed`,
      );
      const kept = new Set((await getJson("configmaps", "-n", NS)).items.map((item: Any) => item.metadata.name));
      expect(written.acknowledged.filter((name) => !kept.has(name))).toEqual([]);
      expectNoneFailed(total, 100);
    },
    90_000,
  );
});
