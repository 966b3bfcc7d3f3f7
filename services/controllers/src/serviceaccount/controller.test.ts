import { CONFIGMAPS, type ConfigMap, NAMESPACES, SERVICEACCOUNTS, type ServiceAccount } from "@trireme/api";
import { expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createRootCaController, createServiceAccountController } from "./controller.ts";

function start() {
  const cluster = new FakeCluster();
  const accounts = cluster.informer<ServiceAccount>("serviceaccounts");
  const maps = cluster.informer<ConfigMap>("configmaps");
  const queue = new Set<() => Promise<unknown>>();
  for (const spec of [
    createServiceAccountController(cluster.context, accounts),
    createRootCaController(cluster.context, maps, "PEM"),
  ]) {
    spec.watch((key) => queue.add(() => Promise.resolve(spec.reconcile(key))));
  }
  const settle = async (): Promise<string[]> => {
    cluster.requests.length = 0;
    cluster.deliver();
    for (const work of queue) {
      queue.delete(work);
      await work();
      cluster.deliver();
    }
    return [...cluster.requests];
  };
  return { cluster, settle, maps };
}

it("gives every namespace its account and the API's CA, again when they go, and nothing else", async () => {
  const { cluster, settle, maps } = start();
  cluster.put(NAMESPACES, { metadata: { name: "team" } });
  expect(await settle()).toEqual(["create serviceaccounts", "create configmaps"]);
  expect(maps.get("team", "kube-root-ca.crt")?.data).toEqual({ "ca.crt": "PEM" });
  cluster.remove(SERVICEACCOUNTS, "team", "default");
  expect(await settle()).toEqual(["create serviceaccounts"]);
  cluster.put(SERVICEACCOUNTS, { metadata: { name: "robot", namespace: "team" } });
  expect(await settle()).toEqual([]);
});

it("puts right what somebody wrote over the CA", async () => {
  const { cluster, settle, maps } = start();
  cluster.put(NAMESPACES, { metadata: { name: "team" } });
  await settle();
  const spoiled: ConfigMap = { ...maps.get("team", "kube-root-ca.crt")!, data: { "ca.crt": "another" } };
  cluster.put(CONFIGMAPS, spoiled);
  expect(await settle()).toEqual(["update configmaps"]);
  expect(maps.get("team", "kube-root-ca.crt")?.data).toEqual({ "ca.crt": "PEM" });
});

it("leaves namespaces alone that are being emptied", async () => {
  const { cluster, settle } = start();
  cluster.put(NAMESPACES, { metadata: { name: "old", deletionTimestamp: "2026-11-22T10:00:00Z" } });
  expect(await settle()).toEqual([]);
});
