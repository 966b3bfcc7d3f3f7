/**
 * Goal: what dies comes back, and nothing acknowledged is lost on the way. Method: kills from outside (ctr, signals,
 * `tri host`), under an open loop of requests and a stream of writes, with every count printed.
 */
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  cgroupOf,
  containerTask,
  ensureCluster,
  freshNamespace,
  getJson,
  isReady,
  kubectl,
  leaveNamespace,
  livePods,
  runningIn,
  status,
  triOk,
} from "./cluster.ts";
import { fetchText, openLoop } from "./http.ts";
import { expectThat, within } from "./process.ts";
import { writeStream } from "./write-stream.ts";

const NS = "healing";
const NODE_PORT = 30124;
const URL = `http://127.0.0.1:${NODE_PORT}/`;
const manifest = (replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo, namespace: ${NS} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: echo
          image: trireme.local/hello:1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 16Mi }, limits: { memory: 48Mi } }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: ${NS} }
spec:
  type: NodePort
  selector: { app: echo }
  ports: [{ port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
`;

async function allReady(replicas: number, timeoutMs: number): Promise<Any[]> {
  return within(timeoutMs, `${replicas} pods Ready`, async () => {
    const pods = await livePods("app=echo", NS);
    const ready = pods.filter(isReady);
    expectThat(ready.length === replicas && pods.length === replicas, `${ready.length} of ${pods.length} Ready`);
    return pods;
  });
}

const containersOf = (pods: readonly Any[]): string[] =>
  pods
    .map((pod) => pod.status.containerStatuses[0])
    .map((c: Any) => `${c.containerID} ${c.state.running?.startedAt} ${c.restartCount}`)
    .toSorted();

/** Waits until every supervised process of the cluster is there and the API answers. */
async function allProcesses(timeoutMs: number): Promise<void> {
  await within(timeoutMs, "every process is back", async () => {
    const now = await status();
    for (const host of [...now.servers, ...now.nodes]) {
      for (const [what, pid] of Object.entries(host.pids)) expectThat(pid > 0, `${host.name} has no ${what}`);
    }
    expectThat(
      now.servers.some((server) => server.leader),
      "no leader",
    );
    await kubectl("get", "nodes");
  });
}

describe("healing", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(manifest(10));
    await allReady(10, 60_000);
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("runs a killed container again: ten pods, one kill each, p50 within 1 s and max within 2 s", async () => {
    const took: number[] = [];
    for (const pod of await livePods("app=echo", NS)) {
      const { pid } = await containerTask(pod);
      const podCgroup = dirname(cgroupOf(pid));
      const before = new Set(runningIn(podCgroup));
      const killed = performance.now();
      process.kill(pid, "SIGKILL");
      // The kernel says when the new program runs; asking the API would measure the asking.
      const deadline = killed + 10_000;
      while (!runningIn(podCgroup).some((each) => !before.has(each))) {
        expectThat(performance.now() < deadline, `${pod.metadata.name} does not run again`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      took.push(performance.now() - killed);
    }
    const sorted = took.toSorted((a, b) => a - b);
    console.log(`container killed to running, ms: ${sorted.map(Math.round).join(" ")}`);
    expect(sorted[4]!).toBeLessThanOrEqual(1_000);
    expect(sorted[9]!).toBeLessThanOrEqual(2_000);
    // A pod may still be told Ready by what was before the kill.
    await within(30_000, "each is told to have restarted once", async () => {
      for (const pod of await allReady(10, 0)) expect(pod.status.containerStatuses[0].restartCount).toBe(1);
    });
  });

  it("replaces a deleted pod", async () => {
    const [pod] = await allReady(10, 30_000);
    await kubectl("delete", "pod", pod.metadata.name, "-n", NS, "--wait=false");
    const pods = await within(30_000, "a replacement is Ready", async () => {
      const now = await allReady(10, 0);
      expectThat(!now.some((each) => each.metadata.uid === pod.metadata.uid), "the old pod is still there");
      return now;
    });
    expect(pods).toHaveLength(10);
  });

  it("loses no write and no request when the leading server is killed", async () => {
    await applyText(manifest(3));
    await allReady(3, 30_000);
    await within(10_000, "the Service answers", () => fetchText(URL));
    const leader = (await status()).servers.find((server) => server.leader)!;
    const writes = await writeStream(NS);
    const requests = openLoop(50, () => fetchText(URL, 5_000));
    await within(30_000, "writes are acknowledged", () =>
      expectThat(writes.acknowledged() > 20, `${writes.acknowledged()} writes`),
    );
    const killedAt = performance.now();
    await triOk("host", "kill", leader.name);
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    const load = await requests.stop();
    const written = await writes.stop();
    const first = written.acknowledgedAt.find((at) => at > killedAt);
    const gap = first === undefined ? Infinity : written.longestGapMs;
    console.log(
      `requests: ${JSON.stringify(load)}; writes: ${written.acknowledged.length} acknowledged, ` +
        `${written.failed} failed, longest gap ${Math.round(gap)} ms`,
    );
    await triOk("host", "start", leader.name);
    const kept = new Set((await getJson("configmaps", "-n", NS)).items.map((item: Any) => item.metadata.name));
    expect(written.acknowledged.filter((name) => !kept.has(name))).toEqual([]);
    expect(gap).toBeLessThanOrEqual(3_000);
    expect([load.failed, load.ok]).toEqual([0, load.sent]);
    expect(load.sent).toBeGreaterThan(400);
    await allProcesses(30_000);
  });

  it("keeps all state when every process of every server is killed at once", async () => {
    const before = (await getJson("configmaps,deployments,services,pods", "-n", NS)).items.map(
      (o: Any) => o.metadata.uid,
    );
    const containers = containersOf(await allReady(3, 30_000));
    const { servers } = await status();
    for (const server of servers) await triOk("host", "kill", server.name);
    for (const server of servers) await triOk("host", "start", server.name);
    await allProcesses(60_000);
    const after = (await getJson("configmaps,deployments,services,pods", "-n", NS)).items.map(
      (o: Any) => o.metadata.uid,
    );
    expect(after.toSorted()).toEqual(before.toSorted());
    expect(containersOf(await allReady(3, 30_000))).toEqual(containers);
  });

  it("keeps containers when supervisors, agents and containerd are killed", async () => {
    const containers = containersOf(await allReady(3, 30_000));
    const now = await status();
    for (const host of [...now.servers, ...now.nodes]) process.kill(host.pids.supervisor, "SIGKILL");
    for (const node of now.nodes) {
      process.kill(node.pids.agent, "SIGKILL");
      process.kill(node.pids.containerd, "SIGKILL");
    }
    await allProcesses(60_000);
    const after = await status();
    expect(after.servers.map((server) => server.pids.store)).toEqual(now.servers.map((server) => server.pids.store));
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(containersOf(await allReady(3, 30_000))).toEqual(containers);
    expect(await fetchText(URL)).toMatch(/^echo-/);
  });

  it("moves the pods of a node that is cut off, and takes it back", async () => {
    const pods = await allReady(3, 30_000);
    const victim = pods[0].spec.nodeName;
    const old = pods.filter((pod) => pod.spec.nodeName === victim).map((pod) => pod.metadata.uid);
    await triOk("host", "cut", victim);
    try {
      await within(30_000, "its pods are Ready elsewhere", async () => {
        const now = await livePods("app=echo", NS);
        const elsewhere = now.filter((pod) => pod.spec.nodeName !== victim && isReady(pod));
        expectThat(elsewhere.length === 3, `${elsewhere.length} Ready elsewhere`);
      });
    } finally {
      await triOk("host", "heal", victim);
    }
    await within(10_000, "the node is Ready", async () => {
      expectThat(isReady(await getJson("node", victim)), "not Ready");
    });
    await within(10_000, "its old pods are gone", async () => {
      const left = (await getJson("pods", "-n", NS)).items.filter((pod: Any) => old.includes(pod.metadata.uid));
      expectThat(left.length === 0, `${left.length} left`);
    });
    await applyText(manifest(6));
    const now = await allReady(6, 30_000);
    expect(new Set(now.map((pod) => pod.spec.nodeName)).has(victim)).toBe(true);
    const seen = new Set<string>();
    await within(20_000, "all six answer, across nodes", async () => {
      for (let i = 0; i < 40; i++) seen.add((await fetchText(URL)).trim());
      expectThat(seen.size >= 6, `${seen.size} seen`);
    });
  });
});
