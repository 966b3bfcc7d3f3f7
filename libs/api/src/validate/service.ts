import type { EndpointSlice, Service } from "../kinds.ts";
import type { Problems } from "./field-error.ts";
import { isIp, isIpv4, isIpv6 } from "./ip.ts";
import { immutable, validateLabels } from "./metadata.ts";
import { dnsLabelProblems, dnsSubdomainProblems, portNameProblems, portNumberProblems } from "./names.ts";

/** Kubernetes' bound on ClientIP affinity: one day. */
const AFFINITY_SECONDS_MAX = 86_400;
/** Kubernetes' bound on the endpoints of one slice. */
const ENDPOINTS_MAX = 1000;

/** Checks a Service. Whether an address or node port is free is the allocator's business. */
export function validateService({ spec }: Service, problems: Problems): void {
  const headless = spec.clusterIP === "None";
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !headless && spec.type !== "ExternalName") problems.required("spec.ports");
  validatePorts(spec, problems);
  validateLabels(spec.selector, "spec.selector", problems);
  if (spec.type === "ExternalName") {
    if (!spec.externalName) problems.required("spec.externalName");
    else
      problems.each("spec.externalName", spec.externalName, dnsSubdomainProblems(spec.externalName.replace(/\.$/, "")));
    if (spec.clusterIP) problems.forbidden("spec.clusterIP", "may not be set when type is 'ExternalName'");
  } else if (spec.clusterIP && !headless && !isIp(spec.clusterIP)) {
    problems.invalid("spec.clusterIP", spec.clusterIP, "must be empty, 'None', or a valid IP address");
  }
  if (headless && (spec.type === "NodePort" || spec.type === "LoadBalancer")) {
    problems.invalid("spec.clusterIP", "None", `may not be set to 'None' for ${spec.type} services`);
  }
  if (spec.clusterIP && spec.clusterIPs?.[0] && spec.clusterIPs[0] !== spec.clusterIP) {
    problems.invalid("spec.clusterIPs", spec.clusterIPs, "first value must match `clusterIP`");
  }
  for (const [index, ip] of (spec.externalIPs ?? []).entries()) {
    if (!isIp(ip)) problems.invalid(`spec.externalIPs[${index}]`, ip, "must be a valid IP address");
  }
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout !== undefined && (timeout <= 0 || timeout > AFFINITY_SECONDS_MAX)) {
    const at = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
    problems.invalid(at, timeout, `must be greater than 0 and less than ${AFFINITY_SECONDS_MAX}`);
  }
}

function validatePorts({ ports = [], type }: Service["spec"], problems: Problems): void {
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    if (!port.name) {
      if (ports.length > 1) problems.required(`${at}.name`);
    } else {
      problems.each(`${at}.name`, port.name, dnsLabelProblems(port.name));
      if (names.has(port.name)) problems.duplicate(`${at}.name`, port.name);
      names.add(port.name);
    }
    if (port.port !== undefined) problems.each(`${at}.port`, port.port, portNumberProblems(port.port));
    const { targetPort, nodePort } = port;
    if (typeof targetPort === "number") problems.each(`${at}.targetPort`, targetPort, portNumberProblems(targetPort));
    else if (targetPort) problems.each(`${at}.targetPort`, targetPort, portNameProblems(targetPort));
    const number = `${port.port}/${port.protocol ?? "TCP"}`;
    if (numbers.has(number)) problems.duplicate(at, { port: port.port, protocol: port.protocol ?? "TCP" });
    numbers.add(number);
    if (!nodePort) continue;
    problems.each(`${at}.nodePort`, nodePort, portNumberProblems(nodePort));
    if (type === "ClusterIP" || type === "ExternalName") {
      problems.forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${type}'`);
    }
    const taken = `${nodePort}/${port.protocol ?? "TCP"}`;
    if (nodePorts.has(taken)) problems.duplicate(`${at}.nodePort`, nodePort);
    nodePorts.add(taken);
  }
}

/** An address once given is kept, unless the type leaves or joins those that have one. */
export function validateServiceUpdate({ spec }: Service, { spec: old }: Service, problems: Problems): void {
  const hasAddress = (type: string | undefined): boolean => type !== "ExternalName";
  if (!hasAddress(spec.type) || !hasAddress(old.type) || !old.clusterIP) return;
  immutable("spec.clusterIP", spec.clusterIP, old.clusterIP, problems);
}

/** Checks an EndpointSlice. */
export function validateEndpointSlice(slice: EndpointSlice, problems: Problems): void {
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > ENDPOINTS_MAX) {
    problems.invalid("endpoints", endpoints.length, `must have at most ${ENDPOINTS_MAX} items`);
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const at = `endpoints[${index}].addresses`;
    if (!endpoint.addresses?.length) problems.required(at, "must contain at least 1 address");
    for (const [addressIndex, address] of (endpoint.addresses ?? []).entries()) {
      const path = `${at}[${addressIndex}]`;
      if (slice.addressType === "FQDN") problems.each(path, address, dnsSubdomainProblems(address));
      else if (!(slice.addressType === "IPv6" ? isIpv6(address) : isIpv4(address))) {
        problems.invalid(path, address, `must be a valid ${slice.addressType} address`);
      }
    }
  }
  const names = new Set<string>();
  for (const [index, port] of (slice.ports ?? []).entries()) {
    const name = port.name ?? "";
    if (name !== "") problems.each(`ports[${index}].name`, name, dnsLabelProblems(name));
    if (names.has(name)) problems.duplicate(`ports[${index}].name`, name);
    names.add(name);
  }
}
