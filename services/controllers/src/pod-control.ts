import {
  type KubeObject,
  type LabelSelector,
  PODS,
  type Pod,
  type Resource,
  keyOf,
  labelSelectorMatches,
} from "@trireme/api";
import { type TriremeError, hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import { canonical } from "./canonical.ts";
import { BY_NODE, BY_UID, type ControllerContext, controllerKey } from "./context.ts";
import { Expectations } from "./expectations.ts";
import { controllerOf, controllerReference, isLost, withKind } from "./ownership.ts";
import { ignoring } from "./parallel.ts";

/** How long to wait for the caches before looking again, should no event come. */
export const UNSETTLED_REQUEUE_MS = 250;

/** A kind whose objects own pods: how to find the owners, and what they select. */
export interface PodOwners<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly informer: Informer<T>;
  readonly selectorOf: (owner: T) => LabelSelector | undefined;
}

/** What a controller does with the pods of one kind of owners. Its writes are expected until the caches show them. */
export interface PodControl<T extends KubeObject> {
  /** Whether the caches show everything that was done for this key. */
  isSettled(key: string): boolean;
  forget(key: string): void;
  /** Creates a pod that was named before; a lost answer is looked up by that name. */
  create(key: string, owner: T, pod: Pod): Promise<void>;
  /** Says that creating failed, unless the namespace is going away and refuses everything. Answers whether it matters. */
  failedToCreate(owner: T, error: TriremeError): boolean;
  delete(key: string, owner: T, pod: Pod): Promise<void>;
  adopt(key: string, owner: T, pod: Pod): Promise<void>;
  release(key: string, owner: T, pod: Pod): Promise<void>;
  /** Writes the status, if it says something new. */
  writeStatus(key: string, owner: T & { status?: unknown }, status: object): Promise<void>;
  /** Calls `enqueue` for each owner that a change of itself, of a pod or of a pod's node concerns. */
  watch(enqueue: (key: string) => void): () => void;
}

/** Makes the pod control of one kind. */
export function createPodControl<T extends KubeObject>(
  { client, caches, events, log }: ControllerContext,
  { resource, informer, selectorOf }: PodOwners<T>,
): PodControl<T> {
  const expectations = new Expectations();

  async function createOnce(namespace: string, pod: Pod): Promise<Pod> {
    const pods = client.resource<Pod>(PODS, namespace);
    try {
      return await pods.create(pod);
    } catch (thrown) {
      if (!hasCode(thrown, "Unknown")) throw thrown;
      log.debug("outcome of a pod's creation is unknown", { key: keyOf(pod), err: thrown });
      return await pods.get(pod.metadata.name);
    }
  }

  async function patchOwners(key: string, pod: Pod, ownerReferences: readonly unknown[] | null): Promise<void> {
    const { name, namespace, uid, resourceVersion } = pod.metadata;
    const body = { metadata: { uid, resourceVersion, ownerReferences } };
    const patch = client.resource<Pod>(PODS, namespace).patch(name, { type: "merge", body });
    const patched = await ignoring("NotFound", patch);
    if (patched !== undefined) expectations.wrote(key, caches.pods, patched);
  }

  function ownersOf(pod: Pod): string[] {
    const owner = controllerKey(pod, resource);
    if (owner !== undefined) return [owner];
    if (controllerOf(pod) !== undefined) return [];
    return informer
      .list(pod.metadata.namespace)
      .filter((one) => {
        const selector = selectorOf(one);
        return selector !== undefined && labelSelectorMatches(selector, pod.metadata.labels);
      })
      .map(keyOf);
  }

  return {
    isSettled: (key) =>
      expectations.met(key, (uid) =>
        caches.pods.byIndex(BY_UID, uid).every((pod) => pod.metadata.deletionTimestamp !== undefined),
      ),
    forget: (key) => expectations.forget(key),

    async create(key, owner, pod) {
      const created = await createOnce(owner.metadata.namespace ?? "", pod);
      expectations.wrote(key, caches.pods, created);
      events.normal(withKind(resource, owner), "SuccessfulCreate", `Created pod: ${created.metadata.name}`);
    },

    failedToCreate(owner, error) {
      if (error.code === "Fenced") return true;
      const namespace = caches.namespaces.get("", owner.metadata.namespace ?? "");
      if (namespace?.metadata.deletionTimestamp !== undefined) return false;
      events.warning(withKind(resource, owner), "FailedCreate", `Error creating: ${error.message}`);
      return true;
    },

    async delete(key, owner, pod) {
      const { name, namespace, uid = "" } = pod.metadata;
      expectations.removing(key, uid);
      try {
        await client.resource<Pod>(PODS, namespace).delete(name, { preconditions: { uid } });
        events.normal(withKind(resource, owner), "SuccessfulDelete", `Deleted pod: ${name}`);
      } catch (thrown) {
        // NotFound, or a pod of another life: gone is what we wanted. Unknown stays expected: the cache will tell.
        if (hasCode(thrown, "NotFound") || hasCode(thrown, "Conflict")) return;
        if (!hasCode(thrown, "Unknown")) expectations.kept(key, uid);
        throw thrown;
      }
    },

    async adopt(key, owner, pod) {
      const { name, namespace = "", uid } = owner.metadata;
      // The cache may be old: an owner that is being deleted, or another life of its name, adopts nothing.
      const live = await ignoring("NotFound", client.resource<T>(resource, namespace).get(name));
      if (live?.metadata.uid !== uid || live?.metadata.deletionTimestamp !== undefined) return;
      await patchOwners(key, pod, [...(pod.metadata.ownerReferences ?? []), controllerReference(resource, owner)]);
    },

    async release(key, owner, pod) {
      const others = (pod.metadata.ownerReferences ?? []).filter((one) => one.uid !== owner.metadata.uid);
      await patchOwners(key, pod, others.length === 0 ? null : others);
    },

    async writeStatus(key, owner, status) {
      if (canonical(status) === canonical(owner.status ?? {})) return;
      const api = client.resource<T>(resource, owner.metadata.namespace);
      const written = await api.updateStatus({ ...withKind(resource, owner), status });
      expectations.wrote(key, informer, written);
    },

    watch(enqueue) {
      const stops = [
        informer.onChange(({ key }) => enqueue(key)),
        caches.pods.onChange(({ object, old }) => {
          for (const pod of old === undefined ? [object] : [object, old]) ownersOf(pod).forEach(enqueue);
        }),
        caches.nodes.onChange(({ object, old }) => {
          if (old === undefined || isLost(old) === isLost(object)) return;
          for (const pod of caches.pods.byIndex(BY_NODE, object.metadata.name)) ownersOf(pod).forEach(enqueue);
        }),
      ];
      return () => stops.forEach((stop) => stop());
    },
  };
}
