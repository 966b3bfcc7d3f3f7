import type { Pod, PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type DisruptionDecision, type Scale, decideDisruptions } from "./decide.ts";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const TIME = "2026-11-22T12:00:00Z";

interface Facts {
  readonly ready?: boolean;
  readonly deleted?: boolean;
  readonly node?: string;
  /** The uid of its controller; none when empty. */
  readonly owner?: string;
}

function pod(name: string, { ready = true, deleted = false, node = "n1", owner = "web" }: Facts = {}): Pod {
  const controller = { apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true };
  return {
    metadata: {
      name,
      namespace: "ns",
      ...(owner === "" ? {} : { ownerReferences: [controller] }),
      ...(deleted ? { deletionTimestamp: TIME } : {}),
    },
    spec: { containers: [], nodeName: node },
    status: { phase: "Running", conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

function decide(
  spec: PodDisruptionBudgetSpec,
  pods: readonly Pod[],
  more: { status?: PodDisruptionBudgetStatus; scales?: Record<string, number>; lost?: string } = {},
): DisruptionDecision {
  const { status, scales = { web: pods.length }, lost = "" } = more;
  const budget: PodDisruptionBudget = {
    metadata: { name: "web", namespace: "ns", generation: 2 },
    spec,
    ...(status === undefined ? {} : { status }),
  };
  const scaleOf = ({ uid }: { uid: string }): Scale | undefined =>
    scales[uid] === undefined ? undefined : { uid, replicas: scales[uid] };
  return decideDisruptions({ budget, pods, isLost: (node) => node === lost, scaleOf }, NOW);
}

const three = [pod("a"), pod("b"), pod("c")];
const numbers = ({ status }: DisruptionDecision): (number | undefined)[] => [
  status.disruptionsAllowed,
  status.currentHealthy,
  status.desiredHealthy,
  status.expectedPods,
];

describe("a disruption budget", () => {
  it("allows what is healthy beyond what must stay", () => {
    const decision = decide({ minAvailable: 2 }, three);
    expect(numbers(decision)).toEqual([1, 3, 2, 3]);
    expect(decision.status).toMatchObject({
      observedGeneration: 2,
      conditions: [{ type: "DisruptionAllowed", status: "True", reason: "SufficientPods", observedGeneration: 2 }],
    });
    expect(numbers(decide({ minAvailable: 5 }, three))).toEqual([0, 3, 5, 3]);
  });

  it("counts shares of what the workloads want, rounded up", () => {
    expect(numbers(decide({ minAvailable: "50%" }, three))).toEqual([1, 3, 2, 3]);
    expect(numbers(decide({ maxUnavailable: "30%" }, three, { scales: { web: 5 } }))).toEqual([0, 3, 3, 5]);
    expect(numbers(decide({ maxUnavailable: 1 }, three))).toEqual([1, 3, 2, 3]);
    expect(numbers(decide({ maxUnavailable: 9 }, three))).toEqual([3, 3, 0, 3]);
    const two = [pod("a"), pod("x", { owner: "other" })];
    expect(numbers(decide({ minAvailable: "100%" }, two, { scales: { web: 1, other: 2 } }))).toEqual([0, 2, 3, 3]);
  });

  it("takes for healthy only what is ready, stays, and is heard of", () => {
    const pods = [
      pod("ready"),
      pod("unready", { ready: false }),
      pod("going", { deleted: true }),
      pod("silent", { node: "n2" }),
      pod("evicted"),
    ];
    const status = { disruptionsAllowed: 0, disruptedPods: { evicted: TIME, gone: TIME, going: TIME } };
    const decision = decide({ minAvailable: 0 }, pods, { status, lost: "n2" });
    expect(numbers(decision)).toEqual([1, 1, 0, 5]);
    // Until its end is seen, at most two minutes.
    expect(decision.status.disruptedPods).toEqual({ evicted: TIME });
    expect(decision.requeueAfterMs).toBe(120_001);
  });

  it("counts a pod again that did not end after all, and says so", () => {
    const status = { disruptedPods: { a: "2026-11-22T11:57:59Z" } };
    const { tellings, ...decision } = decide({ minAvailable: 2 }, three, { status });
    expect(numbers({ tellings, ...decision })).toEqual([1, 3, 2, 3]);
    expect(decision.status.disruptedPods).toBeUndefined();
    expect(tellings).toMatchObject([{ about: { metadata: { name: "a" } }, reason: "NotDeleted" }]);
  });

  it("allows nothing while it sees no pods or can not count them", () => {
    expect(numbers(decide({ maxUnavailable: 1 }, []))).toEqual([0, 0, 0, 0]);
    expect(decide({ maxUnavailable: 1 }, []).tellings).toMatchObject([{ reason: "NoPods" }]);
    const unknown = decide({ maxUnavailable: 1 }, three, { scales: {}, status: { disruptionsAllowed: 2 } });
    expect(unknown.tellings).toMatchObject([
      {
        reason: "CalculateExpectedPodCountFailed",
        message: 'Failed to calculate the number of expected pods: found no controllers for pod "a"',
      },
    ]);
    expect(unknown.status).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ status: "False", reason: "SyncFailed", message: 'found no controllers for pod "a"' }],
    });
  });

  it("tells of pods that nobody controls when it counts shares", () => {
    const pods = [pod("a"), pod("alone", { owner: "" })];
    expect(decide({ minAvailable: "50%" }, pods, { scales: { web: 1 } }).tellings).toMatchObject([
      { type: "Warning", reason: "UnmanagedPods" },
    ]);
    expect(decide({ minAvailable: 1 }, pods).tellings).toEqual([]);
  });

  it("is settled by its own status", () => {
    const { status } = decide({ minAvailable: 2 }, three);
    expect(decide({ minAvailable: 2 }, three, { status }).status).toEqual(status);
  });
});
