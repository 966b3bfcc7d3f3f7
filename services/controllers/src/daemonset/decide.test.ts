import type { DaemonSet, DaemonSetSpec, Node, Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { REVISION_LABEL } from "../revisions.ts";
import { decideDaemonSet } from "./decide.ts";
import { nodeOf, specFor } from "./node-fit.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const LABELS = { app: "agent" };

function daemonSet(spec: Partial<DaemonSetSpec> = {}, pod: Partial<Pod["spec"]> = {}): DaemonSet {
  return {
    metadata: { name: "agent", namespace: "default", uid: "ds-1", generation: 1 },
    spec: {
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: { containers: [{ name: "c" }], ...pod } },
      ...spec,
    },
  };
}

function node(name: string, spec: Node["spec"] = {}, labels: Record<string, string> = {}): Node {
  return { metadata: { name, labels }, spec };
}

interface Shape {
  revision?: string;
  phase?: string;
  ready?: boolean;
  deleting?: boolean;
  waiting?: boolean;
  name?: string;
}

function pod(on: string, shape: Shape = {}): Pod {
  const { revision = "new", phase = "Running", ready = true, name = `agent-${on}` } = shape;
  return {
    metadata: {
      name,
      namespace: "default",
      uid: name,
      labels: { ...LABELS, [REVISION_LABEL]: revision },
      creationTimestamp: "2026-11-22T09:59:55Z",
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "agent", uid: "ds-1", controller: true }],
      ...(shape.deleting ? { deletionTimestamp: "2026-11-22T10:00:00Z" } : {}),
    },
    spec: shape.waiting ? specFor({ containers: [] }, on) : { containers: [], nodeName: on },
    status: { phase, conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}

const THREE = [node("n1"), node("n2"), node("n3")];
function decide(of: DaemonSet, nodes: Node[], pods: Pod[], lost: string[] = [], now = NOW) {
  return decideDaemonSet({ daemonSet: of, revision: "new", nodes, pods, isLost: (name) => lost.includes(name) }, now);
}
function told(of: DaemonSet, nodes: Node[], pods: Pod[], lost: string[] = []): string[] {
  return decide(of, nodes, pods, lost).actions.map((one) =>
    one.type === "create" ? `create on ${one.node}` : `${one.type} ${one.pod.metadata.name}`,
  );
}

describe("a DaemonSet", () => {
  it("has one pod on each node, those that wait for theirs included", () => {
    expect(told(daemonSet(), THREE, [pod("n1"), pod("n2", { waiting: true })])).toEqual(["create on n3"]);
    expect(told(daemonSet(), THREE.slice(0, 1), [pod("n1"), pod("n1", { name: "z" })])).toEqual(["delete z"]);
    expect(told(daemonSet(), [], [pod("n9", { waiting: true }), pod("n8")])).toEqual(["delete agent-n9"]);
  });

  it("waits for the old pod to go before it makes another there", () => {
    expect(told(daemonSet(), [node("n1")], [pod("n1", { deleting: true })])).toEqual([]);
  });

  it("goes where its selector and tolerations let it", () => {
    const tainted = node("n2", { taints: [{ key: "gpu", value: "yes", effect: "NoSchedule" }] });
    const cordoned = node("n3", {
      unschedulable: true,
      taints: [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }],
    });
    expect(told(daemonSet(), [node("n1"), tainted, cordoned], [])).toEqual(["create on n1", "create on n3"]);
    const tolerant = daemonSet({}, { tolerations: [{ key: "gpu", operator: "Exists" }] });
    expect(told(tolerant, [tainted], [])).toEqual(["create on n2"]);
    const choosy = daemonSet({}, { nodeSelector: { disk: "ssd" } });
    expect(told(choosy, [node("n1"), node("n2", {}, { disk: "ssd" })], [pod("n1")])).toEqual([
      "create on n2",
      "delete agent-n1",
    ]);
    // A taint that keeps new pods out leaves the one that is there.
    expect(told(daemonSet(), [tainted], [pod("n2")])).toEqual([]);
    const evicting = node("n2", { taints: [{ key: "gpu", effect: "NoExecute" }] });
    expect(told(daemonSet(), [evicting], [pod("n2")])).toEqual(["delete agent-n2"]);
  });

  it("replaces old pods one node at a time", () => {
    const old = THREE.map(({ metadata }) => pod(metadata.name, { revision: "old" }));
    expect(told(daemonSet(), THREE, old)).toEqual(["delete agent-n1"]);
    expect(told(daemonSet(), THREE, [pod("n1", { ready: false }), ...old.slice(1)])).toEqual([]);
    expect(told(daemonSet(), THREE, [pod("n1", { ready: false, revision: "old" }), ...old.slice(1)])).toEqual([
      "delete agent-n1",
    ]);
    expect(told(daemonSet(), THREE, [pod("n1"), ...old.slice(1)], ["n1"])).toEqual([]);
    const many = { updateStrategy: { rollingUpdate: { maxUnavailable: "50%" } } };
    expect(told(daemonSet(many), THREE, old)).toHaveLength(2);
    expect(told(daemonSet({ updateStrategy: { type: "OnDelete" } }), THREE, old)).toEqual([]);
  });

  it("replaces a pod that ended, after a while", () => {
    const ended = pod("n1", { phase: "Failed", ready: false });
    expect(decide(daemonSet(), [node("n1")], [ended])).toMatchObject({ actions: [], requeueAfterMs: 5_000 });
    expect(decide(daemonSet(), [node("n1")], [ended], [], NOW + 5_000).actions).toMatchObject([{ type: "delete" }]);
  });

  it("counts nodes", () => {
    const tainted = node("n4", { taints: [{ key: "gpu", effect: "NoSchedule" }] });
    const pods = [pod("n1"), pod("n2", { ready: false, revision: "old" }), pod("n4")];
    expect(decide(daemonSet(), [...THREE, tainted], pods).status).toEqual({
      desiredNumberScheduled: 3,
      currentNumberScheduled: 2,
      numberMisscheduled: 1,
      numberReady: 1,
      numberAvailable: 1,
      numberUnavailable: 2,
      updatedNumberScheduled: 1,
      observedGeneration: 1,
    });
  });
});

it("a pod for a node is bound to it by affinity, beside what the template prefers", () => {
  const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [] };
  const spec = specFor({ containers: [], affinity: { nodeAffinity: preferred } }, "n7");
  expect(spec.affinity?.nodeAffinity).toMatchObject(preferred);
  expect(nodeOf({ metadata: { name: "p" }, spec })).toBe("n7");
  expect(spec.tolerations).toContainEqual({
    key: "node.kubernetes.io/unreachable",
    operator: "Exists",
    effect: "NoExecute",
  });
});
