import { describe, expect, it } from "vitest";
import { type Message, SERVED_RESOURCES, openApiV3, openApiV3Index } from "../index.ts";
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
      "apis/rbac.authorization.k8s.io/v1",
      "apis/autoscaling/v1",
      "apis/authorization.k8s.io/v1",
      "apis/authentication.k8s.io/v1",
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

/** What no cluster of ours has: volumes of clouds and old network file systems, Windows, dynamic resource claims. */
const FOREIGN =
  /^(gcePersistentDisk|awsElasticBlockStore|gitRepo|nfs|iscsi|glusterfs|rbd|flexVolume|cinder|cephfs|flocker|fc|azure\w+|vsphereVolume|quobyte|photonPersistentDisk|portworxVolume|scaleIO|storageos|csi|windowsOptions|clusterTrustBundle|podCertificate|schedulingGroup|fileKeyRef|hostnameOverride|dataSource(Ref)?|volumeAttributesClassName|swap|deprecatedTopology|\w*[rR]esourceClaim\w*)$/;

/** Fields that Kubernetes keeps for what it gave up or has just begun. */
const IDLE = new Set([
  ...["NodeSpec.externalID", "NodeSpec.configSource", "NodeStatus.phase", "NodeStatus.config"],
  ...["NodeStatus.runtimeHandlers", "NodeStatus.features", "NodeStatus.declaredFeatures"],
  ...["LeaseSpec.strategy", "LeaseSpec.preferredHolder", "ContainerStatus.allocatedResourcesStatus"],
  ...["allocatedResources", "allocatedResourceStatuses", "currentVolumeAttributesClassName", "modifyVolumeStatus"].map(
    (field) => `PersistentVolumeClaimStatus.${field}`,
  ),
]);

it("explains every kind that is served, each of its fields, and those of its parts that are of use", () => {
  const seen = new Set<Message>();
  const missing: string[] = [];
  const look = (message: Message): void => {
    if (seen.has(message)) return;
    seen.add(message);
    for (const [name, { facts }] of Object.entries(message.fields)) {
      const id = `${message.name}.${name}`;
      if (FOREIGN.test(name) || IDLE.has(id)) continue;
      // A part without a word about itself is foreign as a whole, or as plain as its field's name.
      const isPart = message.kind === undefined && describeMessage(message) === undefined;
      if (!isPart && describeField(message, name) === undefined) missing.push(id);
      if (typeof facts.of !== "string") look(facts.of);
    }
  };
  for (const { schema } of SERVED_RESOURCES) {
    expect(describeMessage(schema), schema.name).toBeDefined();
    look(schema);
  }
  expect(missing).toEqual([]);
  expect(seen.size).toBeGreaterThan(200);
});
