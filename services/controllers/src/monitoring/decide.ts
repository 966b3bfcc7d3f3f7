import type { Endpoint, EndpointSlice, Node, Service } from "@trireme/api";
import { SERVICES } from "@trireme/api";
import { canonical } from "../canonical.ts";
import { controllerReference } from "../ownership.ts";

/** Where monitoring looks for the parts of a control plane. */
export const MONITORING_NAMESPACE = "kube-system";

/** One component whose metrics are found through a Service without an address. */
export interface Component {
  /** The Service's name. */
  readonly name: string;
  /** Its label `app.kubernetes.io/name`, by which stock monitors select it, and `k8s-app` where dashboards want another. */
  readonly app: string;
  readonly portName: string;
  readonly port: number;
  /** Every server has it, or every node. */
  readonly on: "servers" | "nodes";
}

/** Ports are those that `services/control` and `services/dns` listen on, see libs/telemetry/DESIGN.md. */
export const COMPONENTS: readonly Component[] = [
  { name: "kube-scheduler", app: "kube-scheduler", portName: "https-metrics", port: 10_259, on: "servers" },
  {
    name: "kube-controller-manager",
    app: "kube-controller-manager",
    portName: "https-metrics",
    port: 10_257,
    on: "servers",
  },
  { name: "etcd", app: "etcd", portName: "https-metrics", port: 2382, on: "servers" },
  { name: "kube-state-metrics", app: "kube-state-metrics", portName: "https-main", port: 8443, on: "servers" },
  { name: "nats", app: "nats", portName: "https-metrics", port: 7777, on: "servers" },
  { name: "kube-dns-metrics", app: "kube-dns", portName: "metrics", port: 9153, on: "nodes" },
];

/** Many more hosts than one slice should hold are no cluster of ours. */
const MAX_ENDPOINTS = 1000;

/** The Service of a component. It has no address: nobody balances a scrape. */
export function serviceOf({ name, app, portName, port }: Component): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name,
      namespace: MONITORING_NAMESPACE,
      labels: { "app.kubernetes.io/name": app, "k8s-app": app, "app.kubernetes.io/part-of": "trireme" },
    },
    spec: {
      clusterIP: "None",
      type: "ClusterIP",
      ports: [{ name: portName, port, targetPort: port, protocol: "TCP" }],
    },
  };
}

/**
 * The slice of a component's Service; undefined if `present` says so already. `api` is the slice of Service
 * `default/kubernetes`, which the live apiservers keep: it names the servers.
 */
export function sliceOf(
  component: Component,
  service: Service,
  api: EndpointSlice | undefined,
  nodes: readonly Node[],
  present: EndpointSlice | undefined,
): EndpointSlice | undefined {
  const found = component.on === "nodes" ? nodes.flatMap(endpointOfNode) : (api?.endpoints ?? []).map(endpointOfServer);
  const endpoints = found
    .toSorted((a, b) => ((a.addresses[0] ?? "") < (b.addresses[0] ?? "") ? -1 : 1))
    .slice(0, MAX_ENDPOINTS);
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: sliceName(component),
      namespace: MONITORING_NAMESPACE,
      labels: {
        "kubernetes.io/service-name": component.name,
        "endpointslice.kubernetes.io/managed-by": "monitoring-controller.trireme",
        "app.kubernetes.io/name": component.app,
      },
      ownerReferences: [controllerReference(SERVICES, service)],
    },
    addressType: "IPv4",
    ports: [{ name: component.portName, port: component.port, protocol: "TCP" }],
    endpoints,
  };
  if (present === undefined) return slice;
  const same =
    canonical(present.endpoints ?? []) === canonical(endpoints) &&
    canonical(present.ports ?? []) === canonical(slice.ports) &&
    present.metadata.ownerReferences?.[0]?.uid === service.metadata.uid;
  return same ? undefined : { ...slice, metadata: { ...present.metadata, ...slice.metadata } };
}

/** The one slice of a component. */
export function sliceName({ name }: Component): string {
  return `${name}-hosts`;
}

/** Ready whatever it is: what monitoring finds dead it has to tell, not to forget. */
function endpointOfServer({ addresses }: Endpoint): Endpoint {
  return { addresses, conditions: { ready: true } };
}

function endpointOfNode(node: Node): Endpoint[] {
  const address = node.status?.addresses?.find((one) => one.type === "InternalIP")?.address;
  if (address === undefined || address.includes(":")) return [];
  const { name } = node.metadata;
  return [{ addresses: [address], conditions: { ready: true }, nodeName: name, targetRef: { kind: "Node", name } }];
}
