import { ENDPOINTSLICES, type EndpointSlice, SERVICES, type Service } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { ControllerContext, ReconcilerSpec } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { COMPONENTS, MONITORING_NAMESPACE, serviceOf, sliceName, sliceOf } from "./decide.ts";

// Should no event come: an expectation may be met by a relist alone.
const UNSETTLED_REQUEUE_MS = 250;

/** The slice that names the servers, kept by the apiservers. */
const SERVERS = { namespace: "default", name: "kubernetes" };

/** Keeps the Services by which Prometheus finds the parts of the control plane. Keys are names of components. */
export function createMonitoringController(context: ControllerContext): ReconcilerSpec {
  const { client, caches } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    const all = (): void => COMPONENTS.forEach(({ name }) => enqueue(name));
    all();
    const stops = [
      // A node's heartbeats change nothing here, but a list of six names is cheap to compare.
      caches.nodes.onChange(({ type }) => type !== "modified" && all()),
      caches.services.onChange(({ object }) => {
        if (object.metadata.namespace === MONITORING_NAMESPACE) enqueueIfOurs(object.metadata.name, enqueue);
      }),
      caches.endpointSlices.onChange(({ object: { metadata } }) => {
        if (metadata.namespace === SERVERS.namespace && metadata.name === SERVERS.name) all();
        const service = metadata.labels?.["kubernetes.io/service-name"] ?? "";
        if (metadata.namespace === MONITORING_NAMESPACE) enqueueIfOurs(service, enqueue);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<{ requeueAfterMs: number } | void> {
    const component = COMPONENTS.find(({ name }) => name === key);
    if (component === undefined) return;
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const service = caches.services.get(MONITORING_NAMESPACE, component.name);
    if (service === undefined) {
      try {
        const created = await client.resource<Service>(SERVICES, MONITORING_NAMESPACE).create(serviceOf(component));
        expectations.wrote(key, caches.services, created);
      } catch (thrown) {
        if (!hasCode(thrown, "AlreadyExists")) throw thrown;
      }
      return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    }
    const present = caches.endpointSlices.get(MONITORING_NAMESPACE, sliceName(component));
    const api = caches.endpointSlices.get(SERVERS.namespace, SERVERS.name);
    const slice = sliceOf(component, service, api, caches.nodes.list(), present);
    if (slice === undefined) return;
    const slices = client.resource<EndpointSlice>(ENDPOINTSLICES, MONITORING_NAMESPACE);
    const written = await (present === undefined ? slices.create(slice) : slices.update(slice));
    expectations.wrote(key, caches.endpointSlices, written);
  }

  return { name: "monitoring", workers: 1, watch, reconcile };
}

function enqueueIfOurs(name: string, enqueue: (key: string) => void): void {
  if (COMPONENTS.some((component) => component.name === name)) enqueue(name);
}
