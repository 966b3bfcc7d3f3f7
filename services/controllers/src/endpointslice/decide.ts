import type { Endpoint, EndpointPort, EndpointSlice, Service } from "@trireme/api";
import { SERVICES } from "@trireme/api";
import { canonical } from "../canonical.ts";
import { controllerReference } from "../ownership.ts";
import type { EndpointGroup } from "./endpoints.ts";

/** The label that leads from a slice to its service. */
const SERVICE_NAME = "kubernetes.io/service-name";
const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
const MANAGED_BY = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";

/** Kubernetes' default: small enough that one changed pod is a small write, large enough that most services have one slice. */
export const MAX_ENDPOINTS_PER_SLICE = 100;

/** One write. */
export type EndpointSliceAction =
  | { readonly type: "create"; readonly slice: EndpointSlice }
  | { readonly type: "update"; readonly slice: EndpointSlice }
  | { readonly type: "delete"; readonly slice: EndpointSlice };

/** What a service's slices are and should be. */
export interface EndpointSliceObserved {
  readonly service: Service;
  readonly groups: readonly EndpointGroup[];
  /** The service's present slices; those that others manage are left alone. */
  readonly slices: readonly EndpointSlice[];
}

/**
 * The writes that turn the present slices into the wanted ones. Endpoints stay in the slice where they are, so that one
 * changed pod is one changed slice. Names follow from the service's uid, so that a repeated creation meets itself.
 */
export function decideEndpointSlices({ service, groups, slices }: EndpointSliceObserved): EndpointSliceAction[] {
  const ours = slices.filter(
    (slice) =>
      slice.metadata.labels?.[MANAGED_BY_LABEL] === MANAGED_BY && slice.metadata.deletionTimestamp === undefined,
  );
  const unused = new Set(ours);
  const updates: EndpointSlice[] = [];
  const missing: Content[] = [];
  for (const group of groups) {
    const candidates = ours.filter((slice) => unused.has(slice) && samePorts(slice.ports, group.ports));
    const { kept, rest } = distribute(group, candidates);
    for (const { slice, endpoints } of kept) {
      unused.delete(slice);
      updates.push(carryOver(slice, sliceFor(service, slice.metadata.name, { ports: group.ports, endpoints })));
    }
    missing.push(...rest.map((endpoints) => ({ ports: group.ports, endpoints })));
  }
  // A slice that is no longer needed takes the content of one that is missing: no moment without either.
  const [...spare] = unused;
  for (const content of missing.splice(0, spare.length)) {
    const slice = spare.shift()!;
    updates.push(carryOver(slice, sliceFor(service, slice.metadata.name, content)));
  }
  const taken = new Set(slices.map((slice) => slice.metadata.name));
  const present = new Map(ours.map((slice) => [slice.metadata.name, slice]));
  return [
    ...missing.map((content) => ({
      type: "create" as const,
      slice: sliceFor(service, freeName(service, taken), content),
    })),
    ...updates
      .filter((slice) => !sameContent(present.get(slice.metadata.name)!, slice))
      .map((slice) => ({ type: "update" as const, slice })),
    ...spare.map((slice) => ({ type: "delete" as const, slice })),
  ];
}

interface Content {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** Leaves endpoints in the slices that have them, fills those up, and cuts what is left into new ones. */
function distribute(
  group: EndpointGroup,
  candidates: readonly EndpointSlice[],
): { kept: { slice: EndpointSlice; endpoints: Endpoint[] }[]; rest: Endpoint[][] } {
  const [first] = candidates;
  if (group.endpoints.length === 0) {
    // One empty slice says that the service is known and has nobody.
    return first === undefined ? { kept: [], rest: [[]] } : { kept: [{ slice: first, endpoints: [] }], rest: [] };
  }
  const waiting = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]));
  const kept = candidates.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const present of slice.endpoints ?? []) {
      const wanted = waiting.get(identity(present));
      if (wanted === undefined) continue;
      waiting.delete(identity(present));
      endpoints.push(wanted);
    }
    return { slice, endpoints };
  });
  const left = [...waiting.values()];
  // The fullest slices are filled first, so that emptier ones can be given up.
  for (const { endpoints } of kept.toSorted((a, b) => b.endpoints.length - a.endpoints.length)) {
    endpoints.push(...left.splice(0, MAX_ENDPOINTS_PER_SLICE - endpoints.length));
  }
  const rest: Endpoint[][] = [];
  while (left.length > 0) rest.push(left.splice(0, MAX_ENDPOINTS_PER_SLICE));
  return { kept: kept.filter(({ endpoints }) => endpoints.length > 0), rest };
}

function sliceFor(service: Service, name: string, { ports, endpoints }: Content): EndpointSlice {
  const { namespace } = service.metadata;
  const headless = service.spec.clusterIP === "None" ? { [HEADLESS]: "" } : {};
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      generateName: `${service.metadata.name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: {
        ...service.metadata.labels,
        [SERVICE_NAME]: service.metadata.name,
        [MANAGED_BY_LABEL]: MANAGED_BY,
        ...headless,
      },
      ownerReferences: [controllerReference(SERVICES, service)],
    },
    addressType: "IPv4",
    ports: [...ports],
    endpoints: [...endpoints],
  };
}

function carryOver(present: EndpointSlice, next: EndpointSlice): EndpointSlice {
  const { labels, ownerReferences } = next.metadata;
  return {
    ...next,
    metadata: {
      ...present.metadata,
      ...(labels === undefined ? {} : { labels }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
    },
  };
}

function sameContent(a: EndpointSlice, b: EndpointSlice): boolean {
  return (
    canonical(a.metadata.labels) === canonical(b.metadata.labels) &&
    canonical(a.metadata.ownerReferences) === canonical(b.metadata.ownerReferences) &&
    samePorts(a.ports, b.ports ?? []) &&
    canonical(a.endpoints ?? []) === canonical(b.endpoints ?? [])
  );
}

function samePorts(a: readonly EndpointPort[] | undefined, b: readonly EndpointPort[]): boolean {
  return canonical(a ?? []) === canonical(b);
}

/** Two endpoints are the same one if the same pod answers at the same address. */
function identity(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? endpoint.targetRef?.name ?? ""}|${endpoint.addresses.join(",")}`;
}

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

function freeName(service: Service, taken: Set<string>): string {
  for (let attempt = 0; ; attempt++) {
    // Names are bounded by what the API allows; the suffix tells services of one name in two lives apart.
    const name = `${service.metadata.name.slice(0, 240)}-${suffix(`${service.metadata.uid ?? ""}/${attempt}`)}`;
    if (!taken.has(name)) {
      taken.add(name);
      return name;
    }
  }
}

function suffix(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  let out = "";
  for (let i = 0; i < 5; i++) {
    out += ALPHABET[hash % ALPHABET.length];
    hash = Math.floor(hash / ALPHABET.length);
  }
  return out;
}
