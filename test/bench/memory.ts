/**
 * `tri bench memory`: what a server with NATS and a node cost, process by process: idle, and with 100 Deployments of 3 pods. One
 * server and three nodes (300 pods need them); every figure is the median of five readings, two seconds apart, as one JSON line in
 * bytes: `rss` counts pages that processes share in each of them, `pss` once over all. Where pods do not all come up in time the
 * line says how many did. Environment: TRIREME_BENCH_DEPLOYMENTS, TRIREME_BENCH_NODES.
 */
import { readFileSync } from "node:fs";
import { applyText, getJson, isReady, kubectl, status, tri } from "../e2e/cluster.ts";
import { sleep } from "@trireme/base";

const DEPLOYMENTS = Number(process.env["TRIREME_BENCH_DEPLOYMENTS"] ?? 100);
const NODES = Number(process.env["TRIREME_BENCH_NODES"] ?? 3);
const REPLICAS = 3;
const READINGS = 5;
const BETWEEN_MS = 2_000;
/** Caches fill and first garbage goes. */
const SETTLE_MS = 15_000;
/** Longest wait for all pods: what is there then is what is measured. */
const PODS_WITHIN_MS = 240_000;
const MB = 1024 * 1024;
/** Goals of the design, resident. */
const GOALS: Readonly<Record<string, number>> = { server: 300 * MB, agent: 120 * MB };

interface Memory {
  readonly rss: number;
  readonly pss: number;
}

/** What the kernel says of a process, in bytes; nothing of one that has just ended. */
function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { rss: field("Rss"), pss: field("Pss") };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const sumOf = (parts: readonly Memory[]): Memory => ({
  rss: parts.reduce((sum, one) => sum + one.rss, 0),
  pss: parts.reduce((sum, one) => sum + one.pss, 0),
});

/** One reading of everything: each process of the server, each of the first node, the server as a whole. */
async function reading(): Promise<Map<string, Memory>> {
  const { servers, nodes } = await status();
  const out = new Map<string, Memory>();
  const parts = Object.entries(servers[0]!.pids).map(([name, pid]) => [name, memoryOf(pid)] as const);
  for (const [name, memory] of parts) out.set(`server ${name}`, memory);
  out.set("server", sumOf(parts.map(([, memory]) => memory)));
  for (const [name, pid] of Object.entries(nodes[0]!.pids))
    out.set(name === "agent" ? name : `node ${name}`, memoryOf(pid));
  return out;
}

async function measure(state: string, pods: number): Promise<void> {
  await sleep(SETTLE_MS);
  const readings: Map<string, Memory>[] = [];
  for (let i = 0; i < READINGS; i++) {
    readings.push(await reading());
    await sleep(BETWEEN_MS);
  }
  for (const figure of readings[0]!.keys()) {
    const all = readings.map((one) => one.get(figure)!);
    const [rss, pss] = [median(all.map((one) => one.rss)), median(all.map((one) => one.pss))];
    const goal = GOALS[figure];
    const verdict = goal === undefined ? {} : { goal, reached: rss < goal };
    console.log(JSON.stringify({ bench: "memory", state, pods, figure, unit: "B", rss, pss, ...verdict }));
  }
}

const manifest = (name: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${REPLICAS}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: c, image: "trireme.local/hello:1", resources: { requests: { cpu: 1m, memory: 4Mi } } }]
---`;

async function readyPods(): Promise<number> {
  return (await getJson("pods")).items.filter(isReady).length;
}

await tri(["down", "--purge"]);
const up = await tri(["up", "--servers", "1", "--nodes", String(NODES)]);
if (up.code !== 0) throw new Error(up.stdout + up.stderr);
try {
  await measure("idle", 0);
  await applyText(Array.from({ length: DEPLOYMENTS }, (_, i) => manifest(`bench-${i}`)).join("\n"));
  const until = performance.now() + PODS_WITHIN_MS;
  while ((await readyPods()) < DEPLOYMENTS * REPLICAS && performance.now() < until) await sleep(BETWEEN_MS);
  await measure(`${DEPLOYMENTS} Deployments of ${REPLICAS} pods`, await readyPods());
  await kubectl("delete", "deployments", "--all", "--wait=false");
} finally {
  await tri(["down", "--purge"]);
}
