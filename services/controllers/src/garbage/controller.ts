import { type KubeObject, type OwnerReference, type Resource, groupResource, resourceForKind } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { Informer } from "@trireme/controller";
import type { ControllerContext, Outcome, ReconcilerSpec } from "../context.ts";
import { inParallel } from "../parallel.ts";
import { FOREGROUND, type GarbageAction, ORPHAN, type OwnerState, decideGarbage } from "./decide.ts";

/** One kind of object that may own or be owned. */
export interface Collected {
  readonly resource: Resource;
  readonly informer: Informer<KubeObject>;
}

const BY_OWNER = "owner";
// Between two looks at an object that waits for its dependents, should no event come.
const WAITING_REQUEUE_MS = 5_000;

/** Deletes what nobody owns any more, and carries out foreground and orphan deletion. */
export function createGarbageCollector(context: ControllerContext, collected: readonly Collected[]): ReconcilerSpec {
  const { client, log } = context;
  const byName = new Map(collected.map((one) => [groupResource(one.resource), one]));
  for (const { informer } of collected) {
    informer.addIndex(BY_OWNER, (object) => (object.metadata.ownerReferences ?? []).map((owner) => owner.uid));
  }

  function watch(enqueue: (key: string) => void): () => void {
    const enqueueDependents = (uid: string | undefined): void => {
      for (const [key] of dependentsOf(uid)) enqueue(key);
    };
    const stops = collected.map(({ resource, informer }) =>
      informer.onChange(({ type, key, object, old }) => {
        const own = `${groupResource(resource)}|${key}`;
        if (type === "deleted") {
          enqueueDependents(object.metadata.uid);
          // An owner may wait for this one to go.
          for (const owner of object.metadata.ownerReferences ?? []) {
            const ownerKey = keyOfOwner(owner, object.metadata.namespace);
            if (ownerKey !== undefined && isHeld(find(ownerKey)?.object)) enqueue(ownerKey);
          }
          return;
        }
        const owners = object.metadata.ownerReferences ?? [];
        if (owners.length > 0 && (old === undefined || !sameOwners(owners, old.metadata.ownerReferences))) enqueue(own);
        if (isHeld(object)) {
          enqueue(own);
          enqueueDependents(object.metadata.uid);
        }
      }),
    );
    return () => stops.forEach((stop) => stop());
  }

  function dependentsOf(uid: string | undefined): [string, KubeObject][] {
    if (uid === undefined) return [];
    return collected.flatMap(({ resource, informer }) =>
      informer.byIndex(BY_OWNER, uid).map((object): [string, KubeObject] => {
        const { namespace = "", name } = object.metadata;
        return [`${groupResource(resource)}|${namespace}/${name}`, object];
      }),
    );
  }

  function keyOfOwner(owner: OwnerReference, namespace: string | undefined): string | undefined {
    const resource = resourceForKind(owner.apiVersion, owner.kind);
    if (resource === undefined) return undefined;
    return `${groupResource(resource)}|${resource.namespaced ? (namespace ?? "") : ""}/${owner.name}`;
  }

  function find(key: string): { resource: Resource; object: KubeObject } | undefined {
    const bar = key.indexOf("|");
    const slash = key.indexOf("/", bar);
    const entry = byName.get(key.slice(0, bar));
    const object = entry?.informer.get(key.slice(bar + 1, slash), key.slice(slash + 1));
    return entry === undefined || object === undefined ? undefined : { resource: entry.resource, object };
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const found = find(key);
    if (found === undefined) return;
    const { resource, object } = found;
    const references = object.metadata.ownerReferences ?? [];
    const ending = object.metadata.deletionTimestamp !== undefined;
    const owners = ending ? [] : await Promise.all(references.map((owner) => stateOf(owner, object)));
    const dependents = dependentsOf(object.metadata.uid).map(([, dependent]) => dependent);
    for (const action of decideGarbage({ object, owners, dependents })) await act(resource, object, action);
    return isHeld(object) ? { requeueAfterMs: WAITING_REQUEUE_MS } : undefined;
  }

  /** What became of an owner. Only a live answer of the API makes it absent: caches may lag behind each other. */
  async function stateOf(owner: OwnerReference, dependent: KubeObject): Promise<OwnerState> {
    const resource = resourceForKind(owner.apiVersion, owner.kind);
    // An owner of a kind that we do not know may live: keep what it owns.
    if (resource === undefined) return "solid";
    const namespace = resource.namespaced ? (dependent.metadata.namespace ?? "") : "";
    let found = byName.get(groupResource(resource))?.informer.get(namespace, owner.name);
    if (found?.metadata.uid !== owner.uid) {
      try {
        found = await client.resource<KubeObject>(resource, namespace).get(owner.name);
      } catch (thrown) {
        if (hasCode(thrown, "NotFound")) return "absent";
        throw thrown;
      }
      if (found.metadata.uid !== owner.uid) return "absent";
    }
    const waits = found.metadata.deletionTimestamp !== undefined && found.metadata.finalizers?.includes(FOREGROUND);
    return waits === true && owner.blockOwnerDeletion === true ? "waiting" : "solid";
  }

  async function act(resource: Resource, object: KubeObject, action: GarbageAction): Promise<void> {
    const { name, namespace, uid, resourceVersion, finalizers = [] } = object.metadata;
    const api = client.resource<KubeObject>(resource, namespace);
    const body = (change: object): object => ({ metadata: { uid, resourceVersion, ...change } });
    try {
      switch (action.type) {
        case "delete": {
          const preconditions = { ...(uid === undefined ? {} : { uid }) };
          await api.delete(name, { preconditions, propagationPolicy: action.propagationPolicy });
          log.debug("deleted an object without owners", {
            key: `${groupResource(resource)}/${namespace ?? ""}/${name}`,
          });
          return;
        }
        case "setOwners":
          await api.patch(name, { type: "merge", body: body({ ownerReferences: action.owners }) });
          return;
        case "dropFinalizer": {
          const others = finalizers.filter((one) => one !== action.finalizer);
          await api.patch(name, { type: "merge", body: body({ finalizers: others.length === 0 ? null : others }) });
          return;
        }
        case "letGo": {
          const [failure] = await inParallel(action.dependents, (dependent) => letGo(dependent, uid));
          if (failure !== undefined) throw failure;
          return;
        }
      }
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound")) throw thrown;
    }
  }

  async function letGo(dependent: KubeObject, owner: string | undefined): Promise<void> {
    const key = dependentsOf(owner).find(([, one]) => one.metadata.uid === dependent.metadata.uid)?.[0];
    const found = key === undefined ? undefined : find(key);
    if (found === undefined) return;
    const { name, namespace, uid, resourceVersion, ownerReferences = [] } = dependent.metadata;
    const others = ownerReferences.filter((one) => one.uid !== owner);
    const metadata = { uid, resourceVersion, ownerReferences: others.length === 0 ? null : others };
    await client.resource<KubeObject>(found.resource, namespace).patch(name, { type: "merge", body: { metadata } });
  }

  return { name: "garbage", workers: 16, watch, reconcile };
}

/** Whether an object is on its way out and waits for us. */
function isHeld(object: KubeObject | undefined): boolean {
  if (object?.metadata.deletionTimestamp === undefined) return false;
  return object.metadata.finalizers?.some((one) => one === FOREGROUND || one === ORPHAN) ?? false;
}

function sameOwners(a: readonly OwnerReference[], b: readonly OwnerReference[] = []): boolean {
  return a.length === b.length && a.every((owner, i) => owner.uid === b[i]?.uid);
}
