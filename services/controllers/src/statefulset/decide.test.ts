import type { Pod, StatefulSet, StatefulSetSpec, StatefulSetStatus } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { claimsOf, ownersOf, volumesOf } from "./claims.ts";
import { REVISION_LABEL } from "../revisions.ts";
import { decideStatefulSet } from "./decide.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const LABELS = { app: "db" };

function set(replicas: number, spec: Partial<StatefulSetSpec> = {}, status?: Partial<StatefulSetStatus>): StatefulSet {
  return {
    metadata: { name: "db", namespace: "default", uid: "sts-1", generation: 1 },
    spec: {
      replicas,
      serviceName: "db",
      selector: { matchLabels: LABELS },
      template: { metadata: { labels: LABELS }, spec: { containers: [{ name: "c" }] } },
      ...spec,
    },
    ...(status === undefined ? {} : { status: { replicas, ...status } }),
  };
}

/** `0`, `1 old`, `2 ending`, `0 unready`: a pod in a word. */
function pod(what: string): Pod {
  const [ordinal, ...words] = what.split(" ");
  const has = (word: string): boolean => words.includes(word);
  const ready = !has("unready") && !has("failed");
  return {
    metadata: {
      name: `db-${ordinal}`,
      namespace: "default",
      uid: `uid-${ordinal}`,
      labels: { ...LABELS, [REVISION_LABEL]: has("old") ? "db-old" : "db-new" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "StatefulSet", name: "db", uid: "sts-1", controller: true }],
      ...(has("ending") ? { deletionTimestamp: "2026-11-22T10:00:00Z" } : {}),
    },
    spec: { containers: [], nodeName: "n1" },
    status: {
      phase: has("failed") ? "Failed" : "Running",
      conditions: [{ type: "Ready", status: ready ? "True" : "False", lastTransitionTime: "2026-11-22T09:59:57Z" }],
    },
  };
}

const decide = (of: StatefulSet, pods: readonly string[]) =>
  decideStatefulSet({ set: of, updateRevision: "db-new", pods: pods.map(pod), isLost: () => false }, NOW);
const told = (of: StatefulSet, ...pods: string[]): string[] =>
  decide(of, pods).actions.map((one) =>
    one.type === "create" ? `create ${one.ordinal} ${one.revision}` : `${one.type} ${one.pod.metadata.name}`,
  );

describe("a StatefulSet", () => {
  it("makes one pod after another, each when those before it are ready", () => {
    expect(told(set(3))).toEqual(["create 0 db-new"]);
    expect(told(set(3), "0 unready")).toEqual([]);
    expect(told(set(3), "0")).toEqual(["create 1 db-new"]);
    expect(told(set(3), "0", "2")).toEqual(["create 1 db-new"]);
    expect(told(set(3), "0", "1 ending", "2")).toEqual([]);
    expect(told(set(3), "0", "1 failed", "2")).toEqual(["delete db-1"]);
    expect(told(set(2, { ordinals: { start: 5 } }), "5")).toEqual(["create 6 db-new"]);
  });

  it("makes and removes all at once when no order is asked for", () => {
    const parallel = { podManagementPolicy: "Parallel" };
    expect(told(set(3, parallel), "1 unready")).toEqual(["create 0 db-new", "create 2 db-new"]);
    expect(told(set(1, parallel), "0", "1", "2")).toEqual(["delete db-2", "delete db-1"]);
  });

  it("removes from the last, one after another", () => {
    expect(told(set(1), "0", "1", "2")).toEqual(["delete db-2"]);
    expect(told(set(1), "0", "1", "2 ending")).toEqual([]);
    expect(told(set(0), "0")).toEqual(["delete db-0"]);
  });

  it("updates from the last to the first, waiting for each", () => {
    const old = set(3, {}, { currentRevision: "db-old" });
    expect(told(old, "0 old", "1 old", "2 old")).toEqual(["delete db-2"]);
    expect(told(old, "0 old", "1 old", "2 unready")).toEqual([]);
    expect(told(old, "0 old", "1 old", "2")).toEqual(["delete db-1"]);
    expect(told(set(1, { updateStrategy: { type: "OnDelete" } }), "0 old")).toEqual([]);
    // A template that never became ready does not stand in the way of the next one.
    expect(told(old, "0 old unready", "1 old", "2 old")).toEqual(["delete db-0"]);
    expect(told(old, "0 old", "1 old unready", "2 unready")).toEqual([]);
  });

  it("keeps the old template below the partition", () => {
    const split = { updateStrategy: { rollingUpdate: { partition: 2 } } };
    const half = set(3, split, { currentRevision: "db-old" });
    expect(told(half, "0 old", "1 old", "2 old")).toEqual(["delete db-2"]);
    expect(told(half, "0 old", "1 old", "2")).toEqual([]);
    expect(told(half, "0 old", "2")).toEqual(["create 1 db-old"]);
    expect(decide(half, ["0 old", "1 old", "2"]).status).toMatchObject({
      currentRevision: "db-old",
      currentReplicas: 2,
      updateRevision: "db-new",
      updatedReplicas: 1,
    });
  });

  it("calls the new revision current when every pod is of it and ready", () => {
    const old = set(2, {}, { currentRevision: "db-old" });
    expect(decide(old, ["0", "1 unready"]).status.currentRevision).toBe("db-old");
    expect(decide(old, ["0", "1"]).status).toMatchObject({ currentRevision: "db-new", currentReplicas: 2 });
  });

  it("waits for minReadySeconds", () => {
    const patient = set(2, { minReadySeconds: 10 });
    expect(decide(patient, ["0"])).toMatchObject({ actions: [], requeueAfterMs: 7_000 });
  });

  it("adopts only pods that have a name of its own", () => {
    const orphan = (name: string): Pod => ({
      metadata: { name, namespace: "default", labels: { ...LABELS, [REVISION_LABEL]: "db-new" } },
      spec: { containers: [] },
    });
    const pods = [orphan("db-0"), orphan("db-01"), orphan("other-0")];
    const { actions } = decideStatefulSet({ set: set(1), updateRevision: "db-new", pods, isLost: () => false }, NOW);
    expect(actions).toMatchObject([{ type: "adopt", pod: { metadata: { name: "db-0" } } }]);
  });
});

describe("a StatefulSet's claims", () => {
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const withClaims = (whenDeleted = "Retain", whenScaled = "Retain"): StatefulSet =>
    set(2, {
      volumeClaimTemplates: [{ metadata: { name: "data", labels: { tier: "x" } }, spec }],
      persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled },
    });

  it("are named by template, set and ordinal, and take the place of the template's volume of that name", () => {
    expect(claimsOf(withClaims(), 1)).toMatchObject([
      { metadata: { name: "data-db-1", namespace: "default", labels: { tier: "x", ...LABELS } }, spec },
    ]);
    const volumes = [
      { name: "data", emptyDir: {} },
      { name: "tmp", emptyDir: {} },
    ];
    expect(volumesOf(withClaims(), volumes, 1)).toEqual([
      { name: "data", persistentVolumeClaim: { claimName: "data-db-1" } },
      { name: "tmp", emptyDir: {} },
    ]);
  });

  it.each([
    ["Retain", "Retain", false, undefined],
    ["Delete", "Retain", false, ["StatefulSet"]],
    ["Delete", "Retain", true, ["StatefulSet"]],
    ["Retain", "Delete", false, undefined],
    ["Retain", "Delete", true, ["Pod"]],
    ["Delete", "Delete", true, ["Pod"]],
  ])("deleted: %s, scaled: %s, scaled away %s: owned by %s", (deleted, scaled, isCondemned, owners) => {
    const of = withClaims(deleted, scaled);
    const claim = claimsOf(of, 1)[0]!;
    expect(ownersOf(of, pod("1"), isCondemned, claim)?.map(({ kind }) => kind)).toEqual(owners);
    const set1 = { apiVersion: "apps/v1", kind: "StatefulSet", name: "db", uid: "sts-1" };
    const owned = { ...claim, metadata: { ...claim.metadata, ownerReferences: [set1] } };
    // The policy may change back: then nobody owns it any more.
    expect(ownersOf(withClaims(), pod("1"), false, owned)).toEqual([]);
  });
});
