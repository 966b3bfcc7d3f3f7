import {
  CONFIGMAPS,
  type ConfigMap,
  DEPLOYMENTS,
  type Deployment,
  type KubeObject,
  LEASES,
  type Lease,
  NAMESPACES,
  NODES,
  type Node,
  PODDISRUPTIONBUDGETS,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  type PersistentVolumeClaim,
  type Pod,
  type PodDisruptionBudget,
  type PodDisruptionBudgetStatus,
  type Resource,
  SERVICEACCOUNTS,
  SERVICES,
  type Service,
} from "@trireme/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, type Fixture, callerNamed, podNamed, startPipeline } from "../fixture.ts";
import type { NamedTarget, PatchOptions } from "../pipeline/request.ts";

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startPipeline();
});
afterEach(() => fixture.stop());

function at(resource: { group: string; resource: string }, name: string, namespace = "default"): NamedTarget {
  return { resource: resource as Resource, namespace, name };
}

function configMap(name: string, data: Record<string, string>, namespace = "default"): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data } as KubeObject;
}

function deployment(name: string, replicas = 1): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "x:1" }] } },
    },
  } as KubeObject;
}

function service(name: string, spec: Service["spec"]): KubeObject {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec } as KubeObject;
}

const patch = (target: NamedTarget, body: unknown, type: PatchOptions["type"] = "merge") =>
  fixture.pipeline.patch(ADMIN, target, { type, body, fieldValidation: "Strict", fieldManager: "t" });

describe("create", () => {
  it("stamps what only the server may give, and reads back what it wrote", async () => {
    const created = await fixture.create(configMap("a", { k: "v" }));
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(created.metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const { object } = await fixture.pipeline.get(ADMIN, at(CONFIGMAPS, "a"));
    expect(object).toEqual(created);
  });

  it("refuses a name that is taken, a namespace that is not there, and a version", async () => {
    await fixture.create(configMap("a", {}));
    await expect(fixture.create(configMap("a", {}))).rejects.toThrow('configmaps "a" already exists');
    await expect(fixture.create(configMap("a", {}, "nope"))).rejects.toThrow('namespaces "nope" not found');
    const versioned = configMap("b", {});
    versioned.metadata.resourceVersion = "5";
    await expect(fixture.create(versioned)).rejects.toThrow("resourceVersion should not be set");
  });

  it("takes a body without metadata for one that leaves all to the path", async () => {
    const target = { resource: CONFIGMAPS as Resource, namespace: "default" };
    await expect(fixture.pipeline.create(ADMIN, target, { data: {} }, {})).rejects.toMatchObject({ code: "Invalid" });
    const eviction = { ...at(PODS, "none"), subresource: "eviction" };
    await expect(fixture.pipeline.create(ADMIN, eviction, {}, {})).rejects.toMatchObject({ code: "NotFound" });
  });

  it("makes a name from generateName", async () => {
    const object = podNamed("");
    object.metadata.generateName = "web-";
    const created = await fixture.create(object);
    expect(created.metadata.name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  it("gives a new namespace its ServiceAccount and finalizer", async () => {
    await fixture.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } });
    const account = await fixture.pipeline.get(ADMIN, at(SERVICEACCOUNTS, "default", "n"));
    expect(account.object.metadata.uid).toBeDefined();
    const { object } = await fixture.pipeline.get(ADMIN, at(NAMESPACES, "n"));
    expect(object).toMatchObject({ spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } });
  });

  it("admits a pod with the cluster's tolerations and drops a status that came along", async () => {
    const pod = { ...podNamed("p"), status: { phase: "Running" } } as KubeObject;
    const created = (await fixture.create(pod)) as Pod;
    expect(created.status).toEqual({ phase: "Pending", qosClass: "BestEffort" });
    expect(created.spec?.tolerations?.map((one) => one.tolerationSeconds)).toEqual([5, 5]);
  });

  it("writes nothing on a dry run", async () => {
    const target = { resource: CONFIGMAPS as Resource, namespace: "default" };
    const { object } = await fixture.pipeline.create(ADMIN, target, configMap("dry", {}), { dryRun: true });
    expect(object.metadata.uid).toBeDefined();
    await expect(fixture.pipeline.get(ADMIN, at(CONFIGMAPS, "dry"))).rejects.toMatchObject({ code: "NotFound" });
  });
});

describe("update", () => {
  it("refuses an old version and another uid", async () => {
    const created = await fixture.create(configMap("a", { n: "1" }));
    await patch(at(CONFIGMAPS, "a"), { data: { n: "2" } });
    const stale = { ...created, data: { n: "3" } };
    await expect(fixture.pipeline.update(ADMIN, at(CONFIGMAPS, "a"), stale, {})).rejects.toThrow(
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
    );
    await expect(patch(at(CONFIGMAPS, "a"), { metadata: { uid: "x" } })).rejects.toMatchObject({ code: "Conflict" });
  });

  it("makes no event of a write that changes nothing", async () => {
    const created = await fixture.create(configMap("a", { n: "1" }));
    const { object } = await patch(at(CONFIGMAPS, "a"), { data: { n: "1" } });
    expect(object.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
  });

  it("takes every one of many concurrent patches that name no version", async () => {
    await fixture.create(configMap("a", {}));
    const keys = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(keys.map((key) => patch(at(CONFIGMAPS, "a"), { data: { [key]: "1" } })));
    const { object } = await fixture.pipeline.get(ADMIN, at(CONFIGMAPS, "a"));
    expect(Object.keys((object as ConfigMap).data!).toSorted()).toEqual(keys);
  });

  it("counts generations by spec, and keeps status and spec apart", async () => {
    await fixture.create(deployment("d"));
    const status = { ...at(DEPLOYMENTS, "d"), subresource: "status" };
    const both = { spec: { replicas: 9 }, status: { replicas: 1 } };
    const first = (await patch(status, both)).object as Deployment;
    expect([first.metadata.generation, first.spec?.replicas, first.status?.replicas]).toEqual([1, 1, 1]);
    const second = (await patch(at(DEPLOYMENTS, "d"), { spec: { replicas: 3 }, status: { replicas: 7 } })).object;
    expect(second).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 3 }, status: { replicas: 1 } });
  });

  it("scales through the scale view alone", async () => {
    await fixture.create(deployment("d", 2));
    const target = { ...at(DEPLOYMENTS, "d"), subresource: "scale" };
    const scale = await fixture.pipeline.getScale(ADMIN, target);
    expect(scale).toMatchObject({ kind: "Scale", spec: { replicas: 2 }, status: { selector: "app=d" } });
    expect((await patch(target, { spec: { replicas: 5 } })).object).toMatchObject({ spec: { replicas: 5 } });
    await expect(patch(target, { spec: { replicas: -1 } })).rejects.toMatchObject({ code: "Invalid" });
  });
});

describe("delete", () => {
  const remove = (target: NamedTarget, options = {}) => fixture.pipeline.delete(ADMIN, target, options);

  it("ends a pod on a node by its agent, and one without a node at once", async () => {
    await fixture.create(podNamed("bound", { nodeName: "node1" }));
    await fixture.create(podNamed("free"));
    expect(await remove(at(PODS, "free"))).toMatchObject({ gone: true });
    const marked = await remove(at(PODS, "bound"));
    expect(marked).toMatchObject({ gone: false, object: { metadata: { deletionGracePeriodSeconds: 30 } } });
    const hurried = await remove(at(PODS, "bound"), { gracePeriodSeconds: 5 });
    expect(hurried.object.metadata.deletionGracePeriodSeconds).toBe(5);
    const slower = await remove(at(PODS, "bound"), { gracePeriodSeconds: 50 });
    expect(slower.object.metadata.deletionGracePeriodSeconds).toBe(5);
    await expect(remove(at(PODS, "bound"), { uid: "other" })).rejects.toThrow("Precondition failed: UID");
    const node = callerNamed("system:node:node1", "system:nodes");
    const { uid } = marked.object.metadata;
    const done = await fixture.pipeline.delete(node, at(PODS, "bound"), { gracePeriodSeconds: 0, uid });
    expect(done.gone).toBe(true);
  });

  it("lets only its own node touch a bound pod", async () => {
    await fixture.create(podNamed("bound", { nodeName: "node1" }));
    const other = callerNamed("system:node:node2", "system:nodes");
    await expect(fixture.pipeline.delete(other, at(PODS, "bound"), {})).rejects.toMatchObject({ code: "Forbidden" });
    const status = { ...at(PODS, "bound"), subresource: "status" };
    const body = { status: { phase: "Running" } };
    await expect(fixture.pipeline.patch(other, status, { type: "merge", body })).rejects.toMatchObject({
      code: "Forbidden",
    });
  });

  it("changes ephemeral containers through their subresource, and nothing else there", async () => {
    await fixture.create(podNamed("p"));
    const target = { ...at(PODS, "p"), subresource: "ephemeralcontainers" };
    const ephemeralContainers = [{ name: "peek", image: "busybox" }];
    const labels = { a: "b" };
    const added = await patch(target, { metadata: { labels }, spec: { ephemeralContainers } });
    expect(added.object).toMatchObject({ metadata: { generation: 2 }, spec: { ephemeralContainers } });
    expect(added.object.metadata.labels).toBeUndefined();
    const plain = await patch(at(PODS, "p"), { metadata: { labels }, spec: { ephemeralContainers: null } });
    expect(plain.object).toMatchObject({ metadata: { labels }, spec: { ephemeralContainers } });
  });

  it("waits for finalizers, and goes with the last one", async () => {
    const object = configMap("a", {});
    object.metadata.finalizers = ["example.com/x"];
    await fixture.create(object);
    expect(await remove(at(CONFIGMAPS, "a"))).toMatchObject({ gone: false });
    await patch(at(CONFIGMAPS, "a"), { metadata: { finalizers: null } });
    await expect(fixture.pipeline.get(ADMIN, at(CONFIGMAPS, "a"))).rejects.toMatchObject({ code: "NotFound" });
  });

  it("marks for foreground and orphan deletion", async () => {
    await fixture.create(deployment("d"));
    const { object } = await remove(at(DEPLOYMENTS, "d"), { propagationPolicy: "Foreground" });
    expect(object.metadata.finalizers).toEqual(["foregroundDeletion"]);
    await fixture.create(deployment("e"));
    expect((await remove(at(DEPLOYMENTS, "e"), { propagationPolicy: "Orphan" })).object.metadata.finalizers).toEqual([
      "orphan",
    ]);
  });

  it("closes a namespace, and removes it when it is finalized", async () => {
    await fixture.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "n" } });
    const { object, gone } = await remove(at(NAMESPACES, "n"));
    expect([gone, (object as { status?: { phase?: string } }).status?.phase]).toEqual([false, "Terminating"]);
    await expect(fixture.create(configMap("a", {}, "n"))).rejects.toThrow(
      'configmaps "a" is forbidden: unable to create new content in namespace n because it is being terminated',
    );
    const finalize = { ...at(NAMESPACES, "n"), subresource: "finalize" };
    await fixture.pipeline.update(ADMIN, finalize, { ...object, spec: { finalizers: [] } }, {});
    await expect(fixture.pipeline.get(ADMIN, at(NAMESPACES, "n"))).rejects.toMatchObject({ code: "NotFound" });
    await expect(remove(at(NAMESPACES, "default"))).rejects.toThrow("may not be deleted");
  });

  it("deletes what a selector finds, all of it", async () => {
    for (let i = 0; i < 40; i++) await fixture.create(podNamed(`p${i}`, { labels: { half: String(i % 2) } }));
    const target = { resource: PODS as Resource, namespace: "default" };
    await fixture.pipeline.deleteCollection(ADMIN, target, { labelSelector: "half=0" }, {});
    expect((await fixture.pipeline.list(ADMIN, target, {})).items).toHaveLength(20);
  });
});

describe("allocation", () => {
  it("gives each Service an address of its own and frees it with the Service", async () => {
    const created = (await fixture.create(service("a", { ports: [{ port: 80 }] }))) as Service;
    const address = created.spec!.clusterIP!;
    expect(address).toMatch(/^10\.96\./);
    const same = service("b", { clusterIP: address, ports: [{ port: 80 }] });
    await expect(fixture.create(same)).rejects.toThrow("provided IP is already allocated");
    await fixture.pipeline.delete(ADMIN, at(SERVICES, "a"), {});
    expect(((await fixture.create(same)) as Service).spec?.clusterIP).toBe(address);
    const outside = service("c", { clusterIP: "10.97.0.1", ports: [{ port: 80 }] });
    await expect(fixture.create(outside)).rejects.toThrow("not in the valid range 10.96.0.0-10.96.255.255");
  });

  it("gives node ports, keeps them over updates, and takes them back", async () => {
    const created = (await fixture.create(service("a", { type: "NodePort", ports: [{ port: 80 }] }))) as Service;
    const { nodePort } = created.spec!.ports![0]!;
    expect(nodePort).toBeGreaterThanOrEqual(30_000);
    const put = service("a", { type: "NodePort", ports: [{ port: 80, targetPort: 8080 }] });
    const updated = (await fixture.pipeline.update(ADMIN, at(SERVICES, "a"), put, {})).object as Service;
    expect(updated.spec?.ports?.[0]).toMatchObject({ targetPort: 8080, nodePort });
    expect(updated.spec?.clusterIP).toBe(created.spec?.clusterIP);
    const taken = service("b", { type: "NodePort", ports: [{ port: 81, nodePort: nodePort! }] });
    await expect(fixture.create(taken)).rejects.toThrow("provided port is already allocated");
    await patch(at(SERVICES, "a"), { spec: { type: "ClusterIP" } });
    expect(((await fixture.create(taken)) as Service).spec?.ports?.[0]?.nodePort).toBe(nodePort);
  });

  it("gives two servers that race different addresses and blocks", async () => {
    const other = await startPipeline(fixture.store);
    const both = [fixture, other];
    const services = await Promise.all(
      Array.from({ length: 20 }, (_, i) => both[i % 2]!.create(service(`s${i}`, { ports: [{ port: 80 }] }))),
    );
    expect(new Set(services.map((one) => (one as Service).spec!.clusterIP)).size).toBe(20);
    const nodes = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        both[i % 2]!.create({ apiVersion: "v1", kind: "Node", metadata: { name: `n${i}` } }),
      ),
    );
    expect(new Set(nodes.map((one) => (one as Node).spec!.podCIDR)).size).toBe(6);
    await fixture.pipeline.delete(ADMIN, at(NODES, "n0"), {});
    other.cache.stop();
  });
});

describe("bindings", () => {
  const scheduler = callerNamed("system:kube-scheduler");

  it("assigns a pod once", async () => {
    await fixture.create(podNamed("p"));
    const bind = (node: string) =>
      fixture.pipeline.create(
        scheduler,
        { ...at(PODS, "p"), subresource: "binding" },
        { apiVersion: "v1", kind: "Binding", metadata: { name: "p" }, target: { kind: "Node", name: node } },
        {},
      );
    await bind("node1");
    await expect(bind("node2")).rejects.toThrow('pod p is already assigned to node "node1"');
    const { object } = await fixture.pipeline.get(ADMIN, at(PODS, "p"));
    expect(object).toMatchObject({
      spec: { nodeName: "node1" },
      status: { conditions: [{ type: "PodScheduled", status: "True" }] },
    });
  });

  it("binds a batch in one revision, and reports each pod when one is refused", async () => {
    const pods = await Promise.all(["a", "b", "c"].map((name) => fixture.create(podNamed(name))));
    const wanted = (name: string, uid = "") => ({ namespace: "default", pod: name, uid, node: "node1" });
    const together = await fixture.pipeline.bindAll(scheduler, [wanted("a", pods[0]!.metadata.uid), wanted("b")]);
    expect(new Set(together.map((one) => "revision" in one && one.revision)).size).toBe(1);
    const mixed = await fixture.pipeline.bindAll(scheduler, [wanted("a"), wanted("c"), wanted("gone")]);
    expect(mixed.map((one) => ("error" in one ? one.error.code : "bound"))).toEqual(["Conflict", "bound", "NotFound"]);
  });
});

describe("evictions", () => {
  const evict = (name: string, deleteOptions: object = {}) =>
    fixture.pipeline.create(
      ADMIN,
      { ...at(PODS, name), subresource: "eviction" },
      { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" }, deleteOptions },
      {},
    );

  it("end a pod as a delete does, with its grace and its preconditions", async () => {
    const pod = podNamed("p") as Pod;
    await fixture.create({ ...pod, spec: { ...pod.spec, nodeName: "node1" } } as KubeObject);
    await expect(evict("p", { preconditions: { uid: "other" } })).rejects.toThrow("Precondition failed: UID");
    await expect(evict("p", { dryRun: ["All"] })).resolves.toMatchObject({ created: true });
    expect((await fixture.pipeline.get(ADMIN, at(PODS, "p"))).object.metadata.deletionTimestamp).toBeUndefined();
    const { object, created } = await evict("p", { gracePeriodSeconds: 7 });
    expect([created, object]).toMatchObject([true, { kind: "Status", status: "Success", code: 201 }]);
    const ending = (await fixture.pipeline.get(ADMIN, at(PODS, "p"))).object;
    expect(ending.metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
    await expect(evict("nobody")).rejects.toThrow('pods "nobody" not found');
  });

  /** A pod that runs on a node, ready or not. */
  async function running(name: string, ready = "True"): Promise<void> {
    await fixture.create(podNamed(name, { nodeName: "node1", labels: { app: "web" } }));
    const status = { phase: "Running", conditions: [{ type: "Ready", status: ready }] };
    await patch({ ...at(PODS, name), subresource: "status" }, { status });
  }

  async function budget(spec: object, status?: object, name = "web"): Promise<void> {
    const selector = { matchLabels: { app: "web" } };
    const object = {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name },
      spec: { selector, ...spec },
    };
    await fixture.create(object as KubeObject);
    if (status === undefined) return;
    const said = { observedGeneration: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, ...status };
    await patch({ ...at(PODDISRUPTIONBUDGETS, name), subresource: "status" }, { status: said });
  }

  const budgetStatus = async (): Promise<PodDisruptionBudgetStatus> =>
    ((await fixture.pipeline.get(ADMIN, at(PODDISRUPTIONBUDGETS, "web"))).object as PodDisruptionBudget).status!;
  const REFUSED = "Cannot evict pod as it would violate the pod's disruption budget.";

  it("take a disruption off the budget, and are refused when none is left", async () => {
    for (const name of ["a", "b"]) await running(name);
    await budget({ minAvailable: 1 }, { disruptionsAllowed: 1 });
    await expect(evict("a", { dryRun: ["All"] })).resolves.toMatchObject({ created: true });
    expect(await budgetStatus()).toMatchObject({ disruptionsAllowed: 1 });
    await evict("a");
    expect(await budgetStatus()).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { a: expect.any(String) } });
    expect(((await fixture.pipeline.get(ADMIN, at(PODS, "a"))).object as Pod).status!.conditions).toContainEqual(
      expect.objectContaining({ type: "DisruptionTarget", reason: "EvictionByEvictionAPI" }),
    );
    await expect(evict("b")).rejects.toMatchObject({
      code: "TooManyRequests",
      message: REFUSED,
      details: {
        causes: [
          { reason: "DisruptionBudget", message: "The disruption budget web needs 1 healthy pods and has 2 currently" },
        ],
      },
    });
    // What is on its way out already is no further loss.
    await expect(evict("a")).resolves.toMatchObject({ created: true });
  });

  it("never take more than there is, however many come at once", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const name of names) await running(name);
    await budget({ minAvailable: 4 }, { disruptionsAllowed: 2, currentHealthy: 6, desiredHealthy: 4 });
    const outcomes = await Promise.allSettled(names.map((name) => evict(name)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    const { disruptedPods, disruptionsAllowed } = await budgetStatus();
    expect([Object.keys(disruptedPods!).length, disruptionsAllowed]).toEqual([2, 0]);
    const ending = await Promise.all(names.map((name) => fixture.pipeline.get(ADMIN, at(PODS, name))));
    const marked = ending.filter(({ object }) => object.metadata.deletionTimestamp !== undefined);
    expect(marked.map(({ object }) => object.metadata.name)).toEqual(Object.keys(disruptedPods!).toSorted());
  });

  it("wait for a budget that nobody has looked at", async () => {
    await running("a");
    await budget({ maxUnavailable: 1 });
    await expect(evict("a")).rejects.toMatchObject({
      code: "TooManyRequests",
      details: { retryAfterSeconds: 10, causes: [{ message: expect.stringContaining("still being processed") }] },
    });
  });

  it("let pods go that are not healthy, as the policy says", async () => {
    for (const name of ["a", "b"]) await running(name, "False");
    await fixture.create(podNamed("waiting", { labels: { app: "web" } }));
    await budget({ minAvailable: 3 }, { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 3 });
    await expect(evict("waiting")).resolves.toMatchObject({ created: true });
    await expect(evict("a")).rejects.toThrow(REFUSED);
    const status = { subresource: "status" };
    await patch({ ...at(PODDISRUPTIONBUDGETS, "web"), ...status }, { status: { currentHealthy: 3 } });
    await evict("a");
    await patch(at(PODDISRUPTIONBUDGETS, "web"), { spec: { unhealthyPodEvictionPolicy: "AlwaysAllow" } });
    await patch({ ...at(PODDISRUPTIONBUDGETS, "web"), ...status }, { status: { currentHealthy: 0 } });
    await evict("b");
  });

  it("are not for pods with two budgets", async () => {
    await running("a");
    await budget({ maxUnavailable: 1 }, { disruptionsAllowed: 1 });
    await budget({ maxUnavailable: 1 }, { disruptionsAllowed: 1 }, "other");
    await expect(evict("a")).rejects.toThrow("This pod has more than one PodDisruptionBudget");
  });
});

describe("fences", () => {
  const scheduler = callerNamed("system:kube-scheduler");
  const lease = (holder: string, acquireTime = "2026-01-01T00:00:00.000000Z"): KubeObject =>
    ({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "trireme-scheduler", namespace: "kube-system" },
      spec: { holderIdentity: holder, acquireTime },
    }) as KubeObject;
  const leaseAt = at(LEASES, "trireme-scheduler", "kube-system");
  const spec = (holder: string, acquireTime?: string) => ({ spec: (lease(holder, acquireTime) as Lease).spec });

  it("moves with the holder, stays over renewals, and stops a deposed one", async () => {
    const first = Number((await fixture.create(lease("server1"), scheduler)).metadata.resourceVersion);
    const fenced = (revision: number) => ({ ...scheduler, fence: { election: "scheduler", revision } });
    await fixture.create(podNamed("a"));
    await fixture.create(podNamed("b"));
    await fixture.create(podNamed("c"));
    const wanted = (pod: string) => [{ namespace: "default", pod, uid: "", node: "node1" }];
    await patch(leaseAt, { spec: { renewTime: "2026-01-01T00:00:01.000000Z" } });
    expect(await fixture.pipeline.bindAll(fenced(first), wanted("a"))).toMatchObject([
      { revision: expect.any(Number) },
    ]);
    const taken = Number((await patch(leaseAt, spec("server2"))).object.metadata.resourceVersion);
    await expect(fixture.pipeline.bindAll(fenced(first), wanted("b"))).rejects.toMatchObject({ code: "Fenced" });
    expect(await fixture.pipeline.bindAll(fenced(taken), wanted("b"))).toMatchObject([
      { revision: expect.any(Number) },
    ]);
    // The same holder after a restart: another term.
    await patch(leaseAt, spec("server2", "2026-01-01T00:01:00.000000Z"));
    await expect(fixture.pipeline.bindAll(fenced(taken), wanted("c"))).rejects.toMatchObject({ code: "Fenced" });
  });

  it("is for its own identity alone", async () => {
    const controllers = callerNamed("system:kube-controller-manager");
    const impostor = { ...controllers, fence: { election: "scheduler", revision: 5 } };
    await expect(fixture.create(podNamed("a"), impostor)).rejects.toMatchObject({ code: "Forbidden" });
    await expect(fixture.create(lease("me"), controllers)).rejects.toMatchObject({ code: "Forbidden" });
  });
});

describe("claims of storage", () => {
  const claim = (name: string, spec: object = {}): KubeObject =>
    ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...spec },
      status: { phase: "Bound" },
    }) as KubeObject;
  const create = async (name: string, spec?: object): Promise<PersistentVolumeClaim> => {
    const target = { resource: PERSISTENTVOLUMECLAIMS as Resource, namespace: "default" };
    return (await fixture.pipeline.create(ADMIN, target, claim(name, spec), {})).object as PersistentVolumeClaim;
  };

  it("are born pending and protected, of the default class unless they say otherwise", async () => {
    const born = await create("born");
    expect(born.spec.storageClassName).toBe("local-path");
    expect(born.metadata.finalizers).toEqual(["kubernetes.io/pvc-protection"]);
    expect(born.status).toEqual({ phase: "Pending" });
    expect((await create("none", { storageClassName: "" })).spec.storageClassName).toBe("");
  });

  it("stay, marked, until their protection is given up", async () => {
    await create("kept");
    const { gone } = await fixture.pipeline.delete(ADMIN, at(PERSISTENTVOLUMECLAIMS, "kept"), {});
    expect(gone).toBe(false);
    const patch: PatchOptions = { type: "merge", body: { metadata: { finalizers: [] } } };
    await fixture.pipeline.patch(ADMIN, at(PERSISTENTVOLUMECLAIMS, "kept"), patch);
    await expect(fixture.pipeline.get(ADMIN, at(PERSISTENTVOLUMECLAIMS, "kept"))).rejects.toThrow("not found");
  });
});
