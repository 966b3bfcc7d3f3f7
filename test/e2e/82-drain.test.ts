/**
 * Goal: a pod that ends on purpose costs no request. Method: an open loop of requests on fresh connections, through every
 * node's proxy in turn, over two rolling updates and a `kubectl drain`; and the agents' own count of how the pods ended.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiRequest } from "./api-request.ts";
import {
  adminCredentials,
  type Any,
  applyText,
  cachedStatus,
  ensureCluster,
  freshNamespace,
  getJson,
  isReady,
  kubectl,
  leaveNamespace,
  livePods,
  tryKubectl,
} from "./cluster.ts";
import { fetchText, openLoop } from "./http.ts";
import { expectThat, within } from "./process.ts";

const NS = "drain";
const NODE_PORT = 30182;
const RATE = 100;
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${NS} }
spec:
  replicas: 3
  selector: { matchLabels: { app: drained } }
  template:
    metadata: { labels: { app: drained } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: trireme.local/hello:1
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 16Mi } }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${NS} }
spec:
  type: NodePort
  selector: { app: drained }
  ports: [{ name: http, port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
`;

/** How often the agents waited for the proxies, by how that ended. */
async function drains(): Promise<Record<string, number>> {
  const out: Record<string, number> = {};
  const { nodes } = await cachedStatus();
  const identity = await adminCredentials();
  for (const { address } of nodes) {
    const { body } = await apiRequest(`${address}:10250`, identity, { method: "GET", path: "/metrics" });
    for (const [, why, count] of String(body).matchAll(
      /^tri_pod_drain_seconds_count\{.*?outcome="(\w+)".*?\} (\d+)/gm,
    )) {
      out[why!] = (out[why!] ?? 0) + Number(count);
    }
  }
  return out;
}

describe("an acknowledged drain", () => {
  let victim = "";
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
  });
  afterAll(async () => {
    if (victim !== "") await tryKubectl(["uncordon", victim]);
    await leaveNamespace(NS);
  });

  it("loses no request over two rolling updates and a drained node", async () => {
    const urls = (await cachedStatus()).nodes.map(({ address }) => `http://${address}:${NODE_PORT}/`);
    for (const url of urls) await within(10_000, `${url} answers`, () => fetchText(url));
    const before = await drains();
    let turn = 0;
    const load = openLoop(RATE, () => fetchText(urls[turn++ % urls.length]!));
    const first = (await livePods("app=drained", NS)).map((pod) => pod.metadata.name);
    for (let i = 0; i < 2; i++) {
      await kubectl("rollout", "restart", "deployment/web", "-n", NS);
      await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
    }
    const pods = await livePods("app=drained", NS);
    expect(pods.filter((pod) => first.includes(pod.metadata.name))).toEqual([]);

    victim = pods[0].spec.nodeName;
    const said = await kubectl("drain", victim, "--ignore-daemonsets", "--pod-selector=app=drained", "--timeout=60s");
    expect(said).toContain(`node/${victim} cordoned`);
    expect(said).toMatch(/pod\/web-\S+ evicted/);
    expect(said).toContain(`node/${victim} drained`);
    expect((await getJson("node", victim)).spec.unschedulable).toBe(true);
    await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
    const after = await livePods("app=drained", NS);
    expect(after.filter((pod: Any) => pod.spec.nodeName === victim)).toEqual([]);
    await kubectl("uncordon", victim);
    expect((await getJson("node", victim)).spec.unschedulable).toBeUndefined();

    const report = await load.stop();
    expect(report.errors).toEqual([]);
    expect(report).toMatchObject({ failed: 0, ok: report.sent });
    expect(report.sent).toBeGreaterThan(RATE);
    const ended = (await drains())["acknowledged"] ?? 0;
    expect(ended - (before["acknowledged"] ?? 0)).toBeGreaterThanOrEqual(4);
  }, 120_000);

  it("waits for what a disruption budget allows", async () => {
    await kubectl("create", "pdb", "web", "-n", NS, "--selector=app=drained", "--min-available=3");
    await within(10_000, "the budget is counted", async () => {
      const { status: said } = await getJson("pdb", "web", "-n", NS);
      expectThat(said?.currentHealthy === 3 && said.disruptionsAllowed === 0, JSON.stringify(said));
    });
    const [pod] = await livePods("app=drained", NS);
    const eviction = {
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: pod.metadata.name, namespace: NS },
    };
    const path = `/api/v1/namespaces/${NS}/pods/${pod.metadata.name}/eviction`;
    const refused = await tryKubectl(["create", "--raw", path, "-f", "-"], { input: JSON.stringify(eviction) });
    expect(refused.stderr).toContain("Cannot evict pod as it would violate the pod's disruption budget.");
    victim = pod.spec.nodeName;
    const drained = tryKubectl(["drain", victim, "--ignore-daemonsets", "--pod-selector=app=drained", "--timeout=50s"]);
    await kubectl("scale", "deployment/web", "-n", NS, "--replicas=4");
    expect(await drained).toMatchObject({ code: 0, stdout: expect.stringContaining(`node/${victim} drained`) });
    await kubectl("uncordon", victim);
    expect((await livePods("app=drained", NS)).filter(isReady).length).toBeGreaterThanOrEqual(3);
    expect(await kubectl("get", "pdb", "-n", NS)).toMatch(
      /NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nweb +3 +N\/A +\d/,
    );
    await kubectl("delete", "pdb", "web", "-n", NS);
  });

  it("ends a pod that left its Service without waiting for proxies that have long forgotten it", async () => {
    const [pod] = await livePods("app=drained", NS);
    const name = pod.metadata.name;
    await kubectl("label", "pod", name, "app-", "-n", NS);
    const before = await drains();
    await kubectl("delete", "pod", name, "-n", NS, "--timeout=30s");
    const after = await drains();
    expect((after["unlisted"] ?? 0) + (after["acknowledged"] ?? 0)).toBeGreaterThan(
      (before["unlisted"] ?? 0) + (before["acknowledged"] ?? 0),
    );
  });
});
