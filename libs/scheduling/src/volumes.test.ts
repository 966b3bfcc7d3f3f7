import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from "@trireme/api";
import { createPrng } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { ClusterState, type StorageView, schedule } from "./index.ts";

const node = (name: string, unschedulable = false): Node => ({
  metadata: {
    name,
    labels: { "kubernetes.io/hostname": name },
    annotations: { "trireme.dev/local-path-root": `/var/${name}` },
  },
  spec: { unschedulable },
  status: { allocatable: { cpu: "2", memory: "4Gi", pods: "110" } },
});
const on = (name: string): PersistentVolume["spec"]["nodeAffinity"] => ({
  required: {
    nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [name] }] }],
  },
});
const volume = (name: string, where: string, storageClassName: string, phase = "Available"): PersistentVolume => ({
  metadata: { name },
  spec: { storageClassName, accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, nodeAffinity: on(where)! },
  status: { phase },
});
const claim = (
  change: Partial<PersistentVolumeClaim["spec"]>,
  phase = "Pending",
  meta = {},
): PersistentVolumeClaim => ({
  metadata: { name: "data", namespace: "default", ...meta },
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...change },
  status: { phase },
});
const CLASSES: StorageClass[] = [
  {
    metadata: { name: "local-path" },
    provisioner: "trireme.dev/local-path",
    volumeBindingMode: "WaitForFirstConsumer",
  },
  {
    metadata: { name: "made" },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
  },
  { metadata: { name: "hasty" }, provisioner: "example.com/disk", volumeBindingMode: "Immediate" },
];
const user: Pod = {
  metadata: { name: "p", namespace: "default" },
  spec: {
    containers: [{ name: "c", image: "i" }],
    volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }],
  },
};

/** Where the pod goes, with the claims that must be told, or why it goes nowhere. */
function place(
  of: PersistentVolumeClaim | undefined,
  volumes: PersistentVolume[] = [],
  nodes?: Node[],
  other?: Pod,
): string {
  const state = new ClusterState();
  for (const one of nodes ?? [node("n1"), node("n2"), node("n3")]) state.setNode(one);
  if (other !== undefined) state.setPod(other);
  const storage: StorageView = {
    claim: (namespace, name) => (namespace === "default" && name === "data" ? of : undefined),
    volume: (name) => volumes.find((one) => one.metadata.name === name),
    volumes: () => volumes,
    storageClass: (name) => CLASSES.find((one) => one.metadata.name === name),
  };
  const result = schedule({ ...state.snapshot(), storage }, user, 0, createPrng(1));
  if (result.kind === "unschedulable") return result.message;
  return [result.node, ...result.claims.map(({ metadata }) => metadata.name)].join(" ");
}

describe("a pod with a claim", () => {
  const none = "0/3 nodes are available:";
  const unbound = `${none} pod has unbound immediate PersistentVolumeClaims.`;
  it.each<[string, PersistentVolumeClaim | undefined, string]>([
    ["that is not there", undefined, `${none} persistentvolumeclaim "data" not found.`],
    [
      "that is going",
      claim({}, "Bound", { deletionTimestamp: "2026-11-22T10:00:00Z" }),
      `${none} persistentvolumeclaim "data" is being deleted.`,
    ],
    ["that is to be bound at once", claim({ storageClassName: "hasty" }), unbound],
    ["of no class", claim({ storageClassName: "" }), unbound],
    ["that asks for a volume by name", claim({ storageClassName: "made", volumeName: "later" }), unbound],
    [
      "whose volume is gone",
      claim({ volumeName: "gone" }, "Bound"),
      `${none} 3 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).`,
    ],
    [
      "that is lost",
      claim({ volumeName: "gone" }, "Lost"),
      `${none} persistentvolumeclaim "data" bound to non-existent persistentvolume "gone".`,
    ],
    [
      "for which nobody made a volume",
      claim({ storageClassName: "made" }),
      `${none} 3 node(s) didn't find available persistent volumes to bind.`,
    ],
  ])("%s waits and says so", (_, of, why) => {
    expect(place(of)).toBe(why);
  });

  it("goes where its volume is, and waits when that node takes no pods", () => {
    const bound = claim({ volumeName: "v" }, "Bound");
    const volumes = [volume("v", "n2", "local-path", "Bound")];
    expect(place(bound, volumes)).toBe("n2");
    expect(place(bound, volumes, [node("n1"), node("n2", true), node("n3")])).toBe(
      "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had volume node affinity conflict.",
    );
  });

  it("goes anywhere where a volume can be made, or where one was made", () => {
    expect(place(claim({ storageClassName: "local-path" }))).toMatch(/^n\d data$/);
    const made = [volume("a", "n3", "made"), volume("b", "n1", "made", "Bound"), volume("c", "n2", "other")];
    expect(place(claim({ storageClassName: "made" }), made)).toBe("n3 data");
    const bare = { ...node("n1"), metadata: { name: "n1" } };
    expect(place(claim({ storageClassName: "local-path" }), [], [bare])).toContain("didn't find available");
  });

  it("stays with the node that was chosen for its claim", () => {
    const annotations = { "volume.kubernetes.io/selected-node": "n3" };
    expect(place(claim({ storageClassName: "local-path" }, "Pending", { annotations }))).toBe("n3 data");
  });

  it("that is for one pod alone waits for the other", () => {
    const alone = claim({ volumeName: "v", accessModes: ["ReadWriteOncePod"] }, "Bound");
    const volumes = [volume("v", "n1", "local-path", "Bound")];
    const other = {
      ...user,
      metadata: { name: "other", namespace: "default" },
      spec: { ...user.spec, nodeName: "n1" },
    };
    expect(place(alone, volumes)).toBe("n1");
    expect(place(alone, volumes, [node("n1")], other)).toBe(
      "0/1 nodes are available: 1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.",
    );
    expect(place(alone, volumes, [node("n1")], { ...other, metadata: { ...other.metadata, namespace: "x" } })).toBe(
      "n1",
    );
  });
});
