import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { type ClaimObserved, decideClaim } from "./decide-claim.ts";
import { decideVolume } from "./decide-volume.ts";

const SELECTED = "volume.kubernetes.io/selected-node";
const LOCAL = "trireme.dev/local-path";

function claim(change: Partial<PersistentVolumeClaim["spec"]> = {}, meta: object = {}): PersistentVolumeClaim {
  return {
    metadata: { name: "data", namespace: "ns", uid: "c1", finalizers: ["kubernetes.io/pvc-protection"], ...meta },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
      storageClassName: "",
      ...change,
    },
  };
}

function volume(name: string, change: Partial<PersistentVolume["spec"]> = {}, meta: object = {}): PersistentVolume {
  return {
    metadata: { name, uid: `uid-${name}`, ...meta },
    spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/x" }, ...change },
    status: { phase: "Available" },
  };
}

const on = (node: string): PersistentVolume["spec"]["nodeAffinity"] => ({
  required: { nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }] },
});
const storageClass = (name: string, provisioner: string, late = true): StorageClass => ({
  metadata: { name },
  provisioner,
  reclaimPolicy: "Delete",
  volumeBindingMode: late ? "WaitForFirstConsumer" : "Immediate",
});
const CLASSES = [
  storageClass("local-path", LOCAL),
  storageClass("hasty", LOCAL, false),
  storageClass("static", "kubernetes.io/no-provisioner"),
  storageClass("cloud", "example.com/disks", false),
];
const NODE: Node = {
  metadata: {
    name: "n1",
    labels: { "kubernetes.io/hostname": "n1" },
    annotations: { "trireme.dev/local-path-root": "/var/lib/n1" },
  },
};
const ref = (uid?: string) => ({ namespace: "ns", name: "data", ...(uid === undefined ? {} : { uid }) });
const selected = { annotations: { [SELECTED]: "n1" } };

function look(of: PersistentVolumeClaim, volumes: PersistentVolume[] = [], more: Partial<ClaimObserved> = {}) {
  const node = (name: string): Node | undefined => (name === "n1" ? NODE : undefined);
  const { actions, status, tell } = decideClaim({ claim: of, volumes, classes: CLASSES, node, isUsed: false, ...more });
  return {
    does: actions.map((one) =>
      one.type === "unprotect" ? one.type : `${one.type} ${"volume" in one ? one.volume.metadata.name : "claim"}`,
    ),
    phase: status?.phase,
    tells: tell?.reason,
    actions,
    message: tell?.message,
  };
}

describe("a claim", () => {
  it("gets the smallest volume that will do, volume first, and then what that volume has", () => {
    const volumes = [
      volume("large", { capacity: { storage: "9Gi" } }),
      volume("small", { capacity: { storage: "512Mi" } }),
      volume("taken", { claimRef: { namespace: "ns", name: "other", uid: "c2" } }),
      volume("other-class", { storageClassName: "x" }),
      volume("read-only", { accessModes: ["ReadOnlyMany"] }),
      volume("block", { volumeMode: "Block" }),
      volume("fits", { capacity: { storage: "2Gi" } }),
    ];
    const { does, phase, actions } = look(claim(), volumes);
    expect(does).toEqual(["writeVolume fits", "writeClaim claim"]);
    expect(phase).toBe("Bound");
    expect(actions[0]).toMatchObject({ volume: { spec: { claimRef: ref("c1") } } });
    expect(actions[1]).toMatchObject({ claim: { spec: { volumeName: "fits" } } });
  });

  it("takes a volume by its labels, by its name, or that is kept for it", () => {
    const labelled = volume("labelled", {}, { labels: { disk: "ssd" } });
    const selector = { matchLabels: { disk: "ssd" } };
    expect(look(claim({ selector }), [volume("plain"), labelled]).does[0]).toBe("writeVolume labelled");
    expect(look(claim({ volumeName: "b" }), [volume("a"), volume("b")]).does[0]).toBe("writeVolume b");
    expect(look(claim(), [volume("a"), volume("kept", { claimRef: ref() })]).does[0]).toBe("writeVolume kept");
    const foreign = volume("b", { claimRef: { namespace: "ns", name: "other" } });
    expect(look(claim({ volumeName: "b" }), [foreign])).toMatchObject({ does: [], tells: "FailedBinding" });
  });

  it("says why it has none", () => {
    const none = (of: PersistentVolumeClaim) => look(of).message;
    expect(none(claim())).toBe("no persistent volumes available for this claim and no storage class is set");
    expect(none(claim({ storageClassName: "absent" }))).toBe('storageclass.storage.k8s.io "absent" not found');
    expect(none(claim({ storageClassName: "local-path" }))).toBe(
      "waiting for first consumer to be created before binding",
    );
    expect(none(claim({ storageClassName: "cloud" }))).toContain("external provisioner 'example.com/disks'");
    expect(none(claim({ storageClassName: "hasty" }))).toContain("the class needs volumeBindingMode");
    expect(none(claim({ storageClassName: "local-path", accessModes: ["ReadWriteMany"] }, selected))).toContain(
      "not ReadWriteMany",
    );
  });

  it("has its volume made on the node that was chosen, and is bound to it", () => {
    const waiting = claim({ storageClassName: "local-path" }, selected);
    const { does, actions } = look(waiting);
    expect(does).toEqual(["provision pvc-c1"]);
    const made = (actions[0] as { volume: PersistentVolume }).volume;
    expect(made).toMatchObject({
      metadata: { labels: { "kubernetes.io/hostname": "n1" }, finalizers: [LOCAL] },
      spec: {
        local: { path: "/var/lib/n1/pvc-c1" },
        claimRef: ref("c1"),
        persistentVolumeReclaimPolicy: "Delete",
        storageClassName: "local-path",
      },
    });
    expect(look(waiting, [made])).toMatchObject({ does: ["writeClaim claim"], phase: "Bound" });
  });

  it("takes a volume of the chosen node before one is made, and lets the scheduler choose again when there is none", () => {
    const waiting = claim({ storageClassName: "static" }, selected);
    const at = (node: string) => volume(`on-${node}`, { storageClassName: "static", nodeAffinity: on(node)! });
    expect(look(waiting, [at("n2"), at("n1")]).does).toEqual(["writeVolume on-n1", "writeClaim claim"]);
    const { does, actions, tells } = look(waiting, [at("n2")]);
    expect([does, tells]).toEqual([["writeClaim claim"], "ProvisioningFailed"]);
    expect((actions[0] as { claim: PersistentVolumeClaim }).claim.metadata.annotations).toEqual({});
    const gone = claim({ storageClassName: "local-path" }, { annotations: { [SELECTED]: "n9" } });
    expect(look(gone).does).toEqual(["writeClaim claim"]);
  });

  it("gets the default class when that comes later", () => {
    const { storageClassName: _, ...spec } = claim().spec;
    const plain = { ...claim(), spec };
    expect(look(plain).tells).toBe("FailedBinding");
    const classes = [
      {
        ...CLASSES[0]!,
        metadata: { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
      },
    ];
    expect(look(plain, [], { classes }).actions).toMatchObject([
      { claim: { spec: { storageClassName: "local-path" } } },
    ]);
  });

  it("is lost with its volume, and says so once", () => {
    const bound = claim({ volumeName: "gone" }, { annotations: { "pv.kubernetes.io/bind-completed": "yes" } });
    expect(look(bound)).toMatchObject({ does: [], phase: "Lost", tells: "ClaimLost" });
    expect(look({ ...bound, status: { phase: "Lost" } }).tells).toBeUndefined();
  });

  it("stays while a pod uses it", () => {
    const ending = claim({}, { deletionTimestamp: "2026-11-22T10:00:00Z" });
    expect(look(ending, [], { isUsed: true }).does).toEqual([]);
    expect(look(ending).does).toEqual(["unprotect"]);
  });
});

describe("a volume", () => {
  const own = claim({ volumeName: "v" });
  const made = (policy: string, meta: object = {}): PersistentVolume =>
    volume(
      "v",
      { claimRef: ref("c1"), persistentVolumeReclaimPolicy: policy as "Delete" },
      { annotations: { "pv.kubernetes.io/provisioned-by": LOCAL }, ...meta },
    );
  const decide = (of: PersistentVolume, with_?: PersistentVolumeClaim, hasNode = true) =>
    decideVolume({ volume: of, claim: with_, hasNode });

  it("is available, bound, and released when its claim is gone or another of its name", () => {
    expect(decide(volume("v")).status?.phase).toBe("Available");
    expect(decide(volume("v", { claimRef: ref() }), own).status?.phase).toBe("Available");
    expect(decide(made("Retain"), own).status?.phase).toBe("Bound");
    expect(decide(made("Retain"))).toEqual({ status: { phase: "Released" } });
    const reborn = { ...own, metadata: { ...own.metadata, uid: "c2" } };
    expect(decide(made("Retain"), reborn)).toEqual({ status: { phase: "Released" } });
    expect(decide(made("Delete"), claim())).toEqual({});
  });

  it("is deleted by its policy alone, and never while it is bound", () => {
    expect(decide(made("Delete"))).toMatchObject({ action: { type: "delete" }, status: { phase: "Released" } });
    expect(decide(made("Delete"), own).action).toBeUndefined();
    const foreign = volume("v", { claimRef: ref("c1"), persistentVolumeReclaimPolicy: "Delete" });
    expect(decide(foreign)).toMatchObject({ status: { phase: "Failed" }, tell: { reason: "VolumeFailedDelete" } });
  });

  it("is free again when its claim took another", () => {
    const byUs = volume(
      "v",
      { claimRef: ref("c1") },
      { annotations: { "pv.kubernetes.io/bound-by-controller": "yes" } },
    );
    const elsewhere = claim({ volumeName: "w" });
    const { action } = decide(byUs, elsewhere);
    expect(action).toMatchObject({ type: "write", volume: { metadata: { annotations: {} } } });
    expect((action as { volume: PersistentVolume }).volume.spec.claimRef).toBeUndefined();
    const reserved = decide(volume("v", { claimRef: ref("c1") }), elsewhere).action as { volume: PersistentVolume };
    expect(reserved.volume.spec.claimRef).toEqual(ref());
  });

  it("that is being deleted is let go when it is not bound; its node's part only when the node is gone", () => {
    const finalizers = ["kubernetes.io/pv-protection", LOCAL];
    const ending = made("Delete", { finalizers, deletionTimestamp: "2026-11-22T10:00:00Z" });
    expect(decide(ending, own)).toEqual({});
    expect(decide(ending).action).toEqual({ type: "release", finalizers: ["kubernetes.io/pv-protection"] });
    expect(decide(ending, undefined, false).action).toEqual({ type: "release", finalizers });
  });
});
