/**
 * What controllers are made of: informers (a local copy of a resource), work queues of keys, elections and the
 * reconcile loop.
 *
 * Callers' duties: reconcile by key, level triggered; read from informers and never mutate what they give; wait for
 * `synced` before the first decision; act only with the signal and the fence of your election.
 *
 * ```ts
 * const factory = createInformerFactory({ client, bus, log, registry });
 * const pods = factory.informer<Pod>(PODS);
 * const controller = createController({ name: "pods", sources: [keysFrom(pods)], reconcile, log, registry });
 * const election = createElection({ name: "controllers", identity, leases: leasesOf(electionClient), log,
 *   onAcquired: () => controller.start(), onLost: () => void controller.stop() });
 * // The client that writes: createApiClient({ ..., fence: () => election.fence() })
 * factory.start(); election.start();
 * ```
 */
export {
  type Controller,
  type ControllerOptions,
  type KeySource,
  type ReconcileResult,
  TerminalError,
  createController,
  keysFrom,
} from "./controller.ts";
export { decisionPublisher } from "./decision-publisher.ts";
export { ELECTION_TIMING, ElectionObserver, type ElectionTiming, type ObservedLease } from "./election-core.ts";
export { ELECTION_NAMESPACE, type LeaseObject, type LeasePort, leasesOf } from "./election-lease.ts";
export { type Election, type ElectionOptions, createElection } from "./election.ts";
export { STREAM_SILENCE_MS } from "./informer-core.ts";
export {
  type ApiReads,
  type InformerFactory,
  type InformerFactoryOptions,
  type InformerScope,
  createInformerFactory,
  listWatchOf,
} from "./informer-factory.ts";
export {
  type EventRecorder,
  type EventRecorderOptions,
  type SharedEventRecorder,
  createEventRecorder,
} from "./event-recorder.ts";
export type { Change, Informer, ListWatch } from "./informer-types.ts";
export { type InformerOptions, createInformer } from "./informer.ts";
export { ObjectStore, keyOfObject, revisionOf } from "./object-store.ts";
export type { ServerSwitch } from "@trireme/client";
export { type Server, ServerDirectory, type ServerDirectoryOptions, hostsOf } from "./server-directory.ts";
export { type PartConnectionOptions, type PartConnections, openPartConnections } from "./part-connections.ts";
export { type Backoff, DEFAULT_BACKOFF, WorkQueue } from "./work-queue.ts";
export { type CatchUpSource, type Office, type OfficeOptions, caughtUp, createOffice } from "./office.ts";
