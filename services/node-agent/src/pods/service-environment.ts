import type { Pod, Service } from "@trireme/api";

/** The Service that every pod hears of, whatever its namespace is. */
const API_SERVICE = { namespace: "default", name: "kubernetes" };

/**
 * The variables by which a container finds Services: those of the API always, those of its own namespace unless the pod
 * says `enableServiceLinks: false`. Docker's old link variables and Kubernetes' own, as kubelet makes them. Pure.
 */
export function serviceEnvironment(pod: Pod, services: readonly Service[]): Map<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { namespace = "default", name } = service.metadata;
    const ip = service.spec?.clusterIP ?? "";
    if (ip === "" || ip === "None") continue;
    const api = namespace === API_SERVICE.namespace && name === API_SERVICE.name;
    const linked = namespace === pod.metadata.namespace && (pod.spec.enableServiceLinks ?? true);
    // A Service of the pod's own namespace wins over the API's of the same name.
    if (linked || (api && !chosen.has(name))) chosen.set(name, service);
  }
  const env = new Map<string, string>();
  for (const [name, service] of [...chosen].toSorted(([a], [b]) => (a < b ? -1 : 1))) describe(name, service, env);
  return env;
}

function describe(service: string, { spec }: Service, env: Map<string, string>): void {
  const name = variable(service);
  const ip = spec?.clusterIP ?? "";
  const ports = spec?.ports ?? [];
  const host = ip.includes(":") ? `[${ip}]` : ip;
  env.set(`${name}_SERVICE_HOST`, ip);
  if (ports[0] !== undefined) env.set(`${name}_SERVICE_PORT`, String(ports[0].port));
  for (const port of ports) {
    if (port.name) env.set(`${name}_SERVICE_PORT_${variable(port.name)}`, String(port.port));
  }
  for (const [index, port] of ports.entries()) {
    const protocol = port.protocol ?? "TCP";
    const url = `${protocol.toLowerCase()}://${host}:${port.port}`;
    const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`;
    if (index === 0) env.set(`${name}_PORT`, url);
    env.set(prefix, url);
    env.set(`${prefix}_PROTO`, protocol.toLowerCase());
    env.set(`${prefix}_PORT`, String(port.port));
    env.set(`${prefix}_ADDR`, ip);
  }
}

const variable = (name: string): string => name.toUpperCase().replaceAll("-", "_");
