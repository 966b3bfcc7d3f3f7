import { describe, expect, it } from "vitest";
import {
  PERSISTENTVOLUMECLAIMS,
  PERSISTENTVOLUMES,
  STATEFULSETS,
  STORAGECLASSES,
  type StorageClass,
  applyDefaults,
  decodeStrict,
  defaultClassOf,
  tableFor,
  validateCreate,
  validateUpdate,
} from "../index.ts";
import type { KubeObject, Resource } from "../index.ts";

function ready<T extends KubeObject>(resource: Resource<T>, body: object): T {
  const metadata = { name: "a", ...(resource.namespaced ? { namespace: "ns" } : {}) };
  return applyDefaults(resource, decodeStrict(resource, { metadata, ...body }).object);
}
const created = <T extends KubeObject>(resource: Resource<T>, body: object): string[] =>
  validateCreate(resource, ready(resource, body)).map((e) => `${e.field}: ${e.message}`);
const updated = <T extends KubeObject>(resource: Resource<T>, old: object, body: object): string[] =>
  validateUpdate(resource, ready(resource, body), ready(resource, old)).map((e) => `${e.field}: ${e.message}`);

const terms = [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["n1"] }] }];
const volume = (spec: object = {}): object => ({
  spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/data" }, ...spec },
});
const claim = (spec: object = {}): object => ({
  spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
});

describe("a PersistentVolume", () => {
  it("has Kubernetes' defaults", () => {
    expect(ready(PERSISTENTVOLUMES, volume()).spec).toMatchObject({
      persistentVolumeReclaimPolicy: "Retain",
      volumeMode: "Filesystem",
      hostPath: { path: "/data", type: "" },
    });
  });

  it.each<[string, object, string[]]>([
    ["nothing", volume(), []],
    ["no capacity", volume({ capacity: {} }), ["spec.capacity: Required value: storage must be specified"]],
    [
      "no source",
      { spec: { capacity: { storage: "1" }, accessModes: ["ReadOnlyMany"] } },
      ["spec: Required value: must specify a volume type"],
    ],
    [
      "two sources",
      volume({ nfs: { path: "/", server: "s" } }),
      ["spec.nfs: Forbidden: may not specify more than 1 volume type"],
    ],
    [
      "a way out",
      volume({ hostPath: { path: "/a/../b" } }),
      ["spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"],
    ],
    [
      "a mode that there is not",
      volume({ accessModes: ["Often"] }),
      [
        'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      ],
    ],
    [
      "a local one anywhere",
      { spec: { capacity: { storage: "1" }, accessModes: ["ReadWriteOnce"], local: { path: "/d" } } },
      ["spec.nodeAffinity: Required value: Local volume requires node affinity"],
    ],
  ])("says what is wrong: %s", (_, body, problems) => {
    expect(created(PERSISTENTVOLUMES, body)).toEqual(problems);
  });

  it("stays where it is", () => {
    expect(updated(PERSISTENTVOLUMES, volume(), volume({ persistentVolumeReclaimPolicy: "Delete" }))).toEqual([]);
    expect(updated(PERSISTENTVOLUMES, volume(), volume({ hostPath: { path: "/etc" } }))).toEqual([
      "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation",
    ]);
    const pinned = volume({ nodeAffinity: { required: { nodeSelectorTerms: terms } } });
    expect(updated(PERSISTENTVOLUMES, pinned, volume())).toEqual([
      "spec.nodeAffinity: Invalid value: null: field is immutable",
    ]);
  });
});

describe("a PersistentVolumeClaim", () => {
  it("asks for something that there is", () => {
    expect(created(PERSISTENTVOLUMECLAIMS, claim())).toEqual([]);
    expect(created(PERSISTENTVOLUMECLAIMS, { spec: {} })).toEqual([
      "spec.accessModes: Required value: at least 1 access mode is required",
      "spec.resources[storage]: Required value",
    ]);
    expect(created(PERSISTENTVOLUMECLAIMS, claim({ resources: { requests: { storage: "0" } } }))).toEqual([
      'spec.resources[storage]: Invalid value: "0": must be greater than zero',
    ]);
    expect(created(PERSISTENTVOLUMECLAIMS, claim({ accessModes: ["ReadWriteOncePod", "ReadWriteOnce"] }))).toEqual([
      "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes",
    ]);
  });

  it("is given its volume and class once, and keeps what it asked for", () => {
    expect(updated(PERSISTENTVOLUMECLAIMS, claim(), claim({ volumeName: "v", storageClassName: "c" }))).toEqual([]);
    const refused = [expect.stringContaining("spec: Forbidden: spec is immutable after creation except")];
    for (const [before, after] of [
      [claim({ volumeName: "v" }), claim({ volumeName: "w" })],
      [claim({ storageClassName: "c" }), claim({ storageClassName: "d" })],
      [claim(), claim({ resources: { requests: { storage: "2Gi" } } })],
    ]) {
      expect(updated(PERSISTENTVOLUMECLAIMS, before!, after!)).toEqual(refused);
    }
  });
});

describe("a StorageClass", () => {
  const body = (change: object = {}): object => ({ provisioner: "example.com/x", ...change });

  it("keeps what it promised", () => {
    expect(ready(STORAGECLASSES, body())).toMatchObject({ reclaimPolicy: "Delete", volumeBindingMode: "Immediate" });
    expect(updated(STORAGECLASSES, body(), body({ allowVolumeExpansion: true }))).toEqual([]);
    expect(updated(STORAGECLASSES, body(), body({ reclaimPolicy: "Retain", parameters: { a: "b" } }))).toEqual([
      "parameters: Forbidden: updates to parameters are forbidden.",
      "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.",
    ]);
  });

  it("is the default one by its annotation; of several the newest", () => {
    const named = (name: string, creationTimestamp: string, isDefault: boolean): StorageClass => ({
      metadata: {
        name,
        creationTimestamp,
        annotations: { "storageclass.kubernetes.io/is-default-class": String(isDefault) },
      },
      provisioner: "p",
    });
    const [a, b, c] = [
      named("a", "2026-01-01T00:00:00Z", true),
      named("b", "2026-01-02T00:00:00Z", true),
      named("c", "2026-01-03T00:00:00Z", false),
    ];
    expect(defaultClassOf([a, b, c])?.metadata.name).toBe("b");
    expect(defaultClassOf([c])).toBeUndefined();
    const { rows } = tableFor(STORAGECLASSES, [a], { now: Date.parse("2026-01-02") });
    expect(rows[0]!.cells).toEqual(["a (default)", "p", "Delete", "Immediate", "false", "24h"]);
  });
});

describe("a StatefulSet's claims", () => {
  const set = (templates: object[], volumes: object[] = []): object => ({
    spec: {
      selector: { matchLabels: { app: "x" } },
      template: {
        metadata: { labels: { app: "x" } },
        spec: {
          containers: [{ name: "c", image: "i", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
          volumes,
        },
      },
      volumeClaimTemplates: templates,
    },
  });
  const template = { metadata: { name: "data" }, ...claim() };

  it("are volumes that its containers may mount, instead of the template's own of that name", () => {
    expect(created(STATEFULSETS, set([template]))).toEqual([]);
    expect(created(STATEFULSETS, set([template], [{ name: "data", emptyDir: {} }]))).toEqual([]);
    expect(created(STATEFULSETS, set([]))).toEqual([
      'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ]);
    expect(created(STATEFULSETS, set([{ ...template, spec: { accessModes: ["ReadWriteOnce"] } }]))).toEqual([
      "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value",
    ]);
    expect(updated(STATEFULSETS, set([template]), set([template]))).toEqual([]);
  });
});
