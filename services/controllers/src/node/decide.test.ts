import type { Node, Pod, Taint, Toleration } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type NodeAction, type NodeObserved, decideNode } from "./decide.ts";
import { HEARTBEAT_GRACE_MS, LEASE_GRACE_MS, NodeHealth } from "./health.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const unreachable = (effect: string): Taint => ({ key: "node.kubernetes.io/unreachable", effect });

function node(ready: string | undefined, taints: Taint[] = [], unschedulable = false): Node {
  return {
    metadata: { name: "n1" },
    spec: { taints, ...(unschedulable ? { unschedulable } : {}) },
    status: ready === undefined ? {} : { conditions: [{ type: "Ready", status: ready }] },
  };
}

function pod(name: string, tolerations: Toleration[] = []): Pod {
  return { metadata: { name, uid: name }, spec: { containers: [], tolerations, nodeName: "n1" } };
}

function decide(one: Node, change: Partial<NodeObserved> = {}) {
  const observed = {
    node: one,
    pods: [],
    msUntilLost: 3000,
    massLoss: false,
    taintedSince: () => NOW,
    defaultTolerationSeconds: 5,
  };
  return decideNode({ ...observed, ...change }, NOW);
}

function taintsOf(actions: readonly NodeAction[]): string[] | undefined {
  const action = actions.find((one) => one.type === "taints");
  return action?.type === "taints"
    ? action.taints.map((taint) => `${taint.key.split("/")[1]}:${taint.effect}`)
    : undefined;
}

function evicted(actions: readonly NodeAction[]): string[] {
  return actions.flatMap((one) => (one.type === "evict" ? [one.pod.metadata.name] : []));
}

describe("decideNode", () => {
  it("leaves a healthy node alone and looks again when it could be lost", () => {
    expect(decide(node("True"))).toEqual({ actions: [], becameLost: false, requeueAfterMs: 3000 });
  });

  it("marks a silent node Unknown and taints it in one go", () => {
    const { actions, becameLost } = decide(node("True"), { msUntilLost: 0 });
    expect(becameLost).toBe(true);
    const conditions = actions.find((one) => one.type === "conditions");
    expect(conditions?.type === "conditions" && conditions.conditions[0]).toMatchObject({
      type: "Ready",
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
    });
    expect(taintsOf(actions)).toEqual(["unreachable:NoSchedule", "unreachable:NoExecute"]);
  });

  it.each<[string, Node, Partial<NodeObserved>, string[] | undefined]>([
    ["not ready", node("False"), {}, ["not-ready:NoSchedule", "not-ready:NoExecute"]],
    ["never reported", node(undefined), {}, ["not-ready:NoSchedule"]],
    ["ready again", node("True", [unreachable("NoSchedule"), unreachable("NoExecute")]), {}, []],
    ["cordoned", node("True", [], true), {}, ["unschedulable:NoSchedule"]],
    [
      "keeps others' taints",
      node("True", [{ key: "a/dedicated", effect: "NoSchedule" }, unreachable("NoExecute")]),
      {},
      ["dedicated:NoSchedule"],
    ],
    [
      "still lost",
      node("Unknown", [unreachable("NoSchedule"), unreachable("NoExecute")]),
      { msUntilLost: -1 },
      undefined,
    ],
    [
      "heard again, but not reported yet",
      node("Unknown", [unreachable("NoSchedule"), unreachable("NoExecute")]),
      {},
      undefined,
    ],
  ])("taints a node that is %s", (_name, one, change, expected) => {
    expect(taintsOf(decide(one, change).actions)).toEqual(expected);
  });

  it("takes readiness away from the pods of a silent node, once, and from no others", () => {
    const of = (name: string, status: string, phase = "Running"): Pod => ({
      ...pod(name),
      status: { phase, conditions: [{ type: "Ready", status }] },
    });
    const pods = [of("ready", "True"), of("unready", "False"), of("over", "True", "Succeeded"), pod("new")];
    const marked = (one: Node, change: Partial<NodeObserved>) =>
      decide(one, { pods, taintedSince: () => NOW, ...change }).actions.flatMap((action) =>
        action.type === "unready" ? [[action.pod.metadata.name, action.condition.status, action.condition.reason]] : [],
      );
    expect(marked(node("True"), { msUntilLost: 0 })).toEqual([["ready", "False", "NodeNotReady"]]);
    expect(marked(node("Unknown"), { msUntilLost: -1, massLoss: true })).toHaveLength(1);
    expect(marked(node("False"), {})).toEqual([]);
    expect(marked(node("True"), {})).toEqual([]);
  });

  it("evicts after the pod's own toleration, or after the cluster's default", () => {
    const lost = node("Unknown", [unreachable("NoSchedule"), unreachable("NoExecute")]);
    const key = "node.kubernetes.io/unreachable";
    const pods = [
      pod("default"),
      pod("patient", [{ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 60 }]),
      pod("for-ever", [{ key, operator: "Exists" }]),
      pod("everything", [{ operator: "Exists" }]),
      pod("hasty", [{ key, operator: "Exists", tolerationSeconds: 0 }]),
      { ...pod("ending"), metadata: { name: "ending", deletionTimestamp: "2026-11-22T10:00:00Z" } },
    ];
    const at = (seconds: number) => decide(lost, { msUntilLost: -1, pods, taintedSince: () => NOW - seconds * 1000 });
    expect(evicted(at(0).actions)).toEqual(["hasty"]);
    expect(at(0).requeueAfterMs).toBe(5000);
    expect(evicted(at(5).actions)).toEqual(["default", "hasty"]);
    expect(at(5).requeueAfterMs).toBe(55_000);
    expect(evicted(at(60).actions)).toEqual(["default", "patient", "hasty"]);
  });

  it("evicts nobody while most nodes are lost, but obeys other NoExecute taints", () => {
    const lost = node("Unknown", [unreachable("NoSchedule"), unreachable("NoExecute")]);
    const change = { msUntilLost: -1, pods: [pod("a")], massLoss: true, taintedSince: () => 0 };
    expect(decide(lost, change).actions).toEqual([]);
    const drained = node("True", [{ key: "maintenance", effect: "NoExecute" }]);
    expect(evicted(decide(drained, { ...change, msUntilLost: 3000 }).actions)).toEqual(["a"]);
  });
});

describe("NodeHealth", () => {
  function three(): NodeHealth {
    const health = new NodeHealth();
    for (const name of ["a", "b", "c"]) {
      health.known(name, 0);
      health.beat(name, 0);
    }
    return health;
  }

  it("loses a node that stops beating while others go on", () => {
    const health = three();
    for (let t = 1000; t <= 5000; t += 1000) for (const name of ["a", "b"]) health.beat(name, t);
    expect(health.msUntilLost("c", 4000)).toBe(1000);
    expect(health.msUntilLost("c", 5000)).toBe(0);
    expect(health.msUntilLost("a", 5000)).toBe(HEARTBEAT_GRACE_MS);
  });

  it("doubts the bus when most nodes fall silent at once, and then believes the leases", () => {
    const health = three();
    health.beat("a", 6000);
    expect(health.msUntilLost("b", 6000)).toBe(LEASE_GRACE_MS - 6000);
    health.lease("b", "t1", 10_000);
    expect(health.msUntilLost("b", 10_000)).toBe(LEASE_GRACE_MS);
    health.lease("b", "t1", 20_000);
    expect(health.msUntilLost("b", 50_000)).toBe(0);
  });

  it("does not take the silence of a lost bus for the silence of nodes", () => {
    const health = three();
    health.busLost();
    expect(health.msUntilLost("a", 6000)).toBe(LEASE_GRACE_MS - 6000);
    for (const name of ["a", "b", "c"]) health.beat(name, 7000);
    expect(health.msUntilLost("a", 7000)).toBe(HEARTBEAT_GRACE_MS);
  });

  it("is patient with a node that lost the bus, but reaches the API", () => {
    const health = three();
    for (let t = 1000; t <= 9000; t += 1000) for (const name of ["a", "b"]) health.beat(name, t);
    health.lease("c", "t1", 4000);
    expect(health.msUntilLost("c", 9000)).toBe(LEASE_GRACE_MS - 5000);
  });

  it("gives everybody the full time when an office begins", () => {
    const health = three();
    health.grace(100_000);
    expect(health.msUntilLost("a", 100_000)).toBe(HEARTBEAT_GRACE_MS);
  });

  it("takes a changed stamp in the status for a sign of life, whatever it says", () => {
    const health = new NodeHealth();
    health.status("a", "2001-01-01T00:00:00Z", 0);
    health.status("a", "2001-01-01T00:00:10Z", 30_000);
    expect(health.msUntilLost("a", 30_000)).toBe(LEASE_GRACE_MS);
    health.status("a", "2001-01-01T00:00:10Z", 60_000);
    expect(health.msUntilLost("a", 60_000)).toBe(10_000);
  });
});
