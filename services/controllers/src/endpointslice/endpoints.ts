import type { Endpoint, EndpointPort, Node, Pod, Service } from "@trireme/api";
import { isFinished, isLost, isReady } from "../ownership.ts";

/** The endpoints of pods that offer the service's ports at the same numbers: one group of slices. */
export interface EndpointGroup {
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
}

/** What {@link endpointGroups} asks of the world. */
export interface EndpointSources {
  readonly service: Service;
  /** Pods that the service selects. */
  readonly pods: readonly Pod[];
  /** undefined: unknown to the cache, taken as healthy. */
  readonly nodeOf: (name: string) => Node | undefined;
}

/**
 * The endpoints that a service should have, grouped by the port numbers that named target ports resolve to. Without any
 * endpoint there is one group without ports: a slice that says "nobody".
 */
export function endpointGroups({ service, pods, nodeOf }: EndpointSources): EndpointGroup[] {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Endpoint[] }>();
  for (const pod of pods) {
    const address = pod.status?.podIP ?? "";
    // Only IPv4 is served; a finished pod serves nothing, an ending one still drains.
    if (address === "" || address.includes(":") || isFinished(pod)) continue;
    const ports = portsOf(service, pod);
    if (ports.length === 0 && (service.spec.ports?.length ?? 0) > 0) continue;
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, address, nodeOf(pod.spec.nodeName ?? "")));
    groups.set(key, group);
  }
  return groups.size === 0 ? [{ ports: [], endpoints: [] }] : [...groups.values()];
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const port of service.spec.ports ?? []) {
    const protocol = port.protocol ?? "TCP";
    const number = targetPort(port.targetPort ?? port.port, port.port, protocol, pod);
    if (number === undefined) continue;
    ports.push({
      name: port.name ?? "",
      protocol,
      port: number,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    });
  }
  return ports;
}

function targetPort(target: number | string, port: number, protocol: string, pod: Pod): number | undefined {
  if (typeof target === "number") return target === 0 ? port : target;
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const offered of container.ports ?? []) {
      if (offered.name === target && (offered.protocol ?? "TCP") === protocol) return offered.containerPort;
    }
  }
  return undefined;
}

function endpointOf(service: Service, pod: Pod, address: string, node: Node | undefined): Endpoint {
  const { name, namespace, uid } = pod.metadata;
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  // A node that nobody hears can not confirm that its pods are ready: traffic goes elsewhere at once.
  const serving = isReady(pod) && !isLost(node);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const zone = node?.metadata.labels?.["topology.kubernetes.io/zone"];
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    targetRef: {
      kind: "Pod",
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(hasOwnName(service, pod) ? { hostname: pod.spec.hostname! } : {}),
  };
}

function hasOwnName(service: Service, pod: Pod): boolean {
  return (pod.spec.hostname ?? "") !== "" && pod.spec.subdomain === service.metadata.name;
}
