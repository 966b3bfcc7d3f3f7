/**
 * Goal: no request is lost while pods end on purpose, with the bus and without it. Method: 200 requests a second, open
 * loop, half of them on fresh and half on kept connections, half through the balancer to a NodePort and half from a pod
 * to the Service's address, over five rolling updates and a `kubectl drain`; then the same while every nats-server is
 * first frozen and then dead. The test app finishes what is in flight at SIGTERM and answers `Connection: close`. That
 * such a load sees a lost request is proved with planted violations: a node without its traffic rules, pods that just die.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiRequest } from "./api-request.ts";
import {
  adminCredentials,
  applyText,
  cachedStatus,
  containerTask,
  ensureCluster,
  freshNamespace,
  getJson,
  inHost,
  kubectl,
  leaveNamespace,
  livePods,
  status,
  tryKubectl,
} from "./cluster.ts";
import { type LoadReport, fetchText } from "./http.ts";
import type { GeneratorReport } from "./load-generator.ts";
import { type Load, type Rates, expectNoneFailed, startLoad, sumOf } from "./load.ts";
import { expectThat, within } from "./process.ts";

const NS = "rollouts";
const NODE_PORT = 30183;
/** Of each of the two generators, requests a second. */
const RATES = { fresh: 50, kept: 50 };
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${NS} }
spec:
  replicas: 3
  selector: { matchLabels: { app: rolled } }
  template:
    metadata: { labels: { app: rolled } }
    spec:
      terminationGracePeriodSeconds: 10
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
  selector: { app: rolled }
  ports: [{ name: http, port: 80, targetPort: http, nodePort: ${NODE_PORT} }]
---
apiVersion: v1
kind: Pod
metadata: { name: client, namespace: ${NS}, labels: { app: client } }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: client, image: trireme.local/hello:1 }]
`;

interface Drains {
  count: number;
  seconds: number;
}

/** How the agents' waits for the proxies ended so far, by outcome. */
async function drains(): Promise<Record<string, Drains>> {
  const out: Record<string, Drains> = {};
  const { nodes } = await cachedStatus();
  const identity = await adminCredentials();
  for (const { address } of nodes) {
    const { body } = await apiRequest(`${address}:10250`, identity, { method: "GET", path: "/metrics" });
    const rows = String(body).matchAll(/^tri_pod_drain_seconds_(count|sum)\{.*?outcome="(\w+)".*?\} ([\d.e+-]+)/gm);
    for (const [, what, outcome, value] of rows) {
      const one = (out[outcome!] ??= { count: 0, seconds: 0 });
      one[what === "count" ? "count" : "seconds"] += Number(value);
    }
  }
  return out;
}

/** What was added to `before`: how many pods were drained how, and their mean time. */
async function drainedSince(
  before: Record<string, Drains>,
): Promise<Record<string, { count: number; meanMs: number }>> {
  const out: Record<string, { count: number; meanMs: number }> = {};
  for (const [outcome, { count, seconds }] of Object.entries(await drains())) {
    const more = count - (before[outcome]?.count ?? 0);
    if (more === 0) continue;
    out[outcome] = { count: more, meanMs: Math.round(((seconds - (before[outcome]?.seconds ?? 0)) / more) * 1000) };
  }
  return out;
}

async function rollOut(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await kubectl("rollout", "restart", "deployment/web", "-n", NS);
    await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
  }
}

let cordoned = "";
/** Lets go on what a test has frozen; harmless when nothing is. */
let thaw = (): void => undefined;
const nothing = async (): Promise<void> => undefined;
/** Puts back what a test has planted; harmless when nothing is. */
let restore = nothing;

/** Drains the node of one of the pods of all of them. */
async function drainOne(): Promise<void> {
  const [pod] = await livePods("app=rolled", NS);
  cordoned = pod.spec.nodeName;
  await kubectl("drain", cordoned, "--ignore-daemonsets", "--pod-selector=app=rolled", "--timeout=60s");
  await kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s");
  expect((await livePods("app=rolled", NS)).filter((each) => each.spec.nodeName === cordoned)).toEqual([]);
  await kubectl("uncordon", cordoned);
  cordoned = "";
}

/** The generators: from outside by the balancer, from a pod by the Service's address. */
async function startLoads(rates: Rates = RATES): Promise<Load[]> {
  const { clusterIP } = (await getJson("service", "web", "-n", NS)).spec;
  const { pid } = await containerTask(await getJson("pod", "client", "-n", NS));
  return [startLoad(`http://127.0.0.1:${NODE_PORT}/`, rates), startLoad(`http://${clusterIP}/`, rates, pid)];
}

/** Answers are there within milliseconds; what is lost shows after this long. */
const PLANTED: Rates = { ...RATES, timeoutMs: 1_000 };

/** Runs a load that goes well, plants a violation in it, waits until both or the `last` generators see it, and ends the load. */
async function sumWithPlanted(last: number, plant: () => Promise<unknown>): Promise<LoadReport> {
  const loads = await startLoads(PLANTED);
  const each = () => Promise.all(loads.slice(-last).map(async (load) => sumOf([await load.look()])));
  let ended: Promise<GeneratorReport[]> | undefined;
  const end = () => (ended ??= Promise.all(loads.map((load) => load.stop())));
  try {
    await within(10_000, "requests are answered", async () =>
      expectThat(
        (await each()).every(({ ok }) => ok > 10),
        "not yet",
      ),
    );
    for (const before of await each()) expectNoneFailed({ ...before, sent: before.ok }, 10);
    await plant();
    await within(15_000, "the load sees what was planted", async () => {
      const now = await each();
      expectThat(
        now.every(({ failed }) => failed > 0),
        JSON.stringify(now),
      );
    });
    await restore();
    return sumOf(await end());
  } finally {
    await restore();
    await end();
  }
}

async function expectAllAnswered(loads: readonly Load[], what: string, before: Record<string, Drains>): Promise<void> {
  const reports = await Promise.all(loads.map((load) => load.stop()));
  const drained = await drainedSince(before);
  console.log(`${what}: by the balancer ${JSON.stringify(reports[0])}; inside ${JSON.stringify(reports[1])}`);
  console.log(`${what}: drained ${JSON.stringify(drained)}`);
  expectNoneFailed(sumOf(reports), RATES.fresh * 10);
  for (const { fresh, kept } of reports) expect(Math.min(fresh.sent, kept.sent)).toBeGreaterThan(RATES.fresh * 10);
  // Fifteen pods were replaced and one or more evicted: they must have waited for the proxies, not for the time to pass.
  expect(drained["acknowledged"]?.count ?? 0).toBeGreaterThanOrEqual(14);
}

describe("rolling updates and drains under load", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await Promise.all([
      kubectl("rollout", "status", "deployment/web", "-n", NS, "--timeout=60s"),
      kubectl("wait", "pod/client", "-n", NS, "--for=condition=Ready", "--timeout=60s"),
    ]);
    await within(10_000, "the Service answers", () => fetchText(`http://127.0.0.1:${NODE_PORT}/`));
  });
  afterAll(async () => {
    thaw();
    await restore();
    if (cordoned !== "") await tryKubectl(["uncordon", cordoned]);
    await leaveNamespace(NS);
  });

  it("lose no request", async () => {
    const before = await drains();
    const loads = await startLoads();
    await rollOut(5);
    await drainOne();
    await expectAllAnswered(loads, "with NATS", before);
  }, 120_000);

  it("lose no request without NATS, frozen and dead", async () => {
    const { servers } = await status();
    const signal = (name: "nats" | "supervisor", what: NodeJS.Signals): void => {
      for (const { pids } of servers) process.kill(pids[name], what);
    };
    const before = await drains();
    const loads = await startLoads();
    // Who starts a nats-server again is frozen too, so that it stays dead.
    signal("supervisor", "SIGSTOP");
    let dead = false;
    thaw = () => {
      thaw = () => undefined;
      if (!dead) signal("nats", "SIGCONT");
      signal("supervisor", "SIGCONT");
    };
    signal("nats", "SIGSTOP");
    await rollOut(3);
    signal("nats", "SIGKILL");
    dead = true;
    await rollOut(2);
    await drainOne();
    thaw();
    await expectAllAnswered(loads, "without NATS", before);
    await within(15_000, "every nats-server is back", async () => {
      const now = (await status()).servers.map((server) => server.pids.nats);
      expectThat(
        now.every((pid, i) => pid > 0 && pid !== servers[i]!.pids.nats),
        `pids ${now.join()}`,
      );
    });
  }, 120_000);

  it("would be told of a node whose traffic rules are gone", async () => {
    const { nodeName } = (await getJson("pod", "client", "-n", NS)).spec;
    const { netns } = (await cachedStatus()).nodes.find((node) => node.name === nodeName)!;
    const nft = async (args: readonly string[], input?: string): Promise<string> => {
      const done = await inHost(netns, "nft", args, input === undefined ? {} : { input });
      expectThat(done.code === 0, done.stderr);
      return done.stdout;
    };
    const rules = await nft(["list", "table", "ip", "trireme-proxy"]);
    // The agent writes them again by itself when something changes, or within half a minute.
    const again = `table ip trireme-proxy\ndelete table ip trireme-proxy\n${rules}`;
    restore = async () => {
      restore = nothing;
      await nft(["-f", "-"], again);
    };
    // Clients outside go by other nodes as well.
    const total = await sumWithPlanted(1, () => nft(["delete", "table", "ip", "trireme-proxy"]));
    expect(() => expectNoneFailed(total, 0)).toThrow(/requests failed: .*(no answer in 1000 ms|ECONN|EHOST|ENET)/);
  }, 60_000);

  it("would be told of pods that just die", async () => {
    const total = await sumWithPlanted(2, () =>
      kubectl("delete", "pod", "-l", "app=rolled", "-n", NS, "--force", "--grace-period=0"),
    );
    expect(() => expectNoneFailed(total, 0)).toThrow(/requests failed: .*(no answer in 1000 ms|ECONN|socket hang up)/);
  }, 60_000);
});
