import {
  DEPLOYMENTS,
  type Deployment,
  PODDISRUPTIONBUDGETS,
  PODS,
  type Pod,
  type PodDisruptionBudget,
  REPLICASETS,
  type ReplicaSet,
  type StatefulSet,
} from "@trireme/api";
import { expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createDisruptionController } from "./controller.ts";

const KEY = "default/web";
const LABELS = { app: "web" };

function world() {
  const cluster = new FakeCluster();
  const controller = createDisruptionController(cluster.context, {
    budgets: cluster.informer<PodDisruptionBudget>("poddisruptionbudgets"),
    statefulSets: cluster.informer<StatefulSet>("statefulsets"),
  });
  const owned = (kind: string, uid: string) => [{ apiVersion: "apps/v1", kind, name: uid, uid, controller: true }];
  cluster.put(DEPLOYMENTS, {
    metadata: { name: "d", namespace: "default", uid: "d" },
    spec: { replicas: 4 },
  } as Deployment);
  // Two sets of one Deployment, as during a rolling update: its size counts once.
  for (const set of ["old", "new"]) {
    cluster.put(REPLICASETS, {
      metadata: { name: set, namespace: "default", uid: set, ownerReferences: owned("Deployment", "d") },
      spec: { replicas: 3 },
    } as ReplicaSet);
    cluster.put(PODS, {
      metadata: { name: `${set}-1`, namespace: "default", labels: LABELS, ownerReferences: owned("ReplicaSet", set) },
      spec: { containers: [] },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    } as Pod);
  }
  cluster.put(PODDISRUPTIONBUDGETS, {
    metadata: { name: "web", namespace: "default", generation: 1 },
    spec: { selector: { matchLabels: LABELS }, maxUnavailable: "75%" },
  } as PodDisruptionBudget);
  cluster.deliver();
  const budget = (): PodDisruptionBudget => cluster.list("poddisruptionbudgets")[0] as PodDisruptionBudget;
  return { cluster, controller, budget };
}

it("says how many pods of a Deployment may go, and writes it once", async () => {
  const { cluster, controller, budget } = world();
  await controller.reconcile(KEY);
  expect(budget().status).toMatchObject({
    expectedPods: 4,
    desiredHealthy: 1,
    currentHealthy: 2,
    disruptionsAllowed: 1,
  });
  cluster.deliver();
  await controller.reconcile(KEY);
  expect(cluster.requests).toEqual(["status poddisruptionbudgets"]);
});

it("gives back nothing that an eviction has taken while its caches lag", async () => {
  const { cluster, controller, budget } = world();
  await controller.reconcile(KEY);
  cluster.deliver();
  const status = { ...budget().status!, disruptionsAllowed: 0, disruptedPods: { "old-1": "2026-11-22T10:00:00Z" } };
  cluster.put(PODDISRUPTIONBUDGETS, { ...budget(), status } as PodDisruptionBudget);
  const pod = cluster.list("pods")[0] as Pod;
  cluster.put(PODS, { ...pod, status: { phase: "Running", conditions: [] } } as Pod);
  // The cache shows neither yet; then the pod alone would have changed the numbers.
  await controller.reconcile(KEY);
  cluster.deliver(1);
  await controller.reconcile(KEY);
  cluster.deliver();
  await controller.reconcile(KEY);
  expect(budget().status).toMatchObject({ currentHealthy: 1, disruptionsAllowed: 0 });
});

it("looks when a pod that it selects changes, and no other", () => {
  const { cluster, controller } = world();
  const asked: string[] = [];
  const stop = controller.watch((key) => void asked.push(key));
  asked.length = 0;
  const [pod] = cluster.list("pods") as Pod[];
  cluster.put(PODS, {
    ...pod!,
    metadata: { ...pod!.metadata, name: "other", uid: "other", labels: { app: "db" } },
  } as Pod);
  cluster.deliver();
  expect(asked).toEqual([]);
  cluster.put(PODS, { ...pod!, metadata: { ...pod!.metadata, labels: {} } } as Pod);
  cluster.deliver();
  expect(asked).toEqual([KEY]);
  stop();
});
