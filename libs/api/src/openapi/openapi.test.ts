import { describe, expect, it } from "vitest";
import { SERVED_RESOURCES, openApiV3, openApiV3Index } from "../index.ts";
import { describeField, describeMessage } from "./descriptions.ts";

type Doc = Record<string, never> & { paths: Record<string, Record<string, unknown>> };

describe("OpenAPI v3", () => {
  it("indexes every group-version with a stable hash", () => {
    const { paths } = openApiV3Index() as unknown as { paths: Record<string, { serverRelativeURL: string }> };
    expect(Object.keys(paths)).toEqual([
      "api/v1",
      "apis/apps/v1",
      "apis/batch/v1",
      "apis/discovery.k8s.io/v1",
      "apis/coordination.k8s.io/v1",
      "apis/autoscaling/v2",
      "apis/storage.k8s.io/v1",
      "apis/policy/v1",
      "apis/autoscaling/v1",
      "apis/authentication.k8s.io/v1",
      "apis/authorization.k8s.io/v1",
      "apis/metrics.k8s.io/v1beta1",
    ]);
    expect(paths["apis/apps/v1"]!.serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{16}$/);
    expect(openApiV3Index()).toEqual({ paths });
    expect(openApiV3("apis/apps/v2")).toBeUndefined();
  });

  it("lets kubectl see that patches of each kind take fieldValidation", () => {
    const document = openApiV3("apis/apps/v1") as Doc;
    const patch = document.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]!["patch"] as {
      parameters: { name: string }[];
    };
    expect(patch).toMatchObject({
      "x-kubernetes-group-version-kind": { group: "apps", version: "v1", kind: "Deployment" },
    });
    expect(patch.parameters.map((p) => p.name)).toContain("fieldValidation");
  });

  it("resolves every reference and says how lists merge", () => {
    for (const gv of [
      "api/v1",
      "apis/apps/v1",
      "apis/batch/v1",
      "apis/discovery.k8s.io/v1",
      "apis/coordination.k8s.io/v1",
    ]) {
      const document = openApiV3(gv) as unknown as { components: { schemas: Record<string, unknown> } };
      const text = JSON.stringify(document);
      for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        expect(document.components.schemas, name).toHaveProperty([name!]);
      }
    }
    const { components } = openApiV3("api/v1") as unknown as {
      components: { schemas: Record<string, { properties: Record<string, unknown> }> };
    };
    expect(components.schemas["io.k8s.api.core.v1.PodSpec"]!.properties["containers"]).toMatchObject({
      type: "array",
      "x-kubernetes-patch-merge-key": "name",
      "x-kubernetes-patch-strategy": "merge",
      "x-kubernetes-list-map-keys": ["name"],
    });
    expect(components.schemas["io.k8s.api.core.v1.Volume"]!.properties).toHaveProperty("emptyDir");
  });
});

it("explains every kind that is served, and each of its fields", () => {
  for (const resource of SERVED_RESOURCES) {
    expect(describeMessage(resource.schema), resource.kind).toBeDefined();
    for (const field of Object.keys(resource.schema.fields)) {
      if (
        ["source", "related", "series", "eventTime", "action", "reportingComponent", "reportingInstance"].includes(
          field,
        )
      ) {
        continue;
      }
      expect(describeField(resource.schema, field), `${resource.kind}.${field}`).toBeDefined();
    }
  }
});
