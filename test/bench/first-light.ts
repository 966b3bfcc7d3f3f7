/**
 * `tri bench first-light`: what a first session feels like. Five rounds on a cluster of its own; each figure as one JSON
 * line with its runs and their median. Seconds, and bytes of resident memory.
 */
import { readFileSync } from "node:fs";
import {
  type Any,
  containerTask,
  getJson,
  isReady,
  kubectl,
  livePods,
  status,
  tri,
  applyText,
} from "../e2e/cluster.ts";
import { expectThat, within } from "../e2e/process.ts";

const ROUNDS = Number(process.env["TRIREME_BENCH_ROUNDS"] ?? 5);
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: bench }
spec:
  replicas: 3
  selector: { matchLabels: { app: bench } }
  template:
    metadata: { labels: { app: bench } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: c
          image: trireme.local/hello:1
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
          resources: { requests: { cpu: 10m, memory: 8Mi } }
`;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

function tell(figure: string, unit: string, runs: readonly number[], peers: Record<string, number>): void {
  const rounded = runs.map((value) => Number(value.toFixed(2)));
  console.log(JSON.stringify({ bench: "first-light", figure, unit, median: median(rounded), runs: rounded, peers }));
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

const available = (count: number) => () =>
  within(120_000, `${count} available`, async () => {
    const told = (await getJson("deployment", "bench")).status ?? {};
    expectThat((told.availableReplicas ?? 0) === count && (told.replicas ?? 0) === count, JSON.stringify(told));
  });

/** Resident memory of everything that one server and one node run, shims and containers left out, in bytes. */
async function memory(): Promise<number> {
  const now = await status();
  const rss = (pid: number): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  const sum = (pids: object): number => Object.values(pids).reduce((total: number, pid: number) => total + rss(pid), 0);
  return sum(now.servers[0]!.pids) + sum(now.nodes[0]!.pids);
}

const figures: Record<string, number[]> = { up: [], apply: [], grow: [], shrink: [], heal: [], memory: [] };
for (let round = 0; round < ROUNDS; round++) {
  await tri(["down", "--purge"]);
  figures["up"]!.push(
    await seconds(async () => {
      const done = await tri(["up"]);
      if (done.code !== 0) throw new Error(done.stdout + done.stderr);
    }),
  );
  figures["apply"]!.push(
    await seconds(async () => {
      await applyText(MANIFEST);
      await available(3)();
    }),
  );
  figures["memory"]!.push(await memory());
  await kubectl("scale", "deployment", "bench", "--replicas=30");
  figures["grow"]!.push(await seconds(available(30)));
  await kubectl("scale", "deployment", "bench", "--replicas=3");
  figures["shrink"]!.push(
    await seconds(() =>
      within(120_000, "three pods left", async () => {
        expectThat((await getJson("pods", "-l", "app=bench")).items.length === 3, "not yet");
      }),
    ),
  );
  const [pod] = await livePods("app=bench");
  const { pid } = await containerTask(pod);
  process.kill(pid, "SIGKILL");
  figures["heal"]!.push(
    await seconds(() =>
      within(60_000, "Ready again", async () => {
        const now: Any = await getJson("pod", pod.metadata.name);
        expectThat(now.status.containerStatuses[0].restartCount === 1 && isReady(now), "not yet");
      }),
    ),
  );
}
await tri(["down", "--purge"]);
tell("cluster up to ready", "s", figures["up"]!, { "k3s 1.21": 17.8, "swarm 20.10": 0.7 });
tell("apply to 3 available, 1 s readiness period", "s", figures["apply"]!, { "k3s 1.21": 2.2, "swarm 20.10": 6.4 });
tell("scale 3 to 30", "s", figures["grow"]!, { "k3s 1.21": 21.7, "swarm 20.10": 8.6 });
tell("scale 30 to 3, 1 s grace", "s", figures["shrink"]!, { "k3s 1.21": 25, "swarm 20.10": 16 });
tell("container killed to ready", "s", figures["heal"]!, { "k3s 1.21": 2.0, "swarm 20.10": 5.8 });
tell("one server and one node, resident", "B", figures["memory"]!, { "k3s 1.21": 520e6, "swarm 20.10": 160e6 });
