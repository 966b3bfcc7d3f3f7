import type { Pod, ReplicaSet } from "@trireme/api";
import { createPrng } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { decideReplicaSet, withReplicaFailure } from "./decide.ts";
import { podFromTemplate } from "./pod-from-template.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const OWNER = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: "rs-1", controller: true };

function replicaSet(replicas: number, minReadySeconds = 0): ReplicaSet {
  return {
    metadata: { name: "web", namespace: "default", uid: "rs-1", generation: 2 },
    spec: {
      replicas,
      minReadySeconds,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c" }] } },
    },
  };
}

interface PodShape {
  node?: string;
  phase?: string;
  readySince?: string;
  owner?: string | null;
  app?: string;
  deleting?: boolean;
  restarts?: number;
  created?: string;
  cost?: number;
}

function pod(name: string, shape: PodShape = {}): Pod {
  const { node = "n1", phase = "Running", owner = "rs-1" } = shape;
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      labels: { app: shape.app ?? "web" },
      ...(owner === null ? {} : { ownerReferences: [{ ...OWNER, uid: owner }] }),
      ...(shape.deleting ? { deletionTimestamp: "2026-11-22T10:00:00Z" } : {}),
      ...(shape.created ? { creationTimestamp: shape.created } : {}),
      ...(shape.cost === undefined
        ? {}
        : { annotations: { "controller.kubernetes.io/pod-deletion-cost": String(shape.cost) } }),
    },
    spec: { containers: [], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      ...(shape.readySince
        ? { conditions: [{ type: "Ready", status: "True", lastTransitionTime: shape.readySince }] }
        : {}),
      containerStatuses: [{ name: "c", ready: false, restartCount: shape.restarts ?? 0, image: "", imageID: "" }],
    },
  };
}

function decide(set: ReplicaSet, pods: Pod[], related: Pod[] = []) {
  return decideReplicaSet({ replicaSet: set, pods, related, isLost: (node) => node === "lost" }, NOW);
}

describe("decideReplicaSet", () => {
  it.each<[string, number, Pod[], unknown[]]>([
    ["creates what is missing", 3, [pod("a")], [{ type: "create", count: 2 }]],
    ["is content", 1, [pod("a")], []],
    [
      "replaces finished and ending pods",
      2,
      [pod("a", { phase: "Failed" }), pod("b", { deleting: true })],
      [{ type: "create", count: 2 }],
    ],
    ["ignores others' pods", 1, [pod("a", { owner: "rs-2" })], [{ type: "create", count: 1 }]],
    ["ignores finished strays", 0, [pod("a", { owner: null, phase: "Failed" })], []],
    ["creates at most a burst", 2000, [], [{ type: "create", count: 500 }]],
  ])("%s", (_name, replicas, pods, expected) => {
    expect(decide(replicaSet(replicas), pods).actions).toEqual(expected);
  });

  it("adopts a matching stray and counts it; releases what it no longer selects and replaces it", () => {
    const stray = pod("stray", { owner: null });
    expect(decide(replicaSet(1), [stray]).actions).toEqual([{ type: "adopt", pod: stray }]);
    const relabelled = pod("a", { app: "quarantine" });
    expect(decide(replicaSet(1), [relabelled]).actions).toEqual([
      { type: "release", pod: relabelled },
      { type: "create", count: 1 },
    ]);
  });

  it("does nothing while it is being deleted", () => {
    const dying = replicaSet(3);
    dying.metadata.deletionTimestamp = "2026-11-22T10:00:00Z";
    expect(decide(dying, [pod("a", { owner: null })]).actions).toEqual([]);
  });

  it("takes the pods that serve least first", () => {
    const ready = "2026-11-22T09:00:00Z";
    const order = [
      pod("unscheduled", { node: "", phase: "Pending" }),
      pod("pending", { phase: "Pending" }),
      pod("not-ready"),
      pod("cheap", { readySince: ready, cost: -1 }),
      pod("crowded", { readySince: ready, node: "n2" }),
      pod("just-ready", { readySince: "2026-11-22T09:30:00Z", node: "n3" }),
      pod("restarting", { readySince: ready, node: "n4", restarts: 3 }),
      pod("young", { readySince: ready, node: "n5", created: "2026-11-22T08:00:00Z" }),
      pod("old", { readySince: ready, node: "n6", created: "2026-11-22T07:00:00Z" }),
    ];
    const related = [
      ...order,
      pod("x", { owner: "rs-2", node: "n2" }),
      pod("y", { owner: "rs-2", node: "n2" }),
      pod("z", { owner: "rs-2", node: "n2", deleting: true }),
    ];
    const shuffled = order.toReversed();
    const doomed = decide(replicaSet(0), shuffled, related).actions;
    expect(doomed.map((one) => (one.type === "delete" ? one.pod.metadata.name : one.type))).toEqual(
      order.map((one) => one.metadata.name),
    );
    expect(decide(replicaSet(7), shuffled, related).actions).toHaveLength(2);
  });

  it("counts ready and available, and wakes up when minReadySeconds have passed", () => {
    const pods = [
      pod("a", { readySince: "2026-11-22T09:59:00Z" }),
      pod("b", { readySince: "2026-11-22T09:59:57Z" }),
      pod("c"),
    ];
    const { status, requeueAfterMs } = decide(replicaSet(3, 10), pods);
    expect(status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 2,
      availableReplicas: 1,
      observedGeneration: 2,
      conditions: [],
    });
    expect(requeueAfterMs).toBe(7000);
  });

  it("counts no pod of a silent node as ready", () => {
    const since = "2026-11-22T09:00:00Z";
    const { status } = decide(replicaSet(2), [
      pod("a", { readySince: since }),
      pod("b", { readySince: since, node: "lost" }),
    ]);
    expect([status.replicas, status.readyReplicas, status.availableReplicas]).toEqual([2, 1, 1]);
  });

  it("says why pods could not be created, and stops saying it", () => {
    const { status } = decide(replicaSet(1), []);
    const failed = withReplicaFailure(status, { reason: "FailedCreate", message: "quota" }, NOW);
    expect(failed.conditions).toEqual([
      {
        type: "ReplicaFailure",
        status: "True",
        reason: "FailedCreate",
        message: "quota",
        lastTransitionTime: "2026-11-22T10:00:00Z",
      },
    ]);
    expect(withReplicaFailure(failed, { reason: "FailedCreate", message: "quota" }, NOW + 5000)).toEqual(failed);
    expect(withReplicaFailure(failed, undefined, NOW).conditions).toEqual([]);
  });
});

describe("podFromTemplate", () => {
  it("names, labels and owns the pod, and keeps long names within a host name", () => {
    const template = { metadata: { labels: { app: "web" }, annotations: { a: "b" } }, spec: { containers: [] } };
    const name = "a".repeat(100);
    const created = podFromTemplate({ name, namespace: "default", reference: OWNER }, template, createPrng(1));
    expect(created.metadata.name).toMatch(/^a{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(created.metadata).toMatchObject({
      labels: { app: "web" },
      annotations: { a: "b" },
      ownerReferences: [OWNER],
    });
  });
});
