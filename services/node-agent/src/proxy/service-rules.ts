import type { Endpoint, EndpointSlice, Service, ServicePort } from "@trireme/api";

/** One endpoint of a Service's port. */
export interface Target {
  readonly ip: string;
  readonly port: number;
}

/** One port of one Service as the node's traffic rules need it. */
export interface PortRule {
  /** `<namespace>/<name>:<port name>`. */
  readonly key: string;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly clusterIP: string;
  readonly port: number;
  readonly nodePort?: number;
  /** Further addresses of the Service: external IPs and load balancers'. */
  readonly externalIPs: readonly string[];
  /** One client keeps to one endpoint. */
  readonly sticky: boolean;
  readonly targets: readonly Target[];
  /** Targets of traffic from outside, when that must stay on the node (`externalTrafficPolicy: Local`). */
  readonly localTargets?: readonly Target[];
}

/** The label by which a slice names its Service. */
export const SERVICE_NAME = "kubernetes.io/service-name";

/** What Services and their slices mean for the node `nodeName`. Pure; sorted, so that equal inputs give equal rules. */
export function portRules(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeName: string,
): PortRule[] {
  const byService = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[SERVICE_NAME];
    if (name === undefined || (slice.addressType ?? "IPv4") !== "IPv4") continue;
    const key = `${slice.metadata.namespace}/${name}`;
    byService.set(key, [...(byService.get(key) ?? []), slice]);
  }
  const out: PortRule[] = [];
  for (const service of services) {
    const clusterIP = service.spec.clusterIP ?? "";
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(clusterIP)) continue;
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    for (const port of service.spec.ports ?? []) {
      const found = endpointsOf(byService.get(key) ?? [], port);
      const local = found.filter((entry) => entry.node === nodeName);
      const inside = service.spec.internalTrafficPolicy === "Local" ? local : found;
      const outsideLocal = service.spec.externalTrafficPolicy === "Local";
      out.push({
        key: `${key}:${port.name ?? ""}`,
        protocol: (port.protocol ?? "TCP").toLowerCase() as PortRule["protocol"],
        clusterIP,
        port: port.port,
        ...(port.nodePort === undefined || port.nodePort === 0 ? {} : { nodePort: port.nodePort }),
        externalIPs: [
          ...(service.spec.externalIPs ?? []),
          ...(service.status?.loadBalancer?.ingress ?? []).flatMap((i) => (i.ip === undefined ? [] : [i.ip])),
        ],
        sticky: service.spec.sessionAffinity === "ClientIP",
        targets: inside.map((entry) => entry.target),
        ...(outsideLocal ? { localTargets: local.map((entry) => entry.target) } : {}),
      });
    }
  }
  return out.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.protocol < b.protocol ? -1 : 1));
}

interface Entry {
  readonly target: Target;
  readonly node: string | undefined;
}

/** The endpoints that take traffic: the ready ones, or where none is ready those that still serve while they end. */
function endpointsOf(slices: readonly EndpointSlice[], port: ServicePort): Entry[] {
  const ready = new Map<string, Entry>();
  const ending = new Map<string, Entry>();
  for (const slice of slices) {
    const named = (slice.ports ?? []).find(
      (p) => (p.name ?? "") === (port.name ?? "") && (p.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (named?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0];
      const pool = poolOf(endpoint);
      if (ip === undefined || pool === undefined) continue;
      const entry = { target: { ip, port: named.port }, node: endpoint.nodeName };
      (pool === "ready" ? ready : ending).set(`${ip}:${named.port}`, entry);
    }
  }
  const chosen = ready.size > 0 ? ready : ending;
  return [...chosen.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}

function poolOf(endpoint: Endpoint): "ready" | "ending" | undefined {
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  if (ready ?? true) return "ready";
  return (serving ?? false) && (terminating ?? false) ? "ending" : undefined;
}
