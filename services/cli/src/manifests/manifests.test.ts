import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Deployment, Pod, StatefulSet } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { manifestFiles, pathOf, readManifests, titleOf } from "./apply.ts";
import { missingOf, missingOfSet, problemsOfPod } from "./availability.ts";
import { parseManifests } from "./parse.ts";

function problemsOf(text: string): string[] {
  try {
    parseManifests("file.yaml", text);
  } catch (thrown) {
    return (thrown as Error).message.split("\n");
  }
  return [];
}

describe("parseManifests", () => {
  it("reads the example", () => {
    const file = join(import.meta.dirname, "../../../../deploy/examples/hello.yaml");
    const found = parseManifests("hello.yaml", readFileSync(file, "utf8"));
    expect(found.map((it) => `${it.place} ${titleOf(it)} ${pathOf(it)}`)).toEqual([
      "hello.yaml:2 deployment.apps/hello /apis/apps/v1/namespaces/default/deployments/hello",
      expect.stringMatching(/^hello\.yaml:\d+ service\/hello \/api\/v1\/namespaces\/default\/services\/hello$/),
    ]);
  });

  it("opens lists, skips empty documents, and reads as kubectl does", () => {
    const text = `---\n# nothing\n---\n${JSON.stringify({
      apiVersion: "v1",
      kind: "List",
      items: [1, 2].map((i) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c${i}` }, data: {} })),
    })}`;
    expect(parseManifests("f", text).map(titleOf)).toEqual(["configmap/c1", "configmap/c2"]);
  });

  it("names file and line of every mistake", () => {
    const text = [
      "apiVersion: v1",
      "kind: ConfigMap",
      "metadata: { name: a }",
      "dta: {}",
      "---",
      "apiVersion: v1",
      "kind: Deployment",
      "metadata: { name: a }",
      "---",
      "apiVersion: v1",
      "kind: Service",
      "---",
      "just text",
      "---",
      "a: [1",
      "b: 2",
    ].join("\n");
    const problems = problemsOf(text);
    expect(problems[0]).toMatch(/^file\.yaml:1: ConfigMap "a": .*dta/);
    expect(problems[1]).toBe('file.yaml:6: no kind "Deployment" in version "v1"; there is Deployment in apps/v1');
    expect(problems[2]).toBe("file.yaml:10: Service: metadata.name: required");
    expect(problems[3]).toMatch(/^file\.yaml:13: an object needs apiVersion and kind/);
    expect(problems[4]).toMatch(/^file\.yaml:1[56]:\d+: /);
  });

  it("says when there is nothing", () => {
    expect(problemsOf("# only a comment\n")).toEqual(["file.yaml: there is no object in this file"]);
  });
});

describe("missingOf", () => {
  const deployment = (status: object): Deployment =>
    ({ metadata: { name: "d", generation: 2 }, spec: { replicas: 3 }, status }) as unknown as Deployment;

  it("tells apart each step of a rollout", () => {
    const seen = { observedGeneration: 2 };
    expect([
      missingOf(deployment({ observedGeneration: 1, updatedReplicas: 3, availableReplicas: 3, replicas: 3 })),
      missingOf(deployment({ ...seen, updatedReplicas: 1 })),
      missingOf(deployment({ ...seen, updatedReplicas: 3, replicas: 4, availableReplicas: 3 })),
      missingOf(deployment({ ...seen, updatedReplicas: 3, replicas: 3, availableReplicas: 2 })),
      missingOf(deployment({ ...seen, updatedReplicas: 3, replicas: 3, availableReplicas: 3 })),
    ]).toEqual([
      "not seen by its controller yet",
      "1 of 3 updated",
      "1 old still there",
      "2 of 3 available",
      undefined,
    ]);
  });
});

describe("readManifests", () => {
  const blog = join(import.meta.dirname, "../../../../deploy/examples/blog");

  it("reads a folder as its manifests in the order of their names, and nothing else of it", () => {
    const names = manifestFiles(blog).map((file) => basename(file));
    expect(names).toEqual(names.toSorted());
    expect(names[0]).toBe("00-namespace.yaml");
    expect(names.filter((name) => !name.endsWith(".yaml"))).toEqual([]);
    const found = readManifests([blog]).map(titleOf);
    expect(found[0]).toBe("namespace/blog");
    expect(found).toContain("deployment.apps/backend");
  });

  it("says what is wrong with a folder or a file", () => {
    expect(() => readManifests([join(blog, "app/worker")])).toThrow("no *.yaml, *.yml or *.json is in this folder");
    expect(() => readManifests(["nowhere.yaml"])).toThrow("nowhere.yaml: there is no such file");
  });
});

describe("missingOfSet", () => {
  it("waits until the set's controller has seen it and its pods are new and available", () => {
    const set = (status: object, updateStrategy = {}): StatefulSet =>
      ({ metadata: { generation: 2 }, spec: { replicas: 2, updateStrategy }, status }) as unknown as StatefulSet;
    const said = [
      set({ observedGeneration: 1, updatedReplicas: 2, availableReplicas: 2 }),
      set({ observedGeneration: 2, updatedReplicas: 1, availableReplicas: 2 }),
      set({ observedGeneration: 2, updatedReplicas: 2, availableReplicas: 1 }),
      set({ observedGeneration: 2, updatedReplicas: 2, availableReplicas: 2 }),
      set({ observedGeneration: 2, updatedReplicas: 0, availableReplicas: 2 }, { type: "OnDelete" }),
    ].map(missingOfSet);
    expect(said).toEqual([
      "not seen by its controller yet",
      "1 of 2 updated",
      "1 of 2 available",
      undefined,
      undefined,
    ]);
  });
});

describe("problemsOfPod", () => {
  it("prefers what a container says to what a condition says", () => {
    const pod = {
      metadata: { name: "p" },
      status: {
        containerStatuses: [{ name: "c", state: { waiting: { reason: "ErrImagePull", message: "not there" } } }],
        conditions: [{ type: "Ready", status: "False", message: "not ready" }],
      },
    } as unknown as Pod;
    expect(problemsOfPod(pod)).toEqual(["  pod p: c: ErrImagePull: not there"]);
    const pending = { ...pod, status: { ...pod.status, containerStatuses: [] } } as unknown as Pod;
    expect(problemsOfPod(pending)).toEqual(["  pod p: Ready: not ready"]);
  });
});
