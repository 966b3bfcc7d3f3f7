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
import { withKind } from "../ownership.ts";
import { inParallel } from "../parallel.ts";

// Between two looks at a namespace whose objects take their time: pods end gracefully, and events hurry the next look.
const EMPTYING_REQUEUE_MS = 1_000;
const FINALIZER = "kubernetes";

/** Empties namespaces that are being deleted, then lets them go. */
export function createNamespaceController({ client, caches, log }: ControllerContext): ReconcilerSpec {
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
    let left = 0;
    // The API is asked, not the caches: a namespace must be empty in truth before it goes.
    for (const resource of contents) left += await empty(resource, name);
    if (left > 0) return { requeueAfterMs: EMPTYING_REQUEUE_MS };
    await finalize(name, namespace.metadata.uid);
    log.info("namespace emptied", { namespace: name });
  }

  /** Asks every object of one kind to go; answers how many are still there. */
  async function empty(resource: Resource, namespace: string): Promise<number> {
    const api = client.resource<KubeObject>(resource, namespace);
    const { items } = await api.list();
    let left = 0;
    const [failure] = await inParallel(items, async (object) => {
      const { name, uid, deletionTimestamp } = object.metadata;
      if (deletionTimestamp !== undefined) {
        left += 1;
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
      if (mayLinger(resource, object)) left += 1;
    });
    if (failure !== undefined) throw failure;
    return left;
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
