import { CLUSTERROLES, type ClusterRole } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createAggregationController } from "./controller.ts";

const role = (name: string, labels: Record<string, string>, resource: string): ClusterRole => ({
  metadata: { name, labels },
  rules: [{ verbs: ["get"], apiGroups: [""], resources: [resource] }],
});
const gathering = (name: string, label: string, labels: Record<string, string> = {}): ClusterRole => ({
  metadata: { name, labels },
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: "true" } }] },
});

function start() {
  const cluster = new FakeCluster();
  const roles = cluster.informer<ClusterRole>("clusterroles");
  const controller = createAggregationController(cluster.context, roles);
  const queue = new Set<string>();
  controller.watch((key) => queue.add(key));
  /** Reconciles until nothing asks for it any more. */
  const settle = async (): Promise<void> => {
    cluster.deliver();
    while (queue.size > 0) {
      const [key] = queue;
      queue.delete(key!);
      await controller.reconcile(key!);
      cluster.deliver();
    }
  };
  const resourcesOf = (name: string): string[] =>
    (roles.get("", name)?.rules ?? []).flatMap((rule) => rule.resources ?? []);
  return { cluster, settle, resourcesOf };
}

describe("aggregation", () => {
  it("follows roles as they come, change and go, through roles that aggregate themselves", async () => {
    const { cluster, settle, resourcesOf } = start();
    cluster.put(CLUSTERROLES, gathering("view", "toView", { toEdit: "true" }));
    cluster.put(CLUSTERROLES, gathering("edit", "toEdit"));
    cluster.put(CLUSTERROLES, role("a", { toView: "true" }, "pods"));
    await settle();
    expect([resourcesOf("view"), resourcesOf("edit")]).toEqual([["pods"], ["pods"]]);
    cluster.put(CLUSTERROLES, role("b", { toView: "true", toEdit: "true" }, "widgets"));
    await settle();
    expect([resourcesOf("view"), resourcesOf("edit")]).toEqual([
      ["pods", "widgets"],
      ["widgets", "pods"],
    ]);
    cluster.remove(CLUSTERROLES, "", "b");
    cluster.put(CLUSTERROLES, role("a", {}, "pods"));
    await settle();
    expect([resourcesOf("view"), resourcesOf("edit")]).toEqual([[], []]);
  });

  it("writes over what somebody put into such a role, and nothing when all is as it should be", async () => {
    const { cluster, settle, resourcesOf } = start();
    const crammed: ClusterRole = { ...gathering("view", "toView"), rules: role("x", {}, "secrets").rules! };
    cluster.put(CLUSTERROLES, crammed);
    await settle();
    expect(resourcesOf("view")).toEqual([]);
    const { length } = cluster.requests;
    cluster.put(CLUSTERROLES, role("other", {}, "nodes"));
    await settle();
    expect(cluster.requests).toHaveLength(length);
  });
});
