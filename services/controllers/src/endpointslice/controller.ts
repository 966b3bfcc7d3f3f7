import { ENDPOINTSLICES, type EndpointSlice, type Node, type Pod, type Service, keyOf, splitKey } from "@trireme/api";
import { hasCode } from "@trireme/base";
import { BY_NODE, BY_SERVICE, type ControllerContext, type Outcome, type ReconcilerSpec } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { inParallel } from "../parallel.ts";
import { decideEndpointSlices } from "./decide.ts";
import { endpointGroups } from "./endpoints.ts";

// Should no event come: an expectation may be met by a relist alone.
const UNSETTLED_REQUEUE_MS = 250;

/** Keeps each service's EndpointSlices as its pods are. */
export function createEndpointSliceController(context: ControllerContext): ReconcilerSpec {
  const { client, caches } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const stops = [
      caches.services.onChange(({ key }) => enqueue(key)),
      caches.pods.onChange(({ object, old }) => {
        if (old !== undefined && !matters(old, object)) return;
        for (const key of selecting(object)) enqueue(key);
        if (old !== undefined) for (const key of selecting(old)) enqueue(key);
      }),
      caches.endpointSlices.onChange(({ object }) => {
        const service = object.metadata.labels?.["kubernetes.io/service-name"];
        if (service !== undefined) enqueue(`${object.metadata.namespace ?? ""}/${service}`);
      }),
      caches.nodes.onChange(({ object, old }) => {
        if (old !== undefined && readiness(old) === readiness(object)) return;
        for (const pod of caches.pods.byIndex(BY_NODE, object.metadata.name)) {
          for (const key of selecting(pod)) enqueue(key);
        }
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  function selecting(pod: Pod): string[] {
    return caches.services
      .list(pod.metadata.namespace)
      .filter((service) => selects(service, pod))
      .map(keyOf);
  }

  async function reconcile(key: string): Promise<Outcome | void> {
    const { namespace, name } = splitKey(key);
    const service = caches.services.get(namespace, name);
    if (service === undefined || service.metadata.deletionTimestamp !== undefined) {
      // The garbage collector takes the slices along with their owner.
      expectations.forget(key);
      return;
    }
    if (!hasSelector(service)) return;
    if (!expectations.met(key)) {
      return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    }
    const pods = caches.pods.list(namespace).filter((pod) => selects(service, pod));
    const groups = endpointGroups({ service, pods, nodeOf: (node) => caches.nodes.get("", node) });
    const slices = caches.endpointSlices.byIndex(BY_SERVICE, key);
    const actions = decideEndpointSlices({ service, groups, slices });
    const [failure] = await inParallel(actions, async ({ type, slice }) => {
      const api = client.resource<EndpointSlice>(ENDPOINTSLICES, namespace);
      if (type === "delete") {
        const { uid } = slice.metadata;
        try {
          await api.delete(slice.metadata.name, uid === undefined ? {} : { preconditions: { uid } });
        } catch (thrown) {
          if (!hasCode(thrown, "NotFound")) throw thrown;
        }
        return;
      }
      const written = await (type === "create" ? api.create(slice) : api.update(slice));
      expectations.wrote(key, caches.endpointSlices, written);
    });
    if (failure !== undefined) throw failure;
  }

  return { name: "endpointslice", workers: 8, watch, reconcile };
}

function hasSelector(service: Service): boolean {
  return service.spec.type !== "ExternalName" && Object.keys(service.spec.selector ?? {}).length > 0;
}

function selects(service: Service, pod: Pod): boolean {
  if (!hasSelector(service)) return false;
  const labels = pod.metadata.labels ?? {};
  return Object.entries(service.spec.selector ?? {}).every(([key, value]) => labels[key] === value);
}

/** Whether a change of a pod can change its endpoint. */
function matters(before: Pod, after: Pod): boolean {
  return digest(before) !== digest(after);
}

function digest({ metadata, spec, status }: Pod): string {
  const ready = status?.conditions?.find((one) => one.type === "Ready")?.status;
  return JSON.stringify([
    metadata.labels,
    metadata.deletionTimestamp !== undefined,
    spec.nodeName,
    spec.hostname,
    status?.podIP,
    status?.phase,
    ready,
  ]);
}

function readiness(node: Node): string | undefined {
  return node.status?.conditions?.find((one) => one.type === "Ready")?.status;
}
