import { expect, it } from "vitest";
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from "./index.ts";

it("serves the core group apart from the named ones", () => {
  const core = aggregatedDiscovery("/api") as { items: { metadata: object; versions: { resources: object[] }[] }[] };
  expect(core.items.map((item) => item.metadata)).toEqual([{}]);
  expect(core.items[0]!.versions[0]!.resources).toContainEqual({
    resource: "pods",
    responseKind: { group: "", version: "v1", kind: "Pod" },
    scope: "Namespaced",
    singularResource: "pod",
    verbs: expect.arrayContaining(["list", "watch"]),
    shortNames: ["po"],
    categories: ["all"],
    subresources: expect.arrayContaining([
      { subresource: "log", responseKind: { group: "", version: "v1", kind: "Pod" }, verbs: ["get"] },
    ]),
  });
  const groups = aggregatedDiscovery("/apis") as { items: { metadata: { name: string } }[] };
  expect(groups.items.map((item) => item.metadata.name)).toEqual([
    "apps",
    "batch",
    "discovery.k8s.io",
    "coordination.k8s.io",
    "autoscaling",
    "storage.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "authorization.k8s.io",
    "authentication.k8s.io",
    "metrics.k8s.io",
  ]);
});

it("serves several versions of a group, the preferred one first", () => {
  const versions = [
    { groupVersion: "autoscaling/v2", version: "v2" },
    { groupVersion: "autoscaling/v1", version: "v1" },
  ];
  expect(apiGroup("autoscaling")).toMatchObject({ versions, preferredVersion: versions[0] });
  const { items } = aggregatedDiscovery("/apis") as {
    items: { metadata: { name: string }; versions: { version: string; resources: { resource: string }[] }[] }[];
  };
  const found = items.filter(({ metadata }) => metadata.name === "autoscaling");
  expect(found.map((item) => item.versions.map(({ version }) => version))).toEqual([["v2", "v1"]]);
  for (const { resources } of found[0]!.versions) expect(resources[0]!.resource).toBe("horizontalpodautoscalers");
});

it("serves the older documents too", () => {
  expect(apiVersions()).toMatchObject({ versions: ["v1"] });
  expect(apiGroupList()).toMatchObject({
    groups: expect.arrayContaining([
      expect.objectContaining({ name: "apps" }),
      expect.objectContaining({ name: "rbac.authorization.k8s.io" }),
    ]),
  });
  expect(apiGroup("apps")).toMatchObject({ preferredVersion: { groupVersion: "apps/v1" } });
  expect(apiGroup("")).toBeUndefined();
  expect(apiResourceList("apps", "v2")).toBeUndefined();
  const apps = apiResourceList("apps", "v1") as { resources: { name: string }[] };
  expect(apps.resources).toContainEqual(
    expect.objectContaining({ name: "deployments/scale", group: "autoscaling", kind: "Scale" }),
  );
  expect(apps.resources).toContainEqual(expect.objectContaining({ name: "deployments", kind: "Deployment" }));
});
