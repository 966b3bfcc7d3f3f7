import {
  NODES,
  type Node,
  PERSISTENTVOLUMECLAIMS,
  PERSISTENTVOLUMES,
  PODS,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  STORAGECLASSES,
  type StorageClass,
} from "@trireme/api";
import type { Clock, Prng } from "@trireme/base";
import type { Bus } from "@trireme/bus";
import type { ApiClient } from "@trireme/client";
import {
  type LeasePort,
  type Office,
  caughtUp,
  createEventRecorder,
  createInformerFactory,
  createOffice,
} from "@trireme/controller";
import type { Logger, Registry } from "@trireme/telemetry";
import { createSchedulerMetrics } from "./metrics.ts";
import { SCHEDULER_NAME, Scheduler } from "./scheduler.ts";

/** What the scheduler service is made of. */
export interface SchedulerAppOptions {
  readonly identity: string;
  /** The client through which everything is read and written, told where to get its fence. */
  readonly connect: (fence: () => string | undefined) => ApiClient;
  /** The election's Leases, through a client without a fence. */
  readonly leases: LeasePort;
  readonly bus: Bus | undefined;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Logger;
  readonly registry: Registry;
}

/** The scheduler of one server: warm always, deciding while elected. */
export interface SchedulerApp {
  start(): void;
  stop(): Promise<void>;
  readonly office: Pick<Office, "isLeader" | "holder">;
  /** Resolves when every cache has its first list. */
  readonly synced: Promise<void>;
}

/** Puts the scheduler together; nothing runs until `start`. */
export function createSchedulerApp(options: SchedulerAppOptions): SchedulerApp {
  const { bus, clock, log, registry, identity, prng } = options;
  const client = options.connect(() => office.fence());
  const factory = createInformerFactory({ client, ...(bus === undefined ? {} : { bus }), clock, log, registry });
  const pods = factory.informer<Pod>(PODS);
  const nodes = factory.informer<Node>(NODES);
  const claims = factory.informer<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS);
  const volumes = factory.informer<PersistentVolume>(PERSISTENTVOLUMES);
  const classes = factory.informer<StorageClass>(STORAGECLASSES);
  const events = createEventRecorder({ client, component: SCHEDULER_NAME, host: identity, clock, log });
  const metrics = createSchedulerMetrics(registry);
  const scheduler = new Scheduler({
    client,
    pods,
    nodes,
    claims,
    volumes,
    classes,
    events,
    clock,
    prng,
    log,
    metrics,
    onFenced: () => office.fenced(),
  });
  const synced = factory.synced();
  const office = createOffice({
    name: "scheduler",
    identity,
    leases: options.leases,
    catchUp: async (signal) => {
      await synced;
      const sources = [
        { resource: PODS, informer: pods },
        { resource: NODES, informer: nodes },
        { resource: PERSISTENTVOLUMECLAIMS, informer: claims },
        { resource: PERSISTENTVOLUMES, informer: volumes },
      ];
      await caughtUp(client, sources, signal, clock);
    },
    begin: () => scheduler.lead(),
    end: () => scheduler.rest(),
    clock,
    log,
    registry,
  });

  return {
    office,
    synced,
    start() {
      scheduler.follow();
      factory.start();
      office.start();
    },
    async stop() {
      await office.stop();
      scheduler.stop();
      events.stop();
      factory.stop();
      client.close();
    },
  };
}
