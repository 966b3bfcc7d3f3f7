import type { Endpoint, EndpointSlice, Service } from "@trireme/api";

/** One record, in the shape that dns-packet encodes. */
export type ZoneRecord =
  | { readonly name: string; readonly type: "A" | "CNAME" | "PTR" | "NS"; readonly ttl: number; readonly data: string }
  | { readonly name: string; readonly type: "TXT"; readonly ttl: number; readonly data: string }
  | { readonly name: string; readonly type: "SRV"; readonly ttl: number; readonly data: SrvData }
  | { readonly name: string; readonly type: "SOA"; readonly ttl: number; readonly data: SoaData };

interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

/** What the zone says to a question. `elsewhere`: the name is not ours to answer. */
export type ZoneAnswer =
  | { readonly kind: "answer"; readonly records: readonly ZoneRecord[]; readonly additionals: readonly ZoneRecord[] }
  /** The name exists and has nothing of this type. */
  | { readonly kind: "nodata"; readonly soa: ZoneRecord }
  | { readonly kind: "nxdomain"; readonly soa: ZoneRecord }
  | { readonly kind: "elsewhere" };

/** Answers are short-lived: endpoints change and clients should follow. CoreDNS' own value. */
export const TTL_SECONDS = 5;
const SERVICE_LABEL = "kubernetes.io/service-name";

interface Backend {
  readonly ip: string;
  /** First label of the endpoint's own name: its host name, or its address with dashes. */
  readonly label: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly ready: boolean;
}

interface Entry {
  readonly service: Service;
  readonly backends: readonly Backend[];
}

/** The cluster's names, ready to be asked. Immutable: made anew when Services or slices change. */
export interface Zone {
  readonly domain: string;
  /** Revision of what the zone was made from, for the SOA serial. */
  readonly serial: number;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly namespaces: ReadonlySet<string>;
  /** Names by reversed address. */
  readonly reverse: ReadonlyMap<string, readonly string[]>;
}

/** Builds the zone. Pure. */
export function buildZone(
  domain: string,
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  serial: number,
): Zone {
  const backends = new Map<string, Map<string, Backend>>();
  for (const slice of slices) {
    const service = slice.metadata.labels?.[SERVICE_LABEL];
    if (service === undefined || slice.addressType === "IPv6") continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const known = backends.get(key) ?? new Map<string, Backend>();
    backends.set(key, known);
    for (const endpoint of slice.endpoints ?? []) {
      for (const ip of endpoint.addresses) known.set(ip, backendOf(ip, endpoint, slice));
    }
  }
  const entries = new Map<string, Entry>();
  const namespaces = new Set<string>();
  const reverse = new Map<string, string[]>();
  const addReverse = (ip: string, name: string): void => {
    reverse.set(ip, [...(reverse.get(ip) ?? []), name]);
  };
  for (const service of services) {
    const namespace = service.metadata.namespace ?? "default";
    const key = `${namespace}/${service.metadata.name}`;
    const found = [...(backends.get(key)?.values() ?? [])].toSorted((a, b) => (a.ip < b.ip ? -1 : 1));
    entries.set(key, { service, backends: found });
    namespaces.add(namespace);
    const base = `${service.metadata.name}.${namespace}.svc.${domain}`;
    const ip = service.spec.clusterIP ?? "";
    if (isIPv4(ip)) addReverse(ip, base);
    else for (const backend of found) addReverse(backend.ip, `${backend.label}.${base}`);
  }
  return { domain, serial, entries, namespaces, reverse };
}

function backendOf(ip: string, endpoint: Endpoint, slice: EndpointSlice): Backend {
  return {
    ip,
    label: endpoint.hostname ?? ip.replaceAll(".", "-"),
    ports: (slice.ports ?? []).flatMap((p) =>
      p.port === undefined ? [] : [{ name: p.name ?? "", protocol: (p.protocol ?? "TCP").toLowerCase(), port: p.port }],
    ),
    ready: endpoint.conditions?.ready ?? true,
  };
}

const isIPv4 = (text: string): boolean => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text);

/** Answers one question. Pure. Names compare without regard to case; the question's own spelling is echoed. */
export function answer(zone: Zone, question: { readonly name: string; readonly type: string }): ZoneAnswer {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  if (name.endsWith(".in-addr.arpa")) return answerReverse(zone, question, name);
  if (name !== zone.domain && !name.endsWith(`.${zone.domain}`)) return { kind: "elsewhere" };
  const soa = soaOf(zone);
  const records = lookup(zone, name, question.name, question.type);
  if (records === undefined) return { kind: "nxdomain", soa };
  if (records.answers.length === 0) return { kind: "nodata", soa };
  return { kind: "answer", records: records.answers, additionals: records.additionals };
}

function answerReverse(zone: Zone, question: { name: string; type: string }, name: string): ZoneAnswer {
  const ip = name.slice(0, -".in-addr.arpa".length).split(".").toReversed().join(".");
  const names = zone.reverse.get(ip);
  if (names === undefined) return { kind: "elsewhere" };
  if (question.type !== "PTR" && question.type !== "ANY") return { kind: "nodata", soa: soaOf(zone) };
  const records = names.map((data) => ({ name: question.name, type: "PTR" as const, ttl: TTL_SECONDS, data }));
  return { kind: "answer", records, additionals: [] };
}

interface Found {
  readonly answers: readonly ZoneRecord[];
  readonly additionals: readonly ZoneRecord[];
}

const found = (answers: readonly ZoneRecord[], additionals: readonly ZoneRecord[] = []): Found => ({
  answers,
  additionals,
});

/** Undefined: there is no such name. No answers: the name is there, nothing of this type is. */
function lookup(zone: Zone, name: string, asked: string, type: string): Found | undefined {
  const labels = name === zone.domain ? [] : name.slice(0, -zone.domain.length - 1).split(".");
  const kind = labels.at(-1);
  if (kind === undefined) {
    if (type === "SOA") return found([soaOf(zone)]);
    if (type === "NS") return found([{ name: asked, type: "NS", ttl: TTL_SECONDS, data: `ns.dns.${zone.domain}` }]);
    return found([]);
  }
  if (labels.length === 1 && kind === "dns-version") {
    return found(type === "TXT" ? [{ name: asked, type: "TXT", ttl: TTL_SECONDS, data: "1.1.0" }] : []);
  }
  const namespace = labels.at(-2);
  if (kind === "pod") return podName(labels, asked, type, zone);
  if (kind !== "svc") return undefined;
  if (namespace === undefined) return found([]);
  if (!zone.namespaces.has(namespace)) return undefined;
  const serviceName = labels.at(-3);
  if (serviceName === undefined) return found([]);
  const entry = zone.entries.get(`${namespace}/${serviceName}`);
  if (entry === undefined) return undefined;
  return ofService(zone, entry, labels.slice(0, -3), asked, type);
}

/** `10-244-1-5.<namespace>.pod.<domain>` names an address, as in CoreDNS, whether or not a pod has it now. */
function podName(labels: readonly string[], asked: string, type: string, zone: Zone): Found | undefined {
  if (labels.length < 3) return labels.length === 1 || zone.namespaces.has(labels[0]!) ? found([]) : undefined;
  const ip = labels[0]!.replaceAll("-", ".");
  if (labels.length !== 3 || !isIPv4(ip)) return undefined;
  return found(type === "A" || type === "ANY" ? [a(asked, ip)] : []);
}

function ofService(zone: Zone, entry: Entry, rest: readonly string[], asked: string, type: string): Found | undefined {
  const { service } = entry;
  const base = `${service.metadata.name}.${service.metadata.namespace ?? "default"}.svc.${zone.domain}`;
  const wantsA = type === "A" || type === "ANY";
  if (service.spec.type === "ExternalName") {
    if (rest.length > 0) return undefined;
    const data = service.spec.externalName ?? "";
    const cname = ["A", "AAAA", "CNAME", "ANY"].includes(type);
    return found(cname ? [{ name: asked, type: "CNAME", ttl: TTL_SECONDS, data }] : []);
  }
  const headless = !isIPv4(service.spec.clusterIP ?? "");
  const all = entry.backends.filter((b) => b.ready || (service.spec.publishNotReadyAddresses ?? false));
  if (rest.length === 0) {
    // A headless Service without endpoints exists and has no data: clients may ask again at once.
    const ips = headless ? all.map((backend) => backend.ip) : [service.spec.clusterIP!];
    return found(wantsA ? ips.map((ip) => a(asked, ip)) : type === "SRV" ? srvOf(entry, all, base, asked).answers : []);
  }
  if (rest.length === 2 && rest[0]!.startsWith("_") && rest[1]!.startsWith("_")) {
    const srv = srvOf(entry, all, base, asked, rest[0]!.slice(1), rest[1]!.slice(1));
    if (srv.answers.length === 0) return undefined;
    return type === "SRV" || type === "ANY" ? srv : found([]);
  }
  if (rest.length === 1) {
    const ips = all.filter((backend) => backend.label === rest[0]).map((backend) => backend.ip);
    if (ips.length === 0) return undefined;
    return found(wantsA ? ips.map((ip) => a(asked, ip)) : []);
  }
  return undefined;
}

function srvOf(
  entry: Entry,
  backends: readonly Backend[],
  base: string,
  asked: string,
  portName?: string,
  protocol?: string,
): Found {
  const answers: ZoneRecord[] = [];
  const additionals: ZoneRecord[] = [];
  const add = (target: string, ip: string, port: number): void => {
    answers.push({ name: asked, type: "SRV", ttl: TTL_SECONDS, data: { priority: 0, weight: 100, port, target } });
    if (!additionals.some((record) => record.name === target)) additionals.push(a(target, ip));
  };
  const matches = (name: string, proto: string): boolean =>
    (portName === undefined || name === portName) && (protocol === undefined || proto === protocol);
  if (isIPv4(entry.service.spec.clusterIP ?? "")) {
    for (const port of entry.service.spec.ports ?? []) {
      if (!matches(port.name ?? "", (port.protocol ?? "TCP").toLowerCase())) continue;
      add(base, entry.service.spec.clusterIP!, port.port);
    }
    return found(answers, additionals);
  }
  for (const backend of backends) {
    for (const port of backend.ports) {
      if (matches(port.name, port.protocol)) add(`${backend.label}.${base}`, backend.ip, port.port);
    }
  }
  return found(answers, additionals);
}

const a = (name: string, data: string): ZoneRecord => ({ name, type: "A", ttl: TTL_SECONDS, data });

function soaOf(zone: Zone): ZoneRecord {
  const data = {
    mname: `ns.dns.${zone.domain}`,
    rname: `hostmaster.${zone.domain}`,
    serial: zone.serial >>> 0,
    refresh: 7200,
    retry: 1800,
    expire: 86_400,
    minimum: TTL_SECONDS,
  };
  return { name: zone.domain, type: "SOA", ttl: TTL_SECONDS, data };
}
