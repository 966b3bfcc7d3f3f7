import {
  ALL,
  type GroupResource,
  acksOfNode,
  acksOfTopic,
  actorSubject,
  eventSubject,
  heartbeatSubject,
  podsOnNodeSubject,
  sampleSubject,
} from "./subjects.ts";

/** What an identity may publish and subscribe; everything else is refused by the server. */
export interface BusPermissions {
  readonly pub: readonly string[];
  readonly sub: readonly string[];
}

const SERVICES: GroupResource = { group: "", resource: "services" };
const ENDPOINT_SLICES: GroupResource = { group: "discovery.k8s.io", resource: "endpointslices" };
const PODS: GroupResource = { group: "", resource: "pods" };
const NODES: GroupResource = { group: "", resource: "nodes" };
const VOLUMES: GroupResource = { group: "", resource: "persistentvolumes" };
const CLAIMS: GroupResource = { group: "", resource: "persistentvolumeclaims" };
const CLASSES: GroupResource = { group: "storage.k8s.io", resource: "storageclasses" };
const NAMESPACES: GroupResource = { group: "", resource: "namespaces" };

/** An apiserver publishes every stream and hears what nodes use, to serve it as metrics. */
export function relayPermissions(): BusPermissions {
  return { pub: [ALL.events], sub: [ALL.samples] };
}

/** The scheduler hears what it decides by, and says nothing. */
export function schedulerPermissions(): BusPermissions {
  return { pub: [], sub: [PODS, NODES, CLAIMS, VOLUMES, CLASSES].map(eventSubject) };
}

/** The controllers hear of every kind, of every node's life and of what it uses, and tell of their own actors. */
export function controllersPermissions(): BusPermissions {
  return { pub: [actorSubject("controllers")], sub: [ALL.events, ALL.heartbeats, ALL.samples] };
}

/**
 * A node speaks for itself alone and hears its own pods, what every proxy needs, and what the proxies have applied: an
 * ending pod's agent waits for them. Never Secrets or ConfigMaps.
 */
export function nodePermissions(node: string): BusPermissions {
  return {
    pub: [heartbeatSubject(node), sampleSubject(node), acksOfNode(node)],
    sub: [
      podsOnNodeSubject(node),
      acksOfTopic("proxy"),
      ...[SERVICES, ENDPOINT_SLICES, NODES, NAMESPACES, VOLUMES].map(eventSubject),
    ],
  };
}

/** Cluster DNS hears services, their endpoints and nodes. */
export function dnsPermissions(): BusPermissions {
  return { pub: [], sub: [SERVICES, ENDPOINT_SLICES, NODES].map(eventSubject) };
}
