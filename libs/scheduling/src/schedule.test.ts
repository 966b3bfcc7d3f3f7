import type { Node, Pod } from "@trireme/api";
import { createPrng } from "@trireme/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClusterState, schedule } from "./index.ts";

function node(
  name: string,
  change: Partial<Node["spec"] & object> = {},
  allocatable: Record<string, string> = {},
): Node {
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...(name === "n1" ? { disk: "ssd" } : {}) } },
    spec: change,
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "110", ...allocatable } },
  };
}

function pod(name: string, spec: Partial<Pod["spec"]> = {}, owner?: string): Pod {
  const container = { name: "c", image: "i", resources: { requests: { cpu: "100m", memory: "64Mi" } } };
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      ...(owner === undefined
        ? {}
        : {
            ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }],
          }),
    },
    spec: { containers: [container], ...spec },
  };
}

function requesting(requests: Record<string, string>): Partial<Pod["spec"]> {
  return { containers: [{ name: "c", image: "i", resources: { requests } }] };
}

function cluster(...nodes: Node[]): ClusterState {
  const state = new ClusterState();
  for (const one of nodes) state.setNode(one);
  return state;
}

function place(state: ClusterState, one: Pod, seed = 1): string {
  const result = schedule(state.snapshot(), one, 0, createPrng(seed));
  if (result.kind === "unschedulable") return result.message;
  state.assume(one, result.node);
  return result.node;
}

const three = (): ClusterState => cluster(node("n1"), node("n2"), node("n3"));
const dedicated = { taints: [{ key: "dedicated", value: "db", effect: "NoSchedule" }] };

describe("schedule", () => {
  it.each<[string, ClusterState, Pod, string]>([
    ["no nodes", cluster(), pod("a"), "0/0 nodes are available: no nodes are registered."],
    ["node name", three(), pod("a", { nodeName: "n2" }), "n2"],
    ["node selector", three(), pod("a", { nodeSelector: { disk: "ssd" } }), "n1"],
    [
      "no such label",
      three(),
      pod("a", { nodeSelector: { disk: "hdd" } }),
      "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "mixed reasons",
      cluster(node("n1", dedicated), node("n2"), node("n3")),
      pod("a", requesting({ cpu: "3" })),
      "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 2 Insufficient cpu.",
    ],
    [
      "several shortages of one node",
      cluster(node("n1")),
      pod("a", requesting({ cpu: "3", memory: "8Gi", "example.com/gpu": "1" })),
      "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory.",
    ],
    ["too many pods", cluster(node("n1", {}, { pods: "0" })), pod("a"), "0/1 nodes are available: 1 Too many pods."],
    [
      "cordoned",
      cluster(node("n1", { unschedulable: true })),
      pod("a"),
      "0/1 nodes are available: 1 node(s) were unschedulable.",
    ],
    [
      "cordoned, but tolerated",
      cluster(node("n1", { unschedulable: true })),
      pod("a", { tolerations: [{ operator: "Exists" }] }),
      "n1",
    ],
    [
      "tolerated taint",
      cluster(node("n1", dedicated)),
      pod("a", { tolerations: [{ key: "dedicated", value: "db", effect: "NoSchedule" }] }),
      "n1",
    ],
    [
      "wrong value is no toleration",
      cluster(node("n1", dedicated)),
      pod("a", { tolerations: [{ key: "dedicated", operator: "Equal", value: "web" }] }),
      "0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}.",
    ],
    [
      "avoids PreferNoSchedule",
      cluster(node("n1", { taints: [{ key: "k", effect: "PreferNoSchedule" }] }), node("n2", {}, { cpu: "300m" })),
      pod("a"),
      "n2",
    ],
    [
      "preferred affinity",
      three(),
      pod("a", {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 1, preference: { matchExpressions: [{ key: "disk", operator: "Exists" }] } },
            ],
          },
        },
      }),
      "n1",
    ],
    [
      "required affinity by field",
      three(),
      pod("a", {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n3"] }] }],
            },
          },
        },
      }),
      "n3",
    ],
  ])("%s", (_name, state, one, expected) => {
    expect(place(state, one)).toBe(expected);
  });

  it("spreads three replicas of one owner over three nodes, whatever the seed and the load", () => {
    for (let seed = 0; seed < 20; seed++) {
      const state = three();
      state.assume(pod("busy", requesting({ cpu: "1500m" })), "n2");
      const nodes = ["a", "b", "c"].map((name) => place(state, pod(name, {}, "rs-1"), seed));
      expect(nodes.toSorted()).toEqual(["n1", "n2", "n3"]);
    }
  });

  it("does not count ending pods as siblings", () => {
    const state = cluster(node("n1"), node("n2", {}, { cpu: "300m" }));
    const ending = pod("old", { nodeName: "n1" }, "rs-1");
    ending.metadata.deletionTimestamp = "2026-11-22T00:00:00Z";
    state.setPod(ending);
    expect(place(state, pod("new", {}, "rs-1"))).toBe("n1");
  });

  it("gives a host port once per node", () => {
    const port = (hostIP?: string): Partial<Pod["spec"]> => ({
      containers: [
        { name: "c", image: "i", ports: [{ containerPort: 80, hostPort: 8080, ...(hostIP ? { hostIP } : {}) }] },
      ],
    });
    const state = cluster(node("n1"));
    expect(place(state, pod("a", port("10.0.0.1")))).toBe("n1");
    expect(place(state, pod("b", port("10.0.0.2")))).toBe("n1");
    const refusal = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";
    expect(place(state, pod("c", port("10.0.0.1")))).toBe(refusal);
    expect(place(state, pod("d", port()))).toBe(refusal);
    state.removePod("default/a");
    state.removePod("default/b");
    expect(place(state, pod("d", port()))).toBe("n1");
  });

  it("counts init containers, sidecars and overhead as Kubernetes does", () => {
    const part = (name: string, cpu: string, restartPolicy?: string) => ({
      name,
      image: "i",
      resources: { requests: { cpu } },
      ...(restartPolicy === undefined ? {} : { restartPolicy }),
    });
    const heavyInit = pod("a", { containers: [part("c", "100m")], initContainers: [part("i", "2")] });
    const besideSidecar = pod("b", {
      containers: [part("c", "100m")],
      initContainers: [part("s", "500m", "Always"), part("i", "1600m")],
    });
    const overhead = pod("c", { containers: [part("c", "1900m")], overhead: { cpu: "200m" } });
    expect(place(cluster(node("n1")), heavyInit)).toBe("n1");
    expect(place(cluster(node("n1")), besideSidecar)).toContain("1 Insufficient cpu");
    expect(place(cluster(node("n1")), overhead)).toContain("1 Insufficient cpu");
  });
});

describe("ClusterState", () => {
  it("never places more than a node can hold and keeps exact sums through any history", () => {
    const step = fc.record({
      pod: fc.integer({ min: 0, max: 9 }),
      what: fc.constantFrom("place", "remove", "forget", "confirm"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
        const state = cluster(node("n1", {}, { cpu: "300m" }), node("n2", {}, { cpu: "300m" }));
        const where = new Map<string, string>();
        for (const { pod: index, what } of steps) {
          const one = pod(`p${index}`);
          const key = `default/p${index}`;
          if (what === "place" && !where.has(key)) {
            const name = place(state, one, index);
            if (name.startsWith("n")) where.set(key, name);
          } else if (what === "confirm" && where.has(key)) {
            state.setPod({ ...one, spec: { ...one.spec, nodeName: where.get(key)! } });
          } else if (what === "remove") {
            state.removePod(key);
            where.delete(key);
          } else if (what === "forget") {
            if (state.isAssumed(key)) where.delete(key);
            state.forget(key);
          }
          for (const { name, requested, pods } of state.snapshot().nodes) {
            const here = [...where.values()].filter((other) => other === name).length;
            expect([requested["cpu"] ?? 0, pods.size]).toEqual([here * 100, here]);
            expect(here).toBeLessThanOrEqual(3);
          }
        }
      }),
    );
  });

  it("keeps an assumption while the API still shows the pod unbound, and drops finished pods", () => {
    const state = cluster(node("n1"));
    const one = pod("a");
    state.assume(one, "n1");
    state.setPod(one);
    expect(state.snapshot().nodes[0]!.pods.size).toBe(1);
    state.setPod({ ...one, spec: { ...one.spec, nodeName: "n1" }, status: { phase: "Succeeded" } });
    expect(state.snapshot().nodes[0]!.pods.size).toBe(0);
    expect(state.isAssumed("default/a")).toBe(false);
  });

  it("remembers pods of a node that is announced later", () => {
    const state = cluster();
    state.setPod(pod("a", { nodeName: "n1" }));
    expect(state.snapshot().nodes).toEqual([]);
    state.setNode(node("n1"));
    expect(state.snapshot().nodes[0]!.requested["cpu"]).toBe(100);
    state.removeNode("n1");
    expect(state.snapshot().nodes).toEqual([]);
  });
});
