import type { EndpointSlice, Service } from "../kinds.ts";
import { AGE, NAME, formatLabels, printer, text, wide } from "./column.ts";

function externalIps({ spec, status }: Service): string {
  const own = spec.externalIPs ?? [];
  if (spec.type === "ExternalName") return spec.externalName || "<none>";
  if (spec.type !== "LoadBalancer") return own.length > 0 ? own.join(",") : "<none>";
  const ingress = (status?.loadBalancer?.ingress ?? []).map((i) => i.ip || i.hostname || "").filter((ip) => ip !== "");
  const all = [...ingress, ...own];
  return all.length > 0 ? all.join(",") : "<pending>";
}

function servicePorts({ spec }: Service): string {
  const ports = (spec.ports ?? []).map(({ port, nodePort, protocol }) => {
    return `${port}${nodePort ? `:${nodePort}` : ""}/${protocol ?? "TCP"}`;
  });
  return ports.length > 0 ? ports.join(",") : "<none>";
}

/** Prints Services. */
export const servicePrinter = printer<Service>([
  NAME,
  text("Type", "How the Service is reached.", ({ spec }: Service) => spec.type ?? "ClusterIP"),
  text("Cluster-IP", "Its address inside the cluster.", ({ spec }: Service) => {
    return (spec.clusterIPs?.[0] ?? spec.clusterIP) || "<none>";
  }),
  text("External-IP", "Its addresses outside the cluster.", externalIps),
  text("Port(s)", "Port, node port and protocol of each of its ports.", servicePorts),
  AGE,
  wide(text("Selector", "Labels of the Pods behind it.", ({ spec }: Service) => formatLabels(spec.selector))),
]);

/** A cell lists so many entries, and says how many more there are. */
const LISTED = 3;

function listed(entries: readonly string[]): string {
  if (entries.length === 0) return "<unset>";
  const rest = entries.length - LISTED;
  return `${entries.slice(0, LISTED).join(",")}${rest > 0 ? ` + ${rest} more...` : ""}`;
}

/** Prints EndpointSlices. */
export const endpointSlicePrinter = printer<EndpointSlice>([
  NAME,
  text("AddressType", "What kind of address its endpoints have.", (slice: EndpointSlice) => slice.addressType),
  text("Ports", "Ports of the endpoints.", (slice: EndpointSlice) =>
    listed((slice.ports ?? []).map((p) => String(p.port ?? (p.name || "*")))),
  ),
  text("Endpoints", "Addresses of the endpoints.", (slice: EndpointSlice) =>
    listed((slice.endpoints ?? []).flatMap((e) => e.addresses ?? [])),
  ),
  AGE,
]);
