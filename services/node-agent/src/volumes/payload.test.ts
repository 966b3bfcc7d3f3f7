import type { PersistentVolume, Pod, Volume } from "@trireme/api";
import { describe, expect, it } from "vitest";
import type { EnvironmentSources } from "../pods/environment.ts";
import { localPathOf } from "./claims.ts";
import { configNeeds, payloadOf } from "./payload.ts";
import { reclaimStep } from "./reclaimer.ts";

const sources: EnvironmentSources = {
  nodeName: "n1",
  hostIP: "10.0.0.1",
  podIP: "",
  allocatable: { cpuMilli: 2000, memoryBytes: 1 << 30 },
  services: new Map(),
  config: () => undefined,
};
const pod: Pod = {
  metadata: { name: "p", namespace: "ns", uid: "u", labels: { app: "x" } },
  spec: { containers: [{ name: "c", resources: { limits: { cpu: "500m" } } }] },
};
const data = new Map([
  ["Secret/s", new Map([["key", Buffer.from("hush")]])],
  [
    "ConfigMap/c",
    new Map([
      ["a", Buffer.from("1")],
      ["b", Buffer.from("2")],
    ]),
  ],
]);
const files = (volume: Omit<Volume, "name">): string[] =>
  payloadOf(
    { name: "v", ...volume },
    pod,
    sources,
    ({ kind, name }) => data.get(`${kind}/${name}`),
    ({ audience }) => `token for ${audience ?? "the API"}`,
  ).map((file) => `${file.path} ${file.mode.toString(8)} ${file.data.toString()}`);

describe("the files of a volume", () => {
  it("are the keys of its object, or those that it names", () => {
    expect(files({ configMap: { name: "c" } })).toEqual(["a 644 1", "b 644 2"]);
    expect(files({ secret: { secretName: "s", defaultMode: 0o400 } })).toEqual(["key 400 hush"]);
    const items = [{ key: "b", path: "x/y", mode: 0o600 }];
    expect(files({ configMap: { name: "c", items } })).toEqual(["x/y 600 2"]);
  });

  it("may be absent only where that is said", () => {
    expect(() => files({ configMap: { name: "none" } })).toThrow('configmap "none" not found');
    expect(() => files({ secret: { secretName: "none" } })).toThrow('secret "none" not found');
    const items = [{ key: "none", path: "x" }];
    expect(() => files({ secret: { secretName: "s", items } })).toThrow("references non-existent secret key: none");
    expect(files({ secret: { secretName: "none", optional: true } })).toEqual([]);
    expect(files({ configMap: { name: "c", items, optional: true } })).toEqual([]);
  });

  it("are gathered from several sources, the pod itself among them", () => {
    const volume: Omit<Volume, "name"> = {
      projected: {
        defaultMode: 0o440,
        sources: [
          { secret: { name: "s", items: [{ key: "key", path: "deep/key" }] } },
          {
            downwardAPI: {
              items: [
                { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                { path: "cpu", resourceFieldRef: { containerName: "c", resource: "limits.cpu", divisor: "1m" } },
              ],
            },
          },
          { configMap: { name: "none", optional: true } },
        ],
      },
    };
    expect(files(volume)).toEqual(["deep/key 440 hush", 'labels 440 app="x"', "cpu 440 500"]);
    const named = { ...pod, spec: { ...pod.spec, volumes: [{ name: "v", ...volume }] } };
    expect(configNeeds(named)).toEqual([
      { kind: "Secret", name: "s" },
      { kind: "ConfigMap", name: "none" },
    ]);
    const tokens = [
      { serviceAccountToken: { path: "t", audience: "vault" } },
      { serviceAccountToken: { path: "api" } },
    ];
    expect(files({ projected: { defaultMode: 0o600, sources: tokens } })).toEqual([
      "t 600 token for vault",
      "api 600 token for the API",
    ]);
    expect(() => files({ projected: { sources: [{ clusterTrustBundle: { path: "t" } }] } })).toThrow(
      "projected sources of kind clusterTrustBundle are not supported",
    );
  });
});

describe("a volume of the built-in class", () => {
  const volume = (change: object = {}, path = "/root/pvc-1"): PersistentVolume => ({
    metadata: {
      name: "pvc-1",
      labels: { "kubernetes.io/hostname": "n1" },
      annotations: { "pv.kubernetes.io/provisioned-by": "trireme.dev/local-path" },
      finalizers: ["trireme.dev/local-path"],
      deletionTimestamp: "2026-11-22T10:00:00Z",
      ...change,
    },
    spec: { local: { path }, persistentVolumeReclaimPolicy: "Delete" },
  });

  it("has a directory of ours only where it is exactly what we would have made", () => {
    expect(localPathOf(volume(), "/root", "n1")).toBe("/root/pvc-1");
    for (const path of ["/etc", "/root", "/root/pvc-1/..", "/root/pvc-2", "/root//pvc-1"]) {
      expect(localPathOf(volume({}, path), "/root", "n1"), path).toBeUndefined();
    }
    expect(localPathOf(volume({ name: ".." }, "/"), "/root", "n1")).toBeUndefined();
    expect(localPathOf(volume(), "/root", "n2")).toBeUndefined();
    expect(localPathOf(volume({ annotations: {} }), "/root", "n1")).toBeUndefined();
  });

  it("is removed by its node alone, by its policy alone, and after its protection is gone", () => {
    expect(reclaimStep(volume(), "n1")).toBe("remove");
    expect(reclaimStep(volume(), "n2")).toBe("nothing");
    const { deletionTimestamp: _, ...living } = volume().metadata;
    expect(reclaimStep({ ...volume(), metadata: living }, "n1")).toBe("nothing");
    const finalizers = ["kubernetes.io/pv-protection", "trireme.dev/local-path"];
    expect(reclaimStep(volume({ finalizers }), "n1")).toBe("nothing");
    const kept = { ...volume(), spec: { ...volume().spec, persistentVolumeReclaimPolicy: "Retain" as const } };
    expect(reclaimStep(kept, "n1")).toBe("release");
  });
});
