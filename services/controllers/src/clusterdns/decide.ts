import type { Endpoint, EndpointSlice, Node, Service } from "@trireme/api";
import { SERVICES } from "@trireme/api";
import { canonical } from "../canonical.ts";
import { controllerReference } from "../ownership.ts";

/** Where Kubernetes' users look for the cluster's DNS. Ours answers on every node; this Service says so to them. */
export const DNS_NAMESPACE = "kube-system";
export const DNS_SERVICE = "kube-dns";
/** One slice: clusters of first light have few nodes, and resolvers use the node's own address anyway. */
const MAX_ENDPOINTS = 100;

const PORTS = [
  { name: "dns", protocol: "UDP", port: 53 },
  { name: "dns-tcp", protocol: "TCP", port: 53 },
];

/** The DNS Service, at the tenth address of the Services' range. */
export function dnsService(serviceCidr: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: DNS_SERVICE,
      namespace: DNS_NAMESPACE,
      labels: { "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "TriremeDNS" },
    },
    spec: {
      clusterIP: tenthAddress(serviceCidr),
      ports: PORTS.map((port) => ({ ...port, targetPort: port.port })),
      type: "ClusterIP",
    },
  };
}

/** The slice of the DNS Service: every node by its address; undefined if `present` says so already. */
export function dnsSlice(
  service: Service,
  nodes: readonly Node[],
  present: EndpointSlice | undefined,
): EndpointSlice | undefined {
  const endpoints = nodes
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap(endpointOf)
    .slice(0, MAX_ENDPOINTS);
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${DNS_SERVICE}-nodes`,
      namespace: DNS_NAMESPACE,
      labels: {
        "kubernetes.io/service-name": DNS_SERVICE,
        "endpointslice.kubernetes.io/managed-by": "cluster-dns-controller.trireme",
      },
      ownerReferences: [controllerReference(SERVICES, service)],
    },
    addressType: "IPv4",
    ports: PORTS,
    endpoints,
  };
  if (present === undefined) return slice;
  const same =
    canonical(present.endpoints ?? []) === canonical(endpoints) &&
    present.metadata.ownerReferences?.[0]?.uid === service.metadata.uid;
  if (same) return undefined;
  return { ...slice, metadata: { ...present.metadata, ...slice.metadata } };
}

function endpointOf(node: Node): Endpoint[] {
  const address = node.status?.addresses?.find((one) => one.type === "InternalIP")?.address;
  if (address === undefined || address.includes(":")) return [];
  const ready = node.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
  const { name, uid } = node.metadata;
  return [
    {
      addresses: [address],
      conditions: { ready, serving: ready, terminating: false },
      nodeName: name,
      targetRef: { kind: "Node", name, ...(uid === undefined ? {} : { uid }) },
    },
  ];
}

function tenthAddress(cidr: string): string {
  const [base = ""] = cidr.split("/");
  const octets = base.split(".").map(Number);
  return [...octets.slice(0, 3), (octets[3] ?? 0) + 10].join(".");
}
