import { randomInt } from "node:crypto";
import { TriremeError } from "@trireme/base";
import { type FieldError, type Node, type Resource, type Service, invalidObject } from "@trireme/api";
import type { Compare, TxnOp } from "@trireme/store-client";
import { type RangeKind, rangeKey } from "../storage/keys.ts";
import { type Block, formatAddress, parseAddress } from "./ipv4.ts";
import type { Observed } from "./object-store.ts";

/** Random tries before the range is searched in order: at half full, 32 misses in a row happen once in 4 billion. */
const RANDOM_TRIES = 32;

/**
 * The lower part of the service range is left to addresses that people choose (Kubernetes: at least 16, at most 256), so
 * that `10.96.0.10` stays free for DNS.
 */
const MIN_STATIC_BAND = 16;
const MAX_STATIC_BAND = 256;

/** Addresses in one node's pod block: /24, as the container network's plug-ins expect it. */
const NODE_BLOCK_BITS = 24;
const NODE_BLOCK_SIZE = 256;

/** What may be allocated from, and what is known to be taken. */
export interface AllocationRanges {
  readonly services: Block;
  readonly pods: Block;
  readonly nodePorts: { readonly from: number; readonly to: number };
  claims(kind: RangeKind): ReadonlySet<string>;
}

/** An object with its allocations, and the claims that go into its transaction. */
export interface Allocated<T> {
  readonly object: T;
  readonly believes: readonly Compare[];
  readonly also: readonly TxnOp[];
}

interface Wanted {
  readonly kind: RangeKind;
  readonly value: string;
}

class Claims {
  readonly believes: Compare[] = [];
  readonly also: TxnOp[] = [];
  private readonly ranges: AllocationRanges;
  private readonly observed: Observed;
  private readonly owner: Uint8Array;

  constructor(ranges: AllocationRanges, observed: Observed, owner: string) {
    this.ranges = ranges;
    this.observed = observed;
    this.owner = Buffer.from(owner);
  }

  /** Whether it looks free: what an attempt found in the store outweighs the cache. */
  looksFree({ kind, value }: Wanted): boolean {
    const key = rangeKey(kind, value);
    if (this.observed.has(key)) return this.observed.get(key) === undefined;
    return !this.ranges.claims(kind).has(key.slice(key.lastIndexOf("/") + 1));
  }

  /** Whether the store itself said that somebody else has it. */
  isKnownTaken({ kind, value }: Wanted): boolean {
    return this.observed.get(rangeKey(kind, value)) !== undefined;
  }

  take({ kind, value }: Wanted): void {
    const key = rangeKey(kind, value);
    this.believes.push({ key, target: "create", result: "=", value: 0 });
    this.also.push({ put: { key, value: this.owner } });
  }

  release({ kind, value }: Wanted): void {
    this.also.push({ deleteRange: { key: rangeKey(kind, value) } });
  }
}

function pick(claims: Claims, kind: RangeKind, from: number, to: number, text: (n: number) => string): string {
  for (let i = 0; i < RANDOM_TRIES; i++) {
    const value = text(randomInt(from, to + 1));
    if (claims.looksFree({ kind, value })) return value;
  }
  for (let n = from; n <= to; n++) {
    const value = text(n);
    if (claims.looksFree({ kind, value })) return value;
  }
  return "";
}

function needsAddress(service: Service): boolean {
  return service.spec?.type !== "ExternalName" && service.spec?.clusterIP !== "None";
}

function needsNodePorts(service: Service): boolean {
  const type = service.spec?.type;
  return type === "NodePort" || (type === "LoadBalancer" && service.spec?.allocateLoadBalancerNodePorts !== false);
}

function claimsOf(service: Service | undefined): Wanted[] {
  if (service === undefined) return [];
  const out: Wanted[] = [];
  const address = service.spec?.clusterIP ?? "";
  if (needsAddress(service) && address !== "") out.push({ kind: "serviceips", value: address });
  for (const port of service.spec?.ports ?? []) {
    if (port.nodePort !== undefined && port.nodePort !== 0) {
      out.push({ kind: "nodeports", value: String(port.nodePort) });
    }
  }
  return out.filter((one, i) => out.findIndex((other) => sameClaim(one, other)) === i);
}

function sameClaim(a: Wanted, b: Wanted): boolean {
  return a.kind === b.kind && a.value === b.value;
}

/** Gives a Service its address and node ports, or takes back those it no longer has; `next` undefined is a deletion. */
export function allocateService(
  resource: Resource,
  next: Service | undefined,
  current: Service | undefined,
  ranges: AllocationRanges,
  observed: Observed,
): Allocated<Service | undefined> {
  const subject = (next ?? current)!;
  const claims = new Claims(ranges, observed, `${subject.metadata.namespace}/${subject.metadata.name}`);
  const before = claimsOf(current);
  const object =
    next === undefined ? undefined : assignService(resource, carryOver(next, current), claims, before, ranges);
  const after = claimsOf(object);
  for (const one of after) if (!before.some((other) => sameClaim(one, other))) claims.take(one);
  for (const one of before) if (!after.some((other) => sameClaim(one, other))) claims.release(one);
  return { object, believes: claims.believes, also: claims.also };
}

/** What an update leaves out it keeps: the address, and the node port of a port that is still there. */
function carryOver(next: Service, current: Service | undefined): Service {
  const spec = { ...next.spec };
  if (spec.type === "ExternalName") {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    return { ...next, spec };
  }
  const old = current?.spec;
  if ((spec.clusterIP ?? "") === "" && old?.clusterIP !== undefined && old.type !== "ExternalName") {
    spec.clusterIP = old.clusterIP;
    if (old.clusterIPs !== undefined) spec.clusterIPs = old.clusterIPs;
  }
  const wantsPorts = needsNodePorts(next);
  const ports = spec.ports?.map((port) => {
    const twin = old?.ports?.find(
      (one) => one.port === port.port && (one.protocol ?? "TCP") === (port.protocol ?? "TCP"),
    );
    if (!wantsPorts && (current === undefined || port.nodePort === twin?.nodePort)) {
      const { nodePort: _, ...rest } = port;
      return rest;
    }
    if (!wantsPorts || (port.nodePort ?? 0) !== 0 || twin?.nodePort === undefined) return port;
    return { ...port, nodePort: twin.nodePort };
  });
  if (ports !== undefined) spec.ports = ports;
  return { ...next, spec };
}

function assignService(
  resource: Resource,
  service: Service,
  claims: Claims,
  before: readonly Wanted[],
  ranges: AllocationRanges,
): Service {
  const spec = { ...service.spec };
  const errors: FieldError[] = [];
  if (spec.type !== "ExternalName") {
    if (needsAddress(service)) spec.clusterIP = addressFor(spec.clusterIP ?? "", claims, before, ranges, errors);
    spec.clusterIPs = [spec.clusterIP!];
    spec.ipFamilies = ["IPv4"];
    spec.ipFamilyPolicy ??= "SingleStack";
  }
  if (needsNodePorts(service)) {
    const chosen = new Map<number, string>();
    spec.ports = (spec.ports ?? []).map((port, i) => {
      const nodePort = portFor(port.nodePort ?? 0, i, claims, before, ranges, errors, chosen, port.protocol ?? "TCP");
      return { ...port, nodePort };
    });
  }
  if (errors.length > 0) throw invalidObject(resource, service.metadata.name!, errors);
  return { ...service, spec };
}

function addressFor(
  given: string,
  claims: Claims,
  before: readonly Wanted[],
  { services }: AllocationRanges,
  errors: FieldError[],
): string {
  const invalid = (why: string): string => {
    const message = `Invalid value: ["${given}"]: failed to allocate IP ${given}: ${why}`;
    errors.push({ field: "spec.clusterIPs", reason: "FieldValueInvalid", message });
    return given;
  };
  if (given !== "") {
    const wanted: Wanted = { kind: "serviceips", value: given };
    if (before.some((one) => sameClaim(one, wanted))) return given;
    const address = parseAddress(given);
    const offset = address === undefined ? -1 : address - services.first;
    if (offset <= 0 || offset >= services.size - 1) {
      const last = formatAddress(services.first + services.size - 1);
      return invalid(`the provided IP is not in the valid range ${formatAddress(services.first)}-${last}`);
    }
    return claims.isKnownTaken(wanted) ? invalid("provided IP is already allocated") : given;
  }
  const band = Math.min(Math.max(MIN_STATIC_BAND, Math.floor(services.size / 16)), MAX_STATIC_BAND);
  const text = (offset: number): string => formatAddress(services.first + offset);
  const dynamic = pick(claims, "serviceips", Math.min(band, services.size - 2), services.size - 2, text);
  const found = dynamic === "" ? pick(claims, "serviceips", 1, services.size - 2, text) : dynamic;
  if (found === "") throw new TriremeError("InternalError", "failed to allocate a serviceIP: range is full");
  return found;
}

function portFor(
  given: number,
  index: number,
  claims: Claims,
  before: readonly Wanted[],
  { nodePorts }: AllocationRanges,
  errors: FieldError[],
  chosen: Map<number, string>,
  protocol: string,
): number {
  const invalid = (why: string): number => {
    const message = `Invalid value: ${given}: ${why}`;
    errors.push({ field: `spec.ports[${index}].nodePort`, reason: "FieldValueInvalid", message });
    return given;
  };
  if (given !== 0) {
    const wanted: Wanted = { kind: "nodeports", value: String(given) };
    if (chosen.get(given) === protocol) return invalid("provided port is used by another port of this Service");
    chosen.set(given, protocol);
    if (before.some((one) => sameClaim(one, wanted))) return given;
    if (given < nodePorts.from || given > nodePorts.to) {
      return invalid(
        `provided port is not in the valid range. The range of valid ports is ${nodePorts.from}-${nodePorts.to}`,
      );
    }
    return claims.isKnownTaken(wanted) ? invalid("provided port is already allocated") : given;
  }
  for (let i = 0; i < RANDOM_TRIES; i++) {
    const found = Number(pick(claims, "nodeports", nodePorts.from, nodePorts.to, String));
    if (found === 0) break;
    if (chosen.has(found)) continue;
    chosen.set(found, protocol);
    return found;
  }
  throw new TriremeError("InternalError", "failed to allocate a nodePort: range is full");
}

/** Gives a new Node the lowest free block of pod addresses; frees it with the Node. */
export function allocateNode(
  next: Node | undefined,
  current: Node | undefined,
  ranges: AllocationRanges,
  observed: Observed,
): Allocated<Node | undefined> {
  const claims = new Claims(ranges, observed, (next ?? current)!.metadata.name!);
  const held = current?.spec?.podCIDR ?? "";
  if (next === undefined) {
    if (held !== "") claims.release({ kind: "podcidrs", value: held });
    return { object: undefined, believes: [], also: claims.also };
  }
  if (held !== "") {
    return { object: withBlock(next, held), believes: [], also: [] };
  }
  const last = Math.floor(ranges.pods.size / NODE_BLOCK_SIZE);
  for (let i = 0; i < last; i++) {
    const value = `${formatAddress(ranges.pods.first + i * NODE_BLOCK_SIZE)}/${NODE_BLOCK_BITS}`;
    if (!claims.looksFree({ kind: "podcidrs", value })) continue;
    claims.take({ kind: "podcidrs", value });
    return { object: withBlock(next, value), believes: claims.believes, also: claims.also };
  }
  throw new TriremeError("InternalError", `failed to allocate a podCIDR: all ${last} blocks are in use`);
}

function withBlock(node: Node, podCIDR: string): Node {
  return { ...node, spec: { ...node.spec, podCIDR, podCIDRs: [podCIDR] } };
}
