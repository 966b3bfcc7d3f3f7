import {
  ALL,
  type GroupResource,
  acksOfNode,
  acksOfTopic,
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
const NODES: GroupResource = { group: "", resource: "nodes" };
const VOLUMES: GroupResource = { group: "", resource: "persistentvolumes" };
const NAMESPACES: GroupResource = { group: "", resource: "namespaces" };

/** An apiserver publishes every stream (and its relay's supervision) and hears what nodes use, to serve it as metrics. */
export function relayPermissions(): BusPermissions {
  return { pub: [ALL.events, ALL.actors], sub: [ALL.samples] };
}

/** Scheduler and controllers hear everything that nodes and the relay say. */
export function controlPermissions(): BusPermissions {
  return { pub: [ALL.actors], sub: [ALL.events, ALL.heartbeats, ALL.samples, ALL.acks] };
}

/**
 * A node speaks for itself alone and hears its own pods, what every proxy needs, and what the proxies have applied: an
 * ending pod's agent waits for them. Never Secrets or ConfigMaps.
 */
export function nodePermissions(node: string): BusPermissions {
  return {
    pub: [heartbeatSubject(node), sampleSubject(node), acksOfNode(node), ALL.actors],
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
