import type {
  Deployment,
  EndpointSlice,
  KubeObject,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Resource,
  Service,
} from "@trireme/api";
import type { Clock, Prng } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { EventRecorder, Informer } from "@trireme/controller";
import type { Logger } from "@trireme/telemetry";
import { controllerOf } from "./ownership.ts";

/** The local copies that the controllers share. */
export interface Caches {
  readonly pods: Informer<Pod>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
}

/** What every controller is given. */
export interface ControllerContext {
  /** Every write through it carries the fence. */
  readonly client: ApiClient;
  readonly caches: Caches;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly events: EventRecorder;
  readonly log: Logger;
}

/** What a reconcile asks of the runtime. */
export interface Outcome {
  readonly requeueAfterMs?: number;
}

/** One kind's reconciler, ready to be run by the elected server. */
export interface ReconcilerSpec {
  readonly name: string;
  /** How many keys may be reconciled side by side. */
  readonly workers: number;
  /** Calls `enqueue` for each key that a change concerns, from now on and at once for what is there. */
  watch(enqueue: (key: string) => void): () => void;
  /** Makes true what the object of `key` says. Throws to be called again later. */
  reconcile(key: string): Promise<Outcome | void>;
}

/** Index of objects by the uid of their controller; those without one under `orphan/<namespace>`. */
export const BY_CONTROLLER = "controller";
/** Index by the object's own uid. */
export const BY_UID = "uid";
/** Index of pods by the node that they are bound to. */
export const BY_NODE = "node";
/** Index of slices by the key of their service. */
export const BY_SERVICE = "service";

/** Adds the indexes that controllers read by; asking twice is harmless. */
export function addIndexes(caches: Caches): void {
  caches.pods.addIndex(BY_CONTROLLER, controllerIndex);
  caches.pods.addIndex(BY_UID, (pod) => [pod.metadata.uid ?? ""]);
  caches.pods.addIndex(BY_NODE, (pod) => (pod.spec.nodeName === undefined ? [] : [pod.spec.nodeName]));
  caches.replicaSets.addIndex(BY_CONTROLLER, controllerIndex);
  caches.endpointSlices.addIndex(BY_SERVICE, (slice) => {
    const service = slice.metadata.labels?.["kubernetes.io/service-name"];
    return service === undefined ? [] : [`${slice.metadata.namespace ?? ""}/${service}`];
  });
}

/** What `owner` controls and what nobody does, in its namespace. */
export function claimable<T extends KubeObject>(informer: Informer<T>, owner: KubeObject): T[] {
  return [
    ...informer.byIndex(BY_CONTROLLER, owner.metadata.uid ?? ""),
    ...informer.byIndex(BY_CONTROLLER, `orphan/${owner.metadata.namespace ?? ""}`),
  ];
}

/** The key of the object's controller, if that is of this kind. */
export function controllerKey(object: KubeObject, owner: Resource): string | undefined {
  const reference = controllerOf(object);
  if (reference?.kind !== owner.kind) return undefined;
  return `${object.metadata.namespace ?? ""}/${reference.name}`;
}

/** Lets an informer answer for {@link BY_CONTROLLER}; asking twice is harmless. */
export function indexByController(informer: Informer<KubeObject>): void {
  informer.addIndex(BY_CONTROLLER, controllerIndex);
}

function controllerIndex(object: KubeObject): string[] {
  return [controllerOf(object)?.uid ?? `orphan/${object.metadata.namespace ?? ""}`];
}
