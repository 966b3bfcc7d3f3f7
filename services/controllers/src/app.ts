import {
  CLUSTERROLES,
  CONFIGMAPS,
  type ConfigMap,
  type ControllerAccount,
  type ClusterRole,
  CONTROLLERREVISIONS,
  CRONJOBS,
  type ControllerRevision,
  type CronJob,
  DAEMONSETS,
  DEPLOYMENTS,
  type DaemonSet,
  type Deployment,
  ENDPOINTSLICES,
  EVENTS,
  type EndpointSlice,
  JOBS,
  type Job,
  HORIZONTALPODAUTOSCALERS,
  type HorizontalPodAutoscaler,
  type KubeObject,
  LEASES,
  type Lease,
  NAMESPACES,
  NODES,
  PERSISTENTVOLUMECLAIMS,
  PERSISTENTVOLUMES,
  type Namespace,
  type Node,
  PODDISRUPTIONBUDGETS,
  PODS,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  type PodDisruptionBudget,
  REPLICASETS,
  RESOURCES,
  type ReplicaSet,
  SERVICEACCOUNTS,
  SERVICES,
  type ServiceAccount,
  STATEFULSETS,
  STORAGECLASSES,
  type Service,
  type StatefulSet,
  type StorageClass,
  controllerUser,
} from "@trireme/api";
import { ActorSystem } from "@trireme/actor";
import { type Clock, type Prng, hasCode } from "@trireme/base";
import { type Bus, SampleBook } from "@trireme/bus";
import type { ApiClient } from "@trireme/client";
import {
  type LeasePort,
  type Office,
  caughtUp,
  createController,
  createEventRecorder,
  createInformerFactory,
  createOffice,
  decisionPublisher,
} from "@trireme/controller";
import type { Logger, Page, Registry } from "@trireme/telemetry";
import { createClusterDnsController } from "./clusterdns/controller.ts";
import { createAggregationController } from "./clusterrole/controller.ts";
import { type Caches, type ControllerContext, type ReconcilerSpec, addIndexes } from "./context.ts";
import { createCronJobController } from "./cronjob/controller.ts";
import { createDaemonSetController } from "./daemonset/controller.ts";
import { createDeploymentController } from "./deployment/controller.ts";
import { createDisruptionController } from "./disruption/controller.ts";
import { createEndpointSliceController } from "./endpointslice/controller.ts";
import { createGarbageCollector } from "./garbage/controller.ts";
import { createJobController } from "./job/controller.ts";
import { createAutoscalerController } from "./horizontalpodautoscaler/controller.ts";
import { createMonitoringController } from "./monitoring/controller.ts";
import { createNamespaceController } from "./namespace/controller.ts";
import { createNodeController } from "./node/controller.ts";
import { createVolumeControllers } from "./persistentvolume/controller.ts";
import { createReplicaSetController } from "./replicaset/controller.ts";
import { createRootCaController, createServiceAccountController } from "./serviceaccount/controller.ts";
import { createStatefulSetController } from "./statefulset/controller.ts";
import { statePage } from "./statemetrics/page.ts";

/** What the controllers are made of. */
export interface ControllersOptions {
  readonly identity: string;
  /** The client through which everything is read and written, told where to get its fence. */
  readonly connect: (fence: () => string | undefined) => ApiClient;
  /** The election's Leases, through a client without a fence. */
  readonly leases: LeasePort;
  readonly bus: Bus | undefined;
  readonly serviceCidr: string;
  /** The API's CA, PEM, which pods know it by. */
  readonly rootCa: string;
  readonly defaultTolerationSeconds: number;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Logger;
  readonly registry: Registry;
}

/** All controllers of one server: warm always, acting while elected. */
export interface ControllersApp {
  start(): void;
  stop(): Promise<void>;
  readonly office: Pick<Office, "isLeader" | "holder">;
  /** Resolves when every cache has its first list. */
  readonly synced: Promise<void>;
  /** The series of the cluster's objects (kube_*), from the caches; empty unless this server is elected. */
  readonly state: Page;
}

/** Puts the controllers together; nothing runs until `start`. */
export function createControllersApp(options: ControllersOptions): ControllersApp {
  const { bus, clock, log, registry, identity } = options;
  const client = options.connect(() => office.fence());
  const factory = createInformerFactory({ client, ...(bus === undefined ? {} : { bus }), clock, log, registry });
  const caches: Caches = {
    pods: factory.informer<Pod>(PODS),
    replicaSets: factory.informer<ReplicaSet>(REPLICASETS),
    deployments: factory.informer<Deployment>(DEPLOYMENTS),
    services: factory.informer<Service>(SERVICES),
    endpointSlices: factory.informer<EndpointSlice>(ENDPOINTSLICES),
    nodes: factory.informer<Node>(NODES),
    namespaces: factory.informer<Namespace>(NAMESPACES),
  };
  addIndexes(caches);
  // Events own nothing and are owned by nothing; everything else takes part in garbage collection.
  const collected = RESOURCES.filter((resource) => resource !== EVENTS).map((resource) => ({
    resource,
    informer: factory.informer<KubeObject>(resource),
  }));

  const events = createEventRecorder({ client, component: "trireme-controllers", host: identity, clock, log });
  // What a controller does it does as its own account: we ourselves may read for all of them, tell events and act as them.
  const as = (account: ControllerAccount): ControllerContext => {
    return { client: client.as(controllerUser(account)), caches, clock, prng: options.prng, events, log };
  };
  // Events name the controller as Kubernetes does: people and their tools look for it.
  const under = (account: ControllerAccount, component: string = account): ControllerContext => {
    return { ...as(account), events: events.as(component) };
  };
  const nodes = createNodeController(under("node-controller"), {
    bus,
    leases: factory.informer<Lease>(LEASES),
    defaultTolerationSeconds: options.defaultTolerationSeconds,
  });
  const revisions = factory.informer<ControllerRevision>(CONTROLLERREVISIONS);
  const samples = new SampleBook(clock);
  const autoscalers = factory.informer<HorizontalPodAutoscaler>(HORIZONTALPODAUTOSCALERS);
  const statefulSets = factory.informer<StatefulSet>(STATEFULSETS);
  const jobs = factory.informer<Job>(JOBS);
  const cronJobs = factory.informer<CronJob>(CRONJOBS);
  const daemonSets = factory.informer<DaemonSet>(DAEMONSETS);
  const budgets = factory.informer<PodDisruptionBudget>(PODDISRUPTIONBUDGETS);
  const storage = {
    claims: factory.informer<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS),
    volumes: factory.informer<PersistentVolume>(PERSISTENTVOLUMES),
    classes: factory.informer<StorageClass>(STORAGECLASSES),
  };
  const specs: readonly ReconcilerSpec[] = [
    createDeploymentController(under("deployment-controller")),
    createReplicaSetController(under("replicaset-controller")),
    createDaemonSetController(under("daemon-set-controller", "daemonset-controller"), daemonSets, revisions),
    createStatefulSetController(under("statefulset-controller"), statefulSets, revisions, storage.claims),
    createJobController(under("job-controller"), jobs),
    createCronJobController(under("cronjob-controller"), { cronJobs, jobs }),
    createEndpointSliceController(as("endpointslice-controller")),
    nodes,
    createGarbageCollector(as("generic-garbage-collector"), collected),
    createNamespaceController(as("namespace-controller")),
    createClusterDnsController(as("cluster-dns-controller"), options.serviceCidr),
    createMonitoringController(as("monitoring-controller")),
    createDisruptionController(under("disruption-controller", "controllermanager"), {
      budgets,
      statefulSets,
    }),
    createAutoscalerController(under("horizontal-pod-autoscaler"), { autoscalers, samples }),
    ...createVolumeControllers(under("persistent-volume-binder", "persistentvolume-controller"), storage),
    createAggregationController(
      under("clusterrole-aggregation-controller"),
      factory.informer<ClusterRole>(CLUSTERROLES),
    ),
    createServiceAccountController(
      under("service-account-controller"),
      factory.informer<ServiceAccount>(SERVICEACCOUNTS),
    ),
    createRootCaController(
      under("root-ca-cert-publisher", "root-ca-certificate-publisher"),
      factory.informer<ConfigMap>(CONFIGMAPS),
      options.rootCa,
    ),
  ];
  const system = new ActorSystem({
    component: "controllers",
    clock,
    log,
    registry,
    ...(bus === undefined ? {} : { onDecision: decisionPublisher(bus, "controllers") }),
  });
  const synced = factory.synced();
  const controllers = specs.map(({ name, workers, watch, reconcile }) =>
    createController({
      name,
      workers,
      sources: [{ synced, follow: watch }],
      reconcile: (key) => noticingFence(reconcile(key)),
      system,
      clock,
      log,
      registry,
    }),
  );

  async function noticingFence<T>(reconciled: Promise<T>): Promise<T> {
    try {
      return await reconciled;
    } catch (thrown) {
      if (hasCode(thrown, "Fenced")) office.fenced();
      throw thrown;
    }
  }

  const office = createOffice({
    name: "controllers",
    identity,
    leases: options.leases,
    catchUp: async (signal) => {
      await synced;
      await caughtUp(client, collected, signal, clock);
    },
    begin() {
      nodes.takeOffice();
      for (const controller of controllers) controller.start();
    },
    end() {
      for (const controller of controllers) void controller.stop();
    },
    clock,
    log,
    registry,
  });
  let untrack: (() => void) | undefined;
  let endSamples: (() => void) | undefined;

  return {
    office,
    synced,
    state: statePage(
      () => office.isLeader,
      () => ({
        pods: caches.pods.list(),
        deployments: caches.deployments.list(),
        replicaSets: caches.replicaSets.list(),
        statefulSets: statefulSets.list(),
        daemonSets: daemonSets.list(),
        jobs: jobs.list(),
        cronJobs: cronJobs.list(),
        autoscalers: autoscalers.list(),
        nodes: caches.nodes.list(),
        namespaces: caches.namespaces.list(),
        services: caches.services.list(),
        volumes: storage.volumes.list(),
        claims: storage.claims.list(),
        budgets: budgets.list(),
        reads: factory.reads(),
      }),
    ),
    start() {
      factory.start();
      untrack = nodes.track();
      endSamples = bus === undefined ? undefined : samples.follow(bus, registry);
      office.start();
    },
    async stop() {
      await office.stop();
      await Promise.all(controllers.map((controller) => controller.stop()));
      untrack?.();
      endSamples?.();
      events.stop();
      factory.stop();
      client.close();
    },
  };
}
