import {
  type KubeObject,
  NAMESPACES,
  type Namespace,
  type Pod,
  RESOURCES,
  type Resource,
  splitKey,
} from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { ControllerContext, Outcome, ReconcilerSpec } from "../context.ts";
import { canonical } from "../canonical.ts";
import { withKind } from "../ownership.ts";
import { inParallel } from "../parallel.ts";
import { type Remaining, conditionsOf } from "./decide.ts";

// Between two looks at a namespace whose objects take their time: pods end gracefully, and events hurry the next look.
const EMPTYING_REQUEUE_MS = 1_000;
const FINALIZER = "kubernetes";

/** Empties namespaces that are being deleted, then lets them go. */
export function createNamespaceController({ client, caches, clock, log }: ControllerContext): ReconcilerSpec {
  const contents = RESOURCES.filter((resource) => resource.namespaced);

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      caches.namespaces.onChange(({ type, key, object }) => {
        if (type !== "deleted" && object.metadata.deletionTimestamp !== undefined) enqueue(key);
      }),
      caches.pods.onChange(({ type, object }) => {
        const namespace = object.metadata.namespace ?? "";
        const ending = caches.namespaces.get("", namespace)?.metadata.deletionTimestamp !== undefined;
        if (type === "deleted" && ending) enqueue(`/${namespace}`);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { name } = splitKey(key);
    const namespace = caches.namespaces.get("", name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    if (!(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return;
    // The API is asked, not the caches: a namespace must be empty in truth before it goes. All kinds at once: their reads
    // share a round of the store, and who ends first does not matter, since nothing new comes into a namespace that ends.
    const remaining = await Promise.all(contents.map((resource) => empty(resource, name)));
    const failure = remaining.find((one) => one.failure !== undefined)?.failure;
    if (failure === undefined && remaining.every(({ objects }) => objects.length === 0)) {
      await finalize(name, namespace.metadata.uid);
      log.info("namespace emptied", { namespace: name });
      return;
    }
    await tell(namespace, remaining);
    if (failure !== undefined) throw failure;
    return { requeueAfterMs: EMPTYING_REQUEUE_MS };
  }

  /** Asks every object of one kind to go; answers what is still there. */
  async function empty(resource: Resource, namespace: string): Promise<Remaining> {
    const api = client.resource<KubeObject>(resource, namespace);
    const { items } = await api.list();
    const objects: KubeObject[] = [];
    const [failure] = await inParallel(items, async (object) => {
      const { name, uid, deletionTimestamp } = object.metadata;
      if (deletionTimestamp !== undefined) {
        objects.push(object);
        return;
      }
      try {
        await api.delete(name, {
          ...(uid === undefined ? {} : { preconditions: { uid } }),
          propagationPolicy: "Background",
        });
      } catch (thrown) {
        if (hasCode(thrown, "NotFound")) return;
        throw thrown;
      }
      if (mayLinger(resource, object)) objects.push(object);
    });
    return { resource, objects, failure };
  }

  /** Says in the namespace's conditions what it waits for; who looks at it wants to know. */
  async function tell(namespace: Namespace, remaining: readonly Remaining[]): Promise<void> {
    const { status } = namespace;
    const conditions = conditionsOf(remaining, status?.conditions ?? [], clock.now());
    if (canonical(conditions) === canonical(status?.conditions)) return;
    try {
      const api = client.resource<Namespace>(NAMESPACES);
      await api.updateStatus({ ...withKind(NAMESPACES, namespace), status: { ...status, conditions } });
    } catch (thrown) {
      // The next look, a second later, says it better.
      if (!hasCode(thrown, "Conflict") && !hasCode(thrown, "NotFound")) throw thrown;
    }
  }

  async function finalize(name: string, uid: string | undefined): Promise<void> {
    const api = client.resource<Namespace>(NAMESPACES);
    try {
      const live = await api.get(name);
      if (live.metadata.uid !== uid || live.metadata.deletionTimestamp === undefined) return;
      const finalizers = (live.spec?.finalizers ?? []).filter((one) => one !== FINALIZER);
      const next = { ...withKind(NAMESPACES, live), spec: { ...live.spec, finalizers } };
      await api.subresource("PUT", name, "finalize", next);
    } catch (thrown) {
      if (!hasCode(thrown, "NotFound")) throw thrown;
    }
  }

  return { name: "namespace", workers: 4, watch, reconcile };
}

/** Whether an object stays for a while after it was asked to go. */
function mayLinger(resource: Resource, object: KubeObject): boolean {
  if ((object.metadata.finalizers ?? []).length > 0) return true;
  return resource.resource === "pods" && ((object as Pod).spec.nodeName ?? "") !== "";
}
