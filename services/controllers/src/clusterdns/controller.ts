import { ENDPOINTSLICES, type EndpointSlice, SERVICES, type Service } from "@trireme/api";
import { hasCode } from "@trireme/base";
import type { ControllerContext, ReconcilerSpec } from "../context.ts";
import { Expectations } from "../expectations.ts";
import { withKind } from "../ownership.ts";
import { DNS_NAMESPACE, DNS_SERVICE, dnsService, dnsSlice } from "./decide.ts";

const KEY = `${DNS_NAMESPACE}/${DNS_SERVICE}`;
// Should no event come: an expectation may be met by a relist alone.
const UNSETTLED_REQUEUE_MS = 250;

/** Keeps the Service by which Kubernetes' users find the cluster's DNS, with every node as an endpoint. */
export function createClusterDnsController(context: ControllerContext, serviceCidr: string): ReconcilerSpec {
  const { client, caches } = context;
  const expectations = new Expectations();

  function watch(enqueue: (key: string) => void): () => void {
    enqueue(KEY);
    const stops = [
      caches.nodes.onChange(() => enqueue(KEY)),
      caches.services.onChange(({ key }) => key === KEY && enqueue(KEY)),
      caches.endpointSlices.onChange(({ object }) => {
        if (object.metadata.namespace === DNS_NAMESPACE && object.metadata.name.startsWith(DNS_SERVICE)) enqueue(KEY);
      }),
    ];
    return () => stops.forEach((stop) => stop());
  }

  async function reconcile(key: string): Promise<{ requeueAfterMs: number } | void> {
    if (!expectations.met(key)) return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    const service = caches.services.get(DNS_NAMESPACE, DNS_SERVICE);
    if (service === undefined) {
      try {
        const created = await client.resource<Service>(SERVICES, DNS_NAMESPACE).create(dnsService(serviceCidr));
        expectations.wrote(key, caches.services, created);
      } catch (thrown) {
        if (!hasCode(thrown, "AlreadyExists")) throw thrown;
      }
      return { requeueAfterMs: UNSETTLED_REQUEUE_MS };
    }
    const present = caches.endpointSlices.get(DNS_NAMESPACE, `${DNS_SERVICE}-nodes`);
    const slice = dnsSlice(service, caches.nodes.list(), present);
    if (slice === undefined) return;
    const slices = client.resource<EndpointSlice>(ENDPOINTSLICES, DNS_NAMESPACE);
    const typed = withKind(ENDPOINTSLICES, slice);
    const written = await (present === undefined ? slices.create(typed) : slices.update(typed));
    expectations.wrote(key, caches.endpointSlices, written);
  }

  return { name: "clusterdns", workers: 1, watch, reconcile };
}
