/**
 * Goal: the controllers and the scheduler make manifests true through a real apiserver, under elections and fences.
 * Method: an apiserver over a store in memory, two servers' worth of controllers and schedulers with real clients over
 * TLS, heartbeats on a bus in memory, and a fake agent that runs nothing but reports what a real one would.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DEPLOYMENTS,
  type Deployment,
  ENDPOINTSLICES,
  type EndpointSlice,
  NAMESPACES,
  NODES,
  type Namespace,
  type Node,
  PODS,
  type Pod,
  REPLICASETS,
  type ReplicaSet,
  SERVICES,
  type Service,
  controllerUser,
} from "@trireme/api";
import { type Apiserver, createApiserver } from "@trireme/apiserver";
import { createPrng, sleep, systemClock } from "@trireme/base";
import { createMemoryHub, heartbeatCodec, heartbeatSubject } from "@trireme/bus";
import { type ApiClient, createApiClient } from "@trireme/client";
import { type InformerFactory, createInformerFactory, leasesOf } from "@trireme/controller";
import { type ControllersApp, createControllersApp } from "@trireme/controllers";
import {
  createCa,
  createSealingRing,
  createSigningKey,
  issue,
  SEALING_FILE,
  writeKeyPair,
  writePrivateFile,
} from "@trireme/pki";
import { type SchedulerApp, createSchedulerApp } from "@trireme/scheduler";
import { createMemoryStore } from "@trireme/store-client";
import { createRegistry, silentLogger } from "@trireme/telemetry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

// A loopback address of this process's own, so that runs side by side do not meet.
const ADDRESS = `127.71.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
const SERVER = `${ADDRESS}:6443`;
const NAMES = ["n1", "n2", "n3"];
const log = silentLogger;
const hub = createMemoryHub();
const dir = mkdtempSync(join(tmpdir(), "control-plane-"));
const silent = new Set<string>();
let apiserver: Apiserver;
let admin: ApiClient;
let agents: InformerFactory;
let beating: NodeJS.Timeout;
/** A node that was silent looks at its pods again. */
let lookAgain: () => void = () => {};
const servers = new Map<string, { controllers: ControllersApp; scheduler: SchedulerApp; close(): Promise<void> }>();

function identity(file: string): { ca: string; cert: string; key: string } {
  const read = (name: string): string => readFileSync(join(dir, name), "utf8");
  return { ca: read("ca.crt"), cert: read(`${file}.crt`), key: read(`${file}.key`) };
}

function clientOf(file: string, fence?: () => string | undefined): ApiClient {
  // Everything here shares one thread: patience, so that a loaded machine is not taken for a dead server.
  const timing = { connectMs: 10_000, silenceMs: 10_000, probeMs: 10_000, requestMs: 30_000 };
  return createApiClient({ servers: [SERVER], ...identity(file), userAgent: "test", timing, ...(fence && { fence }) });
}

function startServer(name: string): void {
  const electing = [clientOf("scheduler"), clientOf("controllers")];
  const common = {
    identity: name,
    bus: hub.connect(),
    clock: systemClock,
    log,
    prng: createPrng(name.length + servers.size),
  };
  const scheduler = createSchedulerApp({
    ...common,
    connect: (fence) => clientOf("scheduler", fence),
    leases: leasesOf(electing[0]!),
    registry: createRegistry({ processMetrics: false }),
  });
  const controllers = createControllersApp({
    ...common,
    connect: (fence) => clientOf("controllers", fence),
    leases: leasesOf(electing[1]!),
    registry: createRegistry({ processMetrics: false }),
    rootCa: "PEM",
    serviceCidr: "10.96.0.0/16",
    defaultTolerationSeconds: 1,
  });
  scheduler.start();
  controllers.start();
  const close = async (): Promise<void> => {
    await Promise.all([scheduler.stop(), controllers.stop()]);
    for (const client of electing) client.close();
    servers.delete(name);
  };
  servers.set(name, { controllers, scheduler, close });
}

/** Reports pods as running and ready, and confirms the end of those that are asked to go; a silent node does nothing. */
function startAgents(): void {
  agents = createInformerFactory({ client: admin });
  const pods = agents.informer<Pod>(PODS);
  const done = new Set<string>();
  let address = 1;
  const act = async (pod: Pod): Promise<void> => {
    const { name, namespace, uid = "", deletionTimestamp } = pod.metadata;
    const step = `${uid}/${deletionTimestamp === undefined ? "run" : "end"}`;
    if (pod.spec.nodeName === undefined || silent.has(pod.spec.nodeName) || done.has(step)) return;
    done.add(step);
    const api = admin.resource<Pod>(PODS, namespace);
    if (deletionTimestamp !== undefined) {
      await api.delete(name, { gracePeriodSeconds: 0, preconditions: { uid } });
      return;
    }
    await sleep(20);
    address += 1;
    const conditions = [
      { type: "Ready", status: "True", lastTransitionTime: new Date().toISOString().slice(0, 19) + "Z" },
    ];
    const status = { phase: "Running", podIP: `10.244.${address >> 8}.${address & 255}`, conditions };
    await api.patch(name, { type: "strategic", subresource: "status", body: { status } });
  };
  // A pod that went before its status was written is no failure.
  pods.onChange(({ type, object }) => type !== "deleted" && void act(object).catch(() => undefined));
  lookAgain = () => pods.list().forEach((pod) => void act(pod).catch(() => undefined));
  agents.start();
  let sequence = 0;
  const bus = hub.connect();
  beating = setInterval(() => {
    sequence += 1;
    for (const node of NAMES) {
      if (!silent.has(node))
        bus.publish(heartbeatSubject(node), heartbeatCodec.encode({ v: 1, node, sequence, startedAtMs: 1 }));
    }
  }, 500);
}

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>, withinMs = 20_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(25);
  }
}

function deployment(name: string, replicas: number, image = "web:1"): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "c", image, ports: [{ name: "http", containerPort: 8080 }] }] },
      },
    },
  };
}

const deployments = () => admin.resource<Deployment>(DEPLOYMENTS, "default");
const podsOf = async (app: string): Promise<readonly Pod[]> =>
  (await admin.resource<Pod>(PODS, "default").list({ labelSelector: `app=${app}` })).items;

async function complete(name: string, replicas: number): Promise<Deployment> {
  return await eventually(`${name} is complete`, async () => {
    const one = await deployments().get(name);
    const { status, metadata } = one;
    const isDone =
      status?.observedGeneration === metadata.generation &&
      (status?.replicas ?? 0) === replicas &&
      (status?.updatedReplicas ?? 0) === replicas &&
      (status?.availableReplicas ?? 0) === replicas;
    return isDone && one;
  });
}

beforeAll(async () => {
  const ca = await createCa("test");
  writePrivateFile(join(dir, "ca.crt"), ca.cert);
  writePrivateFile(join(dir, "shared", SEALING_FILE), createSealingRing());
  writePrivateFile(join(dir, "shared/sa.key"), await createSigningKey());
  const keep = async (file: string, cn: string, o?: string): Promise<void> => {
    const sans = file === "apiserver" ? [ADDRESS, "localhost"] : [];
    const use = file === "apiserver" ? { server: true as const } : { client: true as const };
    writeKeyPair(dir, file, await issue({ ca, cn, sans, ...use, ...(o === undefined ? {} : { o }) }));
  };
  await Promise.all([
    keep("apiserver", "kube-apiserver"),
    keep("apiserver-client", "system:apiserver:s1", "system:apiservers"),
    keep("scheduler", "system:kube-scheduler"),
    keep("controllers", "system:kube-controller-manager"),
    keep("admin", "admin", "system:masters"),
  ]);
  apiserver = await createApiserver(
    {
      name: "s1",
      address: ADDRESS,
      pkiDir: dir,
      storeEndpoints: [],
      apiServers: [SERVER],
      serversFile: undefined,
      natsUrls: [],
      serviceCidr: "10.96.0.0/16",
      podCidr: "10.244.0.0/16",
      nodePortRange: "30000-32767",
      clusterName: "test",
      restPort: 6443,
      grpcPort: 6444,
      metricsPort: 6445,
    },
    { store: createMemoryStore(), log },
  );
  await apiserver.start();
  admin = clientOf("admin");
  for (const name of NAMES) {
    await admin.resource<Node>(NODES).create({ apiVersion: "v1", kind: "Node", metadata: { name } });
    const status = {
      allocatable: { cpu: "4", memory: "8Gi", pods: "110" },
      conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "2026-11-22T10:00:00Z" }],
    };
    await admin.resource<Node>(NODES).patch(name, { type: "strategic", subresource: "status", body: { status } });
  }
  startAgents();
  startServer("server1");
  startServer("server2");
}, 60_000);

afterAll(async () => {
  clearInterval(beating);
  agents.stop();
  await Promise.all([...servers.values()].map((server) => server.close()));
  admin.close();
  await apiserver.stop();
  rmSync(dir, { recursive: true });
}, 30_000);

describe("the control plane", () => {
  it("turns a Deployment into ready pods on every node, and a Service into endpoints", async () => {
    await deployments().create(deployment("web", 3));
    await admin.resource<Service>(SERVICES, "default").create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "default" },
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }] },
    });
    const one = await complete("web", 3);
    expect(one.metadata.annotations!["deployment.kubernetes.io/revision"]).toBe("1");
    const pods = await podsOf("web");
    expect(pods.map((pod) => pod.spec.nodeName).toSorted()).toEqual(NAMES);
    await eventually("three ready endpoints", async () => {
      const { items } = await admin
        .resource<EndpointSlice>(ENDPOINTSLICES, "default")
        .list({ labelSelector: "kubernetes.io/service-name=web" });
      const ready = items.flatMap((slice) => slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready);
      return ready.length === 3 && items[0]!.ports![0]!.port === 8080;
    });
  });

  it("rolls an update out within its limits", async () => {
    let least = 3;
    let most = 0;
    const stop = new AbortController();
    const { resourceVersion } = await admin.resource<Pod>(PODS, "default").list();
    const seen = new Map((await podsOf("web")).map((pod) => [pod.metadata.name, pod]));
    const watching = admin
      .resource<Pod>(PODS, "default")
      .watch({ resourceVersion, signal: stop.signal }, ({ type, object }) => {
        if (type === "BOOKMARK") return;
        if (type === "DELETED") seen.delete(object.metadata.name);
        else seen.set(object.metadata.name, object);
        const live = [...seen.values()].filter((pod) => pod.metadata.deletionTimestamp === undefined);
        least = Math.min(
          least,
          live.filter((pod) => pod.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True"))
            .length,
        );
        most = Math.max(most, live.length);
      });
    await deployments().patch("web", {
      type: "strategic",
      body: { spec: { template: { spec: { containers: [{ name: "c", image: "web:2" }] } } } },
    });
    await complete("web", 3);
    stop.abort();
    await watching;
    expect({ least, most }).toEqual({ least: 3, most: 4 });
    const sets = await admin.resource<ReplicaSet>(REPLICASETS, "default").list({ labelSelector: "app=web" });
    expect(sets.items.map((set) => set.spec.replicas).toSorted()).toEqual([0, 3]);
  });

  it("creates exactly as many pods as asked when its leader goes in the middle, and the next takes over", async () => {
    await deployments().create(deployment("many", 40));
    await eventually("some pods", async () => (await podsOf("many")).length > 3);
    const leader = [...servers].find(([, { controllers }]) => controllers.office.isLeader)!;
    const created = new Set<string>();
    const stop = new AbortController();
    const { resourceVersion, items } = await admin.resource<Pod>(PODS, "default").list({ labelSelector: "app=many" });
    for (const pod of items) created.add(pod.metadata.name);
    const watching = admin
      .resource<Pod>(PODS, "default")
      .watch({ resourceVersion, labelSelector: "app=many", signal: stop.signal }, ({ type, object }) => {
        if (type !== "BOOKMARK") created.add(object.metadata.name);
      });
    await leader[1].close();
    await complete("many", 40);
    stop.abort();
    await watching;
    expect(created.size).toBe(40);
    const next = [...servers.values()][0]!;
    expect([next.controllers.office.isLeader, next.scheduler.office.isLeader]).toEqual([true, true]);
    startServer(leader[0]);
  });

  it("refuses a write with the fence of an earlier office", async () => {
    const stale = clientOf("controllers", () => "controllers=1");
    await expect(deployments().get("web")).resolves.toBeDefined();
    const write = stale
      .as(controllerUser("deployment-controller"))
      .resource<Deployment>(DEPLOYMENTS, "default")
      .patch("web", { type: "merge", body: { metadata: { labels: { stale: "yes" } } } });
    await expect(write).rejects.toMatchObject({ code: "Fenced" });
    stale.close();
  });

  it("moves the pods of a node that falls silent, and lets the node come back", async () => {
    await deployments().patch("many", { type: "merge", body: { spec: { replicas: 6 } } });
    await complete("many", 6);
    silent.add("n3");
    await eventually("all pods elsewhere", async () => {
      const live = (await podsOf("many")).filter((pod) => pod.metadata.deletionTimestamp === undefined);
      return live.length === 6 && live.every((pod) => pod.spec.nodeName !== "n3" && pod.status?.phase === "Running");
    });
    // Perhaps none of the six had been there: the pods' move alone does not say that the node was found lost.
    await eventually("the node is tainted", async () => {
      const lost = await admin.resource<Node>(NODES).get("n3");
      const taints = (lost.spec?.taints ?? []).map((taint) => `${taint.key}:${taint.effect}`).toSorted();
      const unreachable = "node.kubernetes.io/unreachable";
      return taints.join(" ") === `${unreachable}:NoExecute ${unreachable}:NoSchedule`;
    });
    silent.delete("n3");
    lookAgain();
    const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: "2026-11-22T11:00:00Z" }];
    await admin
      .resource<Node>(NODES)
      .patch("n3", { type: "strategic", subresource: "status", body: { status: { conditions } } });
    await eventually("taints gone", async () => {
      const back = await admin.resource<Node>(NODES).get("n3");
      return (back.spec?.taints ?? []).length === 0;
    });
  }, 40_000);

  it("takes everything along when a Deployment or a namespace goes", async () => {
    await deployments().delete("web", { propagationPolicy: "Background" });
    await eventually("web's pods and sets gone", async () => {
      const sets = await admin.resource<ReplicaSet>(REPLICASETS, "default").list({ labelSelector: "app=web" });
      return sets.items.length + (await podsOf("web")).length === 0;
    });
    await deployments().delete("many", { propagationPolicy: "Foreground" });
    await eventually("many gone, its dependents first", async () => {
      try {
        await deployments().get("many");
        return false;
      } catch {
        const sets = await admin.resource<ReplicaSet>(REPLICASETS, "default").list({ labelSelector: "app=many" });
        expect(sets.items).toEqual([]);
        return true;
      }
    });
    await admin
      .resource<Namespace>(NAMESPACES)
      .create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "tmp" } });
    const inside = deployment("inside", 2);
    inside.metadata.namespace = "tmp";
    await admin.resource<Deployment>(DEPLOYMENTS, "tmp").create(inside);
    await admin.resource<Namespace>(NAMESPACES).delete("tmp");
    await eventually("tmp gone", async () => {
      const { items } = await admin.resource<Namespace>(NAMESPACES).list();
      return items.every((namespace) => namespace.metadata.name !== "tmp");
    });
  });
});
