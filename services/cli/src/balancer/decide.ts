import type { Node, Service } from "@trireme/api";

/** TCP NodePorts that Services ask for. */
export function nodePortsOf(services: readonly Service[]): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const service of services) {
    const type = service.spec?.type;
    if (type !== "NodePort" && type !== "LoadBalancer") continue;
    for (const port of service.spec?.ports ?? []) {
      if (port.nodePort !== undefined && port.nodePort > 0 && (port.protocol ?? "TCP") === "TCP")
        ports.add(port.nodePort);
    }
  }
  return ports;
}

/** Where a NodePort may be forwarded to. */
export interface NodeTarget {
  readonly name: string;
  readonly address: string;
}

/** Nodes with an address, those that are Ready; all of them when none is, since any is better than none. */
export function readyNodesOf(nodes: readonly Node[]): readonly NodeTarget[] {
  const known = nodes.flatMap((node) => {
    const address = node.status?.addresses?.find((it) => it.type === "InternalIP")?.address;
    const isReady = node.status?.conditions?.some((it) => it.type === "Ready" && it.status === "True") ?? false;
    return address === undefined ? [] : [{ name: node.metadata.name ?? "", address, isReady }];
  });
  const ready = known.filter((node) => node.isReady);
  return (ready.length > 0 ? ready : known).map(({ name, address }) => ({ name, address }));
}

/** A node that did not accept a connection is tried last for this long: longer than a node takes to be noticed. */
const DISTRUST_MS = 5_000;

/** The order in which to try nodes: round robin, those that failed lately last. */
export function orderNodes(
  nodes: readonly NodeTarget[],
  turn: number,
  failedAt: ReadonlyMap<string, number>,
  now: number,
): NodeTarget[] {
  const rotated = nodes.map((_, i) => nodes[(turn + i) % nodes.length] as NodeTarget);
  const trusted = (node: NodeTarget): boolean =>
    now - (failedAt.get(node.name) ?? Number.NEGATIVE_INFINITY) > DISTRUST_MS;
  return [...rotated.filter(trusted), ...rotated.filter((node) => !trusted(node))];
}
