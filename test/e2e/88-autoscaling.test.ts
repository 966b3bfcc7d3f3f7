/**
 * Goal: what pods use is measured truly, and an autoscaler follows it up and down. Method: one deployment of a shell loop
 * that is busy until a file appears; the kernel's own counters say what was used.
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
  getJson,
  kubectl,
  livePods,
  tryKubectl,
} from "./cluster.ts";
import { expectThat, must, within } from "./process.ts";

const NS = "autoscaling";
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: busy, namespace: ${NS} }
spec:
  replicas: 1
  selector: { matchLabels: { app: busy } }
  template:
    metadata: { labels: { app: busy } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: busy
          image: trireme.local/hello:1
          command: [busybox, sh, -c, "while :; do [ -e /idle ] && busybox sleep 1; done"]
          resources: { requests: { cpu: 100m, memory: 8Mi }, limits: { cpu: 300m, memory: 32Mi } }
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

const replicas = async (): Promise<number> => (await getJson("deployment", "busy", "-n", NS)).spec.replicas;

describe("autoscaling", () => {
  beforeAll(async () => {
    await ensureCluster();
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
    await kubectl("create", "namespace", NS);
    await applyText(MANIFEST);
    await kubectl("rollout", "status", "deployment/busy", "-n", NS, "--timeout=30s");
  });
  afterAll(async () => {
    await tryKubectl(["delete", "namespace", NS, "--ignore-not-found", "--timeout=60s"]);
  });

  it("grows a busy deployment to its maximum within 15 s", async () => {
    const args = ["--min=1", "--max=3", "--cpu=50%", "-n", NS];
    const made = await tryKubectl(["autoscale", "deployment", "busy", ...args]);
    if (made.code !== 0) await kubectl("autoscale", "deployment", "busy", ...args.with(2, "--cpu-percent=50"));
    await kubectl("patch", "hpa", "busy", "-n", NS, "--type=merge", "-p", EAGER);
    await within(15_000, "three replicas are wanted", async () => {
      expectThat((await replicas()) === 3, "not yet");
    });
    await kubectl("rollout", "status", "deployment/busy", "-n", NS, "--timeout=20s");
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
      const shown = Number(/(\d+)m/.exec(top)![1]);
      expectThat(Math.abs(shown - counted) <= counted * 0.1, `top says ${shown}m, the cgroup ${counted.toFixed(0)}m`);
    });
    const nodes = await kubectl("top", "nodes", "--no-headers");
    expect(nodes.trim().split("\n")[0]).toMatch(/^\S+ +\d+m +\d+% +\d+Mi +\d+%/);
  });

  it("says what it measured and decided", async () => {
    const { status } = await getJson("hpa", "busy", "-n", NS);
    expect(status).toMatchObject({ desiredReplicas: 3, lastScaleTime: expect.any(String) });
    expect(status.currentMetrics[0].resource.current.averageUtilization).toBeGreaterThan(50);
    const conditions = Object.fromEntries(status.conditions.map((one: Any) => [one.type, one.status]));
    expect(conditions).toEqual({ AbleToScale: "True", ScalingActive: "True", ScalingLimited: "True" });
    expect(await kubectl("get", "hpa", "busy", "-n", NS)).toMatch(/busy +Deployment\/busy +cpu: \d+%\/50% +1 +3 +3/);
  });

  it("shrinks again when the load is gone", async () => {
    for (const pod of await livePods("app=busy", NS)) {
      const { pid } = await containerTask(pod);
      await must("nsenter", ["-t", String(pid), "-m", "--", "busybox", "touch", "/idle"]);
    }
    await within(20_000, "one replica is wanted", async () => {
      expectThat((await replicas()) === 1, "not yet");
    });
  });
});
