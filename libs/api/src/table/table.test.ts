import { describe, expect, it } from "vitest";
import { DEPLOYMENTS, EVENTS, NODES, PODS, SERVICES, tableFor } from "../index.ts";
import type { KubeObject, Pod, PodStatus, Resource } from "../index.ts";
import { humanDuration } from "./age.ts";

const now = Date.UTC(2026, 10, 22, 12);
const ago = (seconds: number): string => new Date(now - seconds * 1000).toISOString().replace(".000Z", "Z");

function line<T extends KubeObject>(resource: Resource<T>, object: T): string {
  return tableFor(resource, [object], { now }).rows[0]!.cells.join(" ");
}

function pod(status: PodStatus, metadata = {}, spec: Partial<Pod["spec"]> = {}): Pod {
  const meta = { name: "p", creationTimestamp: ago(300), ...metadata };
  return { metadata: meta, spec: { containers: [{ name: "a" }, { name: "b" }], ...spec }, status };
}
const state = (name: string, rest: object): never =>
  ({ name, image: "", imageID: "", restartCount: 0, ...rest }) as never;
const running = (name: string): never => state(name, { ready: true, state: { running: { startedAt: ago(9) } } });

describe("ages", () => {
  it("have two units while the second tells something", () => {
    const cases: [number, string][] = [
      [-5, "<invalid>"],
      [-1, "0s"],
      [119, "119s"],
      [120, "2m"],
      [545, "9m5s"],
      [601, "10m"],
      [7 * 3600 + 300, "7h5m"],
      [47 * 3600, "47h"],
      [76 * 3600, "3d4h"],
      [8 * 86400, "8d"],
      [800 * 86400, "2y70d"],
      [3650 * 86400, "10y"],
    ];
    for (const [seconds, words] of cases) expect(humanDuration(seconds * 1000), String(seconds)).toBe(words);
  });
});

describe("pods", () => {
  it("print phase, readiness and restarts", () => {
    expect(line(PODS, pod({ phase: "Pending" }))).toBe("p 0/2 Pending 0 5m <none> <none> <none> <none>");
    const up = pod(
      { phase: "Running", podIP: "10.0.0.1", containerStatuses: [running("a"), running("b")] },
      {},
      {
        nodeName: "node1",
      },
    );
    expect(line(PODS, up)).toBe("p 2/2 Running 0 5m 10.0.0.1 node1 <none> <none>");
    const restarted = state("a", {
      ready: true,
      restartCount: 3,
      state: { running: {} },
      lastState: { terminated: { exitCode: 1, finishedAt: ago(60) } },
    });
    expect(line(PODS, pod({ phase: "Running", containerStatuses: [restarted] }))).toContain("1/2 Running 3 (60s ago)");
  });

  it("print the reason that matters more than the phase", () => {
    const waiting = (reason: string): PodStatus => ({
      phase: "Running",
      containerStatuses: [state("a", { ready: false, state: { waiting: { reason } } })],
    });
    expect(line(PODS, pod(waiting("CrashLoopBackOff")))).toContain("0/2 CrashLoopBackOff");
    expect(line(PODS, pod(waiting("ContainerCreating")))).toContain("ContainerCreating");
    expect(line(PODS, pod({ phase: "Running" }, { deletionTimestamp: ago(1) }))).toContain("0/2 Terminating");
    const done = state("a", { ready: false, state: { terminated: { exitCode: 0, reason: "Completed" } } });
    expect(line(PODS, pod({ phase: "Succeeded", containerStatuses: [done] }))).toContain("0/2 Completed");
    const killed = state("a", { ready: false, state: { terminated: { exitCode: 137 } } });
    expect(line(PODS, pod({ phase: "Failed", containerStatuses: [killed] }))).toContain("ExitCode:137");
    expect(line(PODS, pod({ phase: "Failed", reason: "Evicted" }))).toContain("0/2 Evicted");
  });

  it("print how far initialisation is", () => {
    const spec = { initContainers: [{ name: "i" }, { name: "j" }] };
    const done = state("i", { state: { terminated: { exitCode: 0 } } });
    const pulling = state("j", { state: { waiting: { reason: "ErrImagePull" } } });
    const init = (initContainerStatuses: never[]): Pod => pod({ phase: "Pending", initContainerStatuses }, {}, spec);
    expect(line(PODS, init([done, state("j", { state: { running: {} } })]))).toContain("Init:1/2");
    expect(line(PODS, init([done, pulling]))).toContain("Init:ErrImagePull");
    expect(line(PODS, init([state("i", { state: { terminated: { exitCode: 3 } } })]))).toContain("Init:ExitCode:3");
  });
});

describe("other kinds", () => {
  it("print as kubectl's users know them", () => {
    const spec = { selector: { matchLabels: { app: "x" } }, replicas: 3 };
    const template = { spec: { containers: [{ name: "c", image: "nginx:1" }] } };
    const status = { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 };
    const metadata = { name: "d", creationTimestamp: ago(90) };
    expect(line(DEPLOYMENTS, { metadata, spec: { ...spec, template }, status })).toBe("d 2/3 3 2 90s c nginx:1 app=x");

    const ports = [
      { port: 80, nodePort: 30080, protocol: "TCP" },
      { port: 53, protocol: "UDP" },
    ];
    expect(line(SERVICES, { metadata, spec: { type: "NodePort", clusterIP: "10.96.0.7", ports } })).toBe(
      "d NodePort 10.96.0.7 <none> 80:30080/TCP,53/UDP 90s <none>",
    );

    const node = {
      metadata: { ...metadata, labels: { "node-role.kubernetes.io/worker": "" } },
      spec: { unschedulable: true },
      status: { conditions: [{ type: "Ready", status: "True" }] },
    };
    expect(line(NODES, node)).toContain("d Ready,SchedulingDisabled worker 90s");

    const event = {
      metadata: { name: "e" },
      involvedObject: { kind: "Pod", name: "p" },
      type: "Normal",
      reason: "Started",
      message: "Started container\n",
      lastTimestamp: ago(5),
      count: 2,
    };
    expect(line(EVENTS, event)).toBe("5s Normal Started pod/p   Started container <unknown> 2 e");
  });

  it("carry metadata, the object or nothing", () => {
    const objects = [pod({ phase: "Pending" })];
    expect(tableFor(PODS, objects, { now }).rows[0]!.object).toMatchObject({ kind: "PartialObjectMetadata" });
    expect(tableFor(PODS, objects, { now, includeObject: "Object" }).rows[0]!.object).toBe(objects[0]);
    const { rows, columnDefinitions } = tableFor(PODS, objects, { now, includeObject: "None" });
    expect(rows[0]).not.toHaveProperty("object");
    expect(columnDefinitions.filter((c) => c.priority === 0).map((c) => c.name)).toEqual([
      "Name",
      "Ready",
      "Status",
      "Restarts",
      "Age",
    ]);
  });
});
