/**
 * Goal: what pods use is measured truly, and an autoscaler follows it up and down, within its bounds and policies, and
 * changes nothing while it can not see. Method: a shell loop that is busy until a file appears, and a container that holds
 * some memory; the kernel's own counters say what was used; then all nats-servers are frozen. The limits are small, so that
 * a busy machine can give what they allow.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Any,
  applyText,
  cgroupOf,
  containerTask,
  ensureCluster,
  freshNamespace,
  getJson,
  kubectl,
  leaveNamespace,
  livePods,
  status,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, must, within } from "./process.ts";

const NS = "autoscaling";

const deployment = (name: string, script: string, limits: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${NS} }
spec:
  replicas: 1
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: ${name}
          image: trireme.local/hello:1
          command: [busybox, sh, -c, "${script}"]
          resources: { requests: { cpu: 10m, memory: 8Mi }, limits: { ${limits} } }
---`;

const HELD_MEBIBYTES = 20;
const MANIFEST = `
${deployment("busy", "while :; do [ -e /idle ] && busybox sleep 1; done", "cpu: 100m, memory: 32Mi")}
${deployment("hungry", `busybox dd if=/dev/zero of=/dev/shm/held bs=1M count=${HELD_MEBIBYTES}; busybox sleep 600`, "memory: 48Mi")}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: hungry, namespace: ${NS} }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: hungry }
  maxReplicas: 3
  metrics: [{ type: Resource, resource: { name: memory, target: { type: AverageValue, averageValue: 5Mi } } }]
  behavior: { scaleUp: { policies: [{ type: Pods, value: 1, periodSeconds: 60 }] } }
`;
/** The default of five minutes is for people; the test shrinks as soon as the load is gone. */
const EAGER = '{"spec":{"behavior":{"scaleDown":{"stabilizationWindowSeconds":0}}}}';

/** Longer than the agents' window of measurement, so that the readings of both are about the same load. */
const READING_MS = 6_000;

/** Nanoseconds of CPU that a container's cgroup has used. */
function cpuNanos(memoryGroup: string): number {
  const v1 = memoryGroup.replace("/sys/fs/cgroup/memory/", "/sys/fs/cgroup/cpuacct/");
  if (v1 !== memoryGroup) return Number(readFileSync(`${v1}/cpuacct.usage`, "utf8"));
  return 1000 * Number(/^usage_usec (\d+)$/m.exec(readFileSync(`${memoryGroup}/cpu.stat`, "utf8"))![1]);
}

const replicas = async (name: string): Promise<number> => (await getJson("deployment", name, "-n", NS)).spec.replicas;

async function conditions(name: string): Promise<Record<string, string>> {
  const { status: said } = await getJson("hpa", name, "-n", NS);
  return Object.fromEntries(
    (said?.conditions ?? []).map((one: Any) => [one.type, `${one.status}: ${one.reason}: ${one.message}`]),
  );
}

describe("autoscaling", () => {
  beforeAll(async () => {
    await ensureCluster();
    await freshNamespace(NS);
    await applyText(MANIFEST);
    await kubectl("rollout", "status", "deployment/busy", "-n", NS, "--timeout=60s");
  });
  afterAll(async () => {
    await leaveNamespace(NS);
  });

  it("grows a busy deployment to its maximum within 15 s and the start of its pods", async () => {
    const began = performance.now();
    const seconds = (): string => ((performance.now() - began) / 1000).toFixed(1);
    const args = ["--min=1", "--max=3", "--cpu=100%", "-n", NS];
    const made = await tryKubectl(["autoscale", "deployment", "busy", ...args]);
    if (made.code !== 0) await kubectl("autoscale", "deployment", "busy", ...args.with(2, "--cpu-percent=100"));
    await kubectl("patch", "hpa", "busy", "-n", NS, "--type=merge", "-p", EAGER);
    await within(15_000, "three replicas are wanted", async () => {
      expectThat((await replicas("busy")) === 3, "not yet");
    });
    const wanted = seconds();
    await kubectl("rollout", "status", "deployment/busy", "-n", NS, "--timeout=20s");
    console.log(`busy pod under an autoscaler: maximum wanted after ${wanted} s, running after ${seconds()} s`);
  });

  it("shows what the kernel counts, within 10 %", async () => {
    const [pod] = await livePods("app=busy", NS);
    const { name } = pod.metadata;
    const group = cgroupOf((await containerTask(pod)).pid);
    await within(25_000, "kubectl top agrees with the cgroup", async () => {
      const before = { nanos: cpuNanos(group), atMs: performance.now() };
      await sleep(READING_MS);
      const top = await kubectl("top", "pod", name, "-n", NS, "--no-headers");
      const counted = (cpuNanos(group) - before.nanos) / 1e6 / ((performance.now() - before.atMs) / 1000);
      // A pod's name may hold a digit before an "m", too.
      const shown = Number(/ (\d+)m /.exec(top)![1]);
      expectThat(Math.abs(shown - counted) <= counted * 0.1, `top says ${shown}m, the cgroup ${counted.toFixed(0)}m`);
      console.log(`kubectl top: ${shown}m, the cgroup: ${counted.toFixed(1)}m`);
    });
    const nodes = await kubectl("top", "nodes", "--no-headers");
    expect(nodes.trim().split("\n")[0]).toMatch(/^\S+ +\d+m +\d+% +\d+Mi +\d+%/);
  });

  it("says what it measured and decided", async () => {
    const { status: said } = await getJson("hpa", "busy", "-n", NS);
    expect(said).toMatchObject({ desiredReplicas: 3, lastScaleTime: expect.any(String) });
    expect(said.currentMetrics[0].resource.current.averageUtilization).toBeGreaterThan(100);
    expect(await conditions("busy")).toEqual({
      AbleToScale: expect.stringMatching(/^True: /),
      ScalingActive: expect.stringMatching(/^True: ValidMetricFound: /),
      ScalingLimited: expect.stringMatching(/^True: TooManyReplicas: /),
    });
    expect(await kubectl("get", "hpa", "busy", "-n", NS)).toMatch(/busy +Deployment\/busy +cpu: \d+%\/100% +1 +3 +3/);
  });

  it("scales by memory, one pod at a time when its policy says so", async () => {
    await within(30_000, "one more pod", async () => {
      expectThat((await replicas("hungry")) === 2, "not yet");
      const { ScalingLimited: limited } = await conditions("hungry");
      expectThat(limited?.startsWith("True: ScaleUpLimit: ") ?? false, `${limited}`);
    });
    const { status: said } = await getJson("hpa", "hungry", "-n", NS);
    const held = Number(/^(\d+)$/.exec(said.currentMetrics[0].resource.current.averageValue)![1]) / 2 ** 20;
    console.log(`memory under an autoscaler: ${held.toFixed(1)} MiB measured, ${HELD_MEBIBYTES} MiB held`);
    expect(held).toBeGreaterThan(HELD_MEBIBYTES * 0.9);
    expect(held).toBeLessThan(HELD_MEBIBYTES * 1.3);
  });

  it("keeps the size while it can not see, says why, and shrinks once it sees that the load is gone", async () => {
    const pids = (await status()).servers.map((server) => server.pids.nats);
    for (const pid of pids) process.kill(pid, "SIGSTOP");
    try {
      for (const pod of await livePods("app=busy", NS)) {
        const { pid } = await containerTask(pod);
        await must("nsenter", ["-t", String(pid), "-m", "--", "busybox", "touch", "/idle"]);
      }
      await within(25_000, "its condition says that nothing is measured", async () => {
        const { ScalingActive: active } = await conditions("busy");
        expectThat(active?.startsWith("False: FailedGetResourceMetric: ") ?? false, `${active}`);
      });
      expect(await replicas("busy")).toBe(3);
      expect((await tryKubectl(["top", "pod", "-n", NS])).stderr).toMatch(/metrics not available|not available yet/i);
    } finally {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    }
    await within(20_000, "one replica is wanted", async () => {
      expectThat((await replicas("busy")) === 1, "not yet");
    });
    // It scales first and says why afterwards.
    await within(5_000, "it says that it measures again", async () => {
      expect((await conditions("busy"))["ScalingActive"]).toMatch(/^True: ValidMetricFound: /);
    });
  });
});
