import { PODS, type Pod, REPLICASETS, type ReplicaSet } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeCluster, type Fate } from "../fake-api.ts";
import { createReplicaSetController } from "./controller.ts";

const KEY = "default/web";

function replicaSet(replicas: number): ReplicaSet {
  return {
    metadata: { name: "web", namespace: "default", uid: "rs", generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c" }] } },
    },
  };
}

function world(replicas: number) {
  const cluster = new FakeCluster();
  cluster.put(REPLICASETS, replicaSet(replicas));
  cluster.deliver();
  const controller = createReplicaSetController(cluster.context);
  const scale = (to: number): void => {
    const [current] = cluster.list("replicasets") as ReplicaSet[];
    cluster.put(REPLICASETS, { ...current!, spec: { ...current!.spec, replicas: to } } as ReplicaSet);
  };
  return { cluster, controller, scale, pods: () => cluster.list("pods") as Pod[] };
}

describe("the ReplicaSet controller", () => {
  it("creates what is missing, once, however far its caches lag", async () => {
    const { cluster, controller, pods } = world(20);
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(20);
    expect(await controller.reconcile(KEY)).toEqual({ requeueAfterMs: 250 });
    cluster.deliver(5);
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(20);
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(20);
    expect((cluster.list("replicasets")[0] as ReplicaSet).status?.replicas).toBe(20);
    expect(cluster.told).toContain(`ReplicaSet web: SuccessfulCreate: Created pod: ${pods()[0]!.metadata.name}`);
  });

  it("deletes what is too much, once, however far its caches lag", async () => {
    const { cluster, controller, scale, pods } = world(10);
    await controller.reconcile(KEY);
    scale(4);
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(4);
    cluster.deliver(2);
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(4);
  });

  it("looks a pod up whose creation was not answered, instead of creating another", async () => {
    const { cluster, controller, pods } = world(3);
    cluster.fate = (request) => (request === "create pods" ? "lost answer" : "ok");
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(3);
    cluster.deliver();
    await controller.reconcile(KEY);
    expect(pods()).toHaveLength(3);
  });

  it("stops a burst early when everything is refused, and says why", async () => {
    const { cluster, controller } = world(100);
    cluster.fate = (request) => (request === "create pods" ? new TriremeError("Forbidden", "exceeded quota") : "ok");
    await expect(controller.reconcile(KEY)).rejects.toMatchObject({ code: "Forbidden" });
    expect(cluster.requests.filter((request) => request === "create pods")).toHaveLength(4);
    expect(cluster.told).toEqual(["ReplicaSet web: FailedCreate: Error creating: exceeded quota"]);
    const { status } = cluster.list("replicasets")[0] as ReplicaSet;
    expect(status!.conditions).toMatchObject([{ type: "ReplicaFailure", status: "True", reason: "FailedCreate" }]);
  });

  it("adopts only while it lives in the API, whatever the cache says", async () => {
    const { cluster, controller, pods } = world(1);
    cluster.put(PODS, {
      metadata: { name: "stray", namespace: "default", labels: { app: "web" } },
      spec: { containers: [] },
    } as Pod);
    cluster.deliver();
    cluster.remove(REPLICASETS, "default", "web");
    await controller.reconcile(KEY).catch(() => undefined);
    expect(pods()[0]!.metadata.ownerReferences).toBeUndefined();
  });

  /**
   * Goal: no order of work, deliveries, lost answers and refusals makes a pod too many or leaves one missing. Method:
   * drawn steps against the fake API; after each the live pods are counted; then everything heals and must converge.
   */
  it("never has more pods than asked for, and converges", async () => {
    const fates: Fate[] = ["ok", "ok", "ok", "lost answer", new TriremeError("Timeout", "too slow")];
    const step = fc.oneof(
      fc.constant({ what: "reconcile" as const }),
      fc.record({ what: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ what: fc.constant("kill" as const), pick: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.array(step, { maxLength: 25, size: "max" }),
        fc.array(fc.constantFrom(...fates), { minLength: 1, maxLength: 30, size: "max" }),
        async (replicas, steps, drawn) => {
          const { cluster, controller, pods } = world(replicas);
          let next = 0;
          cluster.fate = () => drawn[next++ % drawn.length]!;
          const reconcile = (): Promise<unknown> => controller.reconcile(KEY).catch(() => undefined);
          for (const one of steps) {
            if (one.what === "reconcile") await reconcile();
            else if (one.what === "deliver") cluster.deliver(one.count);
            else {
              const live = pods();
              const victim = live[one.pick % Math.max(1, live.length)];
              if (victim !== undefined) cluster.remove(PODS, "default", victim.metadata.name);
            }
            expect(pods().length).toBeLessThanOrEqual(replicas);
          }
          cluster.fate = () => "ok";
          for (let round = 0; round < 6; round++) {
            cluster.deliver();
            await reconcile();
          }
          expect(pods()).toHaveLength(replicas);
        },
      ),
      { numRuns: 100 },
    );
  }, 30_000);
});
