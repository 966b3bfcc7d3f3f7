import { describe, expect, it } from "vitest";
import {
  CONFIGMAPS,
  DEPLOYMENTS,
  applyDefaults,
  decodeStrict,
  serverSideApply,
  statusOf,
  trackUpdate,
} from "../index.ts";
import type { ConfigMap, Deployment, KubeObject } from "../index.ts";
import { pathOf } from "./field-set.ts";
import { hasPath, pathsIn, treeFrom, treeOf, withPaths, withoutPaths } from "./field-tree.ts";

const T1 = "2026-01-01T00:00:00Z";
const T2 = "2026-01-02T00:00:00Z";

function configMap(data: Record<string, string>, labels?: Record<string, string>): ConfigMap {
  const metadata = { name: "a", namespace: "ns", ...(labels ? { labels } : {}) };
  return { apiVersion: "v1", kind: "ConfigMap", metadata, data };
}
function applyMap(
  live: ConfigMap | undefined,
  applied: ConfigMap,
  manager: string,
  force = false,
  now = T1,
): ConfigMap {
  return serverSideApply({ resource: CONFIGMAPS, live, applied, manager, force, now });
}
function deployment(container: object, spec: object = {}): Deployment {
  const body = {
    metadata: { name: "web", namespace: "ns" },
    spec: {
      selector: { matchLabels: { app: "x" } },
      template: {
        metadata: { labels: { app: "x" } },
        spec: { containers: [{ name: "c", image: "i:1", ...container }] },
      },
      ...spec,
    },
  };
  return decodeStrict(DEPLOYMENTS, body).object;
}
function applyDeployment(
  live: Deployment | undefined,
  applied: Deployment,
  manager: string,
  force = false,
): Deployment {
  const merged = serverSideApply({ resource: DEPLOYMENTS, live, applied, manager, force, now: T1 });
  return applyDefaults(DEPLOYMENTS, structuredClone(merged));
}
const managersOf = (object: KubeObject): string[] =>
  (object.metadata.managedFields ?? []).map((entry) => `${entry.manager} ${entry.operation}`);
const fieldsOf = (object: KubeObject, manager: string): unknown =>
  object.metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;
function failure(run: () => unknown): ReturnType<typeof statusOf> {
  try {
    run();
  } catch (error) {
    return statusOf(error);
  }
  throw new Error("nothing was thrown");
}

describe("serverSideApply", () => {
  it("creates an object whose every field the manager owns", () => {
    const made = applyMap(undefined, configMap({ k: "1" }, { l: "x" }), "one");
    expect(made.metadata.managedFields).toEqual([
      {
        manager: "one",
        operation: "Apply",
        apiVersion: "v1",
        time: T1,
        fieldsType: "FieldsV1",
        fieldsV1: { "f:data": { "f:k": {} }, "f:metadata": { "f:labels": { "f:l": {} } } },
      },
    ]);
    expect(applyMap(made, configMap({ k: "1" }, { l: "x" }), "one", false, T2), "again changes nothing").toEqual(made);
  });

  it("removes what a manager no longer applies, unless another owns it", () => {
    const one = applyMap(undefined, configMap({ a: "1", b: "1", c: "1" }), "one");
    const two = applyMap(one, configMap({ b: "1" }), "two");
    expect(managersOf(two)).toEqual(["one Apply", "two Apply"]);
    const less = applyMap(two, configMap({ a: "2" }), "one");
    expect(less.data).toEqual({ a: "2", b: "1" });
    expect(fieldsOf(less, "one")).toEqual({ "f:data": { "f:a": {} } });
  });

  it("refuses to change what others own, by field, and takes it over when forced", () => {
    const one = applyMap(undefined, configMap({ a: "1", b: "1" }), "one");
    const status = failure(() => applyMap(one, configMap({ a: "2", b: "1" }), "two"));
    expect(status).toMatchObject({
      code: 409,
      reason: "Conflict",
      message: 'Apply failed with 1 conflict: conflict with "one": .data.a',
      details: { causes: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".data.a" }] },
    });
    const forced = applyMap(one, configMap({ a: "2", b: "1" }), "two", true);
    expect(forced.data).toEqual({ a: "2", b: "1" });
    expect(fieldsOf(forced, "one")).toEqual({ "f:data": { "f:b": {} } });
    expect(fieldsOf(forced, "two")).toEqual({ "f:data": { "f:a": {}, "f:b": {} } });
  });

  it("merges lists by key and leaves defaults and others' elements alone", () => {
    const port = { ports: [{ containerPort: 80 }] };
    const one = applyDeployment(undefined, deployment({ ...port, env: [{ name: "A", value: "1" }] }), "one");
    expect(fieldsOf(one, "one")).toMatchObject({
      "f:spec": {
        "f:selector": {},
        "f:template": {
          "f:spec": {
            "f:containers": {
              'k:{"name":"c"}': {
                ".": {},
                "f:name": {},
                "f:image": {},
                "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
              },
            },
          },
        },
      },
    });
    const env = (name: string): Deployment => {
      const body = { spec: { template: { spec: { containers: [{ name: "c", env: [{ name, value: "2" }] }] } } } };
      return decodeStrict(DEPLOYMENTS, { metadata: { name: "web", namespace: "ns" }, ...body }).object;
    };
    const two = applyDeployment(one, env("B"), "two");
    expect(two.spec.template.spec.containers[0]!.env).toEqual([
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ]);
    const back = applyDeployment(two, env("C"), "two");
    expect(back.spec.template.spec.containers[0]!.env!.map((e) => e.name)).toEqual(["A", "C"]);
    expect(back.spec.template.spec.containers[0]).toMatchObject({ imagePullPolicy: "IfNotPresent", image: "i:1" });
  });

  it("removes a message with the defaults in it when its last owned field goes", () => {
    const probe = { readinessProbe: { httpGet: { port: 80 } } };
    const one = applyDeployment(undefined, deployment(probe), "one");
    expect(one.spec.template.spec.containers[0]!.readinessProbe).toMatchObject({ periodSeconds: 10 });
    const two = applyDeployment(one, deployment({}), "one");
    expect(two.spec.template.spec.containers[0]).not.toHaveProperty("readinessProbe");
  });

  it("keeps the object's name when the last owned field of its metadata goes", () => {
    const one = applyMap(undefined, configMap({ a: "1" }, { l: "x" }), "one");
    const two = applyMap(one, configMap({ a: "1" }), "one");
    expect(two.metadata).toMatchObject({ name: "a", namespace: "ns" });
    expect(two.metadata).not.toHaveProperty("labels");
  });

  it("refuses managedFields and elements named twice", () => {
    const withFields = configMap({});
    withFields.metadata.managedFields = [{ manager: "x" }];
    expect(failure(() => applyMap(undefined, withFields, "one")).message).toContain("must be nil");
    const twice = deployment({ env: [{ name: "A" }, { name: "A" }] });
    expect(failure(() => applyDeployment(undefined, twice, "one")).message).toContain(
      'duplicate entries for key {"name":"A"}',
    );
  });

  it("names the manager, its version and the element of a list in a conflict with an update", () => {
    const one = applyDeployment(undefined, deployment({}), "one");
    const updated = structuredClone(one);
    updated.spec.template.spec.containers[0]!.image = "i:2";
    const live = trackUpdate({ resource: DEPLOYMENTS, live: one, updated, manager: "kubectl-set", now: T2 });
    expect(failure(() => applyDeployment(live, deployment({ image: "i:3" }), "one")).message).toBe(
      'Apply failed with 1 conflict: conflict with "kubectl-set" using apps/v1: ' +
        '.spec.template.spec.containers[name="c"].image',
    );
  });
});

describe("trackUpdate", () => {
  const track = (live: ConfigMap | undefined, updated: ConfigMap, manager: string, now = T1): ConfigMap =>
    trackUpdate({ resource: CONFIGMAPS, live, updated, manager, now });

  it("gives a writer what it changed and takes it from the others", () => {
    const made = track(undefined, configMap({ a: "1", b: "1" }), "one");
    const next = track(made, configMap({ a: "2", b: "1" }), "two", T2);
    expect(fieldsOf(next, "one")).toEqual({ "f:data": { "f:b": {} } });
    expect(fieldsOf(next, "two")).toEqual({ "f:data": { "f:a": {} } });
    const gone = track(next, configMap({ a: "2" }), "three", T2);
    expect(managersOf(gone)).toEqual(["two Update"]);
  });

  it("leaves an unchanged object as it is and starts afresh on request", () => {
    const made = track(undefined, configMap({ a: "1" }), "one");
    expect(track(made, configMap({ a: "1" }), "two", T2)).toEqual(made);
    const reset = configMap({ a: "1" });
    reset.metadata.managedFields = [];
    expect(track(made, reset, "two").metadata).not.toHaveProperty("managedFields");
  });

  it("bounds the number of managers", () => {
    let live: ConfigMap | undefined;
    for (let i = 0; i < 30; i++) {
      const now = `2026-01-01T00:00:${String(i).padStart(2, "0")}Z`;
      live = track(live, configMap({ ...live?.data, [`k${i}`]: "x" }), `m${i}`, now);
    }
    const managers = managersOf(live!);
    expect(managers).toHaveLength(10);
    expect(managers[0]).toBe("ancient-changes Update");
    expect(managers.at(-1)).toBe("m29 Update");
    const all = live!.metadata.managedFields!.flatMap((entry) => pathsIn(treeOf(entry.fieldsV1)));
    expect(all).toHaveLength(30);
  });
});

describe("field trees", () => {
  const tree = { "f:a": { ".": {}, "f:b": {}, 'k:{"n":"x.y"}': { ".": {}, "f:n": {} } }, "f:c": { 'v:"z"': {} } };

  it("survive reading and writing", () => {
    expect(treeFrom(pathsIn(tree))).toEqual(tree);
  });

  it("gain and lose members without a trace", () => {
    for (const path of pathsIn(tree)) {
      const less = withoutPaths(tree, [path]);
      expect(hasPath(less, path), path).toBe(false);
      expect(pathsIn(less).length, path).toBe(pathsIn(tree).length - 1);
      expect(withPaths(less, [path]), path).toEqual(tree);
    }
    expect(withoutPaths(tree, pathsIn(tree))).toEqual({});
    expect(withoutPaths(tree, [pathOf(["f:c"])])).toBe(tree);
  });
});
