import { DEPLOYMENTS, type Deployment, REPLICASETS, type ReplicaSet } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { FakeCluster } from "../fake-api.ts";
import { createDeploymentController } from "./controller.ts";
import { templateHash } from "./template.ts";

const KEY = "default/web";

function deployment(image = "web:1"): Deployment {
  return {
    metadata: { name: "web", namespace: "default", uid: "d", generation: 1 },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } },
      progressDeadlineSeconds: 600,
    },
  };
}

function world() {
  const cluster = new FakeCluster();
  cluster.put(DEPLOYMENTS, deployment());
  cluster.deliver();
  const controller = createDeploymentController(cluster.context);
  const sets = (): ReplicaSet[] => cluster.list("replicasets") as ReplicaSet[];
  const current = (): Deployment => cluster.list("deployments")[0] as Deployment;
  return { cluster, controller, sets, current };
}

describe("the Deployment controller", () => {
  it("creates one set, tells of it, and is at rest when nothing changes", async () => {
    const { cluster, controller, sets, current } = world();
    await controller.reconcile(KEY);
    expect(sets().map((set) => set.spec.replicas)).toEqual([3]);
    expect(cluster.told).toEqual([
      `Deployment web: ScalingReplicaSet: Scaled up replica set ${sets()[0]!.metadata.name} from 0 to 3`,
    ]);
    expect(current().metadata.annotations).toEqual({ "deployment.kubernetes.io/revision": "1" });
    for (let round = 0; round < 4; round++) {
      cluster.deliver();
      await controller.reconcile(KEY);
    }
    const before = cluster.requests.length;
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(cluster.requests.length).toBe(before);
  });

  it("does nothing more until its caches show what it did", async () => {
    const { cluster, controller, sets } = world();
    await controller.reconcile(KEY);
    const before = cluster.requests.length;
    expect(await controller.reconcile(KEY)).toEqual({ requeueAfterMs: 250 });
    expect([cluster.requests.length, sets().length]).toEqual([before, 1]);
  });

  it("recognises its own set when the answer to its creation was lost", async () => {
    const { cluster, controller, sets, current } = world();
    cluster.fate = (request) => (request === "create replicasets" ? "lost answer" : "ok");
    await expect(controller.reconcile(KEY)).rejects.toMatchObject({ code: "Unknown" });
    cluster.fate = () => "ok";
    await controller.reconcile(KEY);
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(sets()).toHaveLength(1);
    expect(current().status?.collisionCount).toBeUndefined();
  });

  it("chooses another name when its set's name is taken by someone else", async () => {
    const { cluster, controller, sets, current } = world();
    const name = `web-${templateHash(deployment().spec.template, undefined)}`;
    const theirs = { metadata: { name, namespace: "default", labels: {} }, spec: { selector: {}, template: {} } };
    cluster.put(REPLICASETS, theirs as unknown as ReplicaSet);
    await controller.reconcile(KEY);
    expect(current().status?.collisionCount).toBe(1);
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(sets().map((set) => set.metadata.name === name)).toEqual([true, false]);
  });

  it("says why a set could not be created", async () => {
    const { cluster, controller } = world();
    cluster.fate = (request) =>
      request === "create replicasets" ? new TriremeError("Invalid", "spec.template is wrong") : "ok";
    await expect(controller.reconcile(KEY)).rejects.toMatchObject({ code: "Invalid" });
    expect(cluster.told[0]).toMatch(
      /^Deployment web: ReplicaSetCreateError: Failed to create new replica set "web-.*wrong$/,
    );
  });

  it("passes a fence on and tells nobody", async () => {
    const { cluster, controller } = world();
    cluster.fate = () => new TriremeError("Fenced", "another is in office");
    await expect(controller.reconcile(KEY)).rejects.toMatchObject({ code: "Fenced" });
    expect(cluster.told).toEqual([]);
  });
});
