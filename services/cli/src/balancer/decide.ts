import type { Node, Service } from "@trireme/api";

/** What came of one question to a server: its answer, a refusal, or silence. */
export type Answer = "ready" | "notReady" | "refused" | "silent";

/** What the balancer believes of one server. */
export interface ServerHealth {
  /** Whether new connections go there. */
  readonly inRotation: boolean;
  readonly silences: number;
}

/** A server that was not asked yet. */
export const UNKNOWN_HEALTH: ServerHealth = { inRotation: false, silences: 0 };

/** One late answer is a busy machine; two in a row (about 1.2 s) are a server that hangs. */
const SILENCES_TO_CUT = 2;

/**
 * Takes an answer into account. `cut` says that established connections are lost as well: a server that hangs keeps
 * them open for ever. One that says "not ready" still serves its watches, and one that refuses has closed them itself.
 */
export function decideHealth(
  health: ServerHealth,
  answer: Answer,
): { readonly health: ServerHealth; readonly cut: boolean } {
  switch (answer) {
    case "ready":
      return { health: { inRotation: true, silences: 0 }, cut: false };
    case "notReady":
    case "refused":
      return { health: { inRotation: false, silences: 0 }, cut: false };
    case "silent": {
      const silences = health.silences + 1;
      const hangs = silences >= SILENCES_TO_CUT;
      return { health: { inRotation: health.inRotation && !hangs, silences }, cut: silences === SILENCES_TO_CUT };
    }
  }
}

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
