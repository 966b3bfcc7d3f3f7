import type { PersistentVolumeClaim, Pod } from "@trireme/api";
import type { Prng } from "@trireme/base";
import { FILTERS, type Filter } from "./filters.ts";
import { type PodContext, podContext } from "./pod-context.ts";
import { SCORERS, type Scorer } from "./scorers.ts";
import type { NodeState, Snapshot } from "./snapshot.ts";

/** One candidate's points: the weighted, normalized points by scorer and their sum. */
export interface NodeScore {
  readonly node: string;
  readonly total: number;
  readonly points: Readonly<Record<string, number>>;
}

/** Where the pod goes, and how every candidate did. */
export interface Placement {
  readonly kind: "placement";
  readonly node: string;
  readonly scores: readonly NodeScore[];
  /** Claims that must get a volume on this node before the pod is bound to it. */
  readonly claims: readonly PersistentVolumeClaim[];
}

/** No node may run the pod. */
export interface Unschedulable {
  readonly kind: "unschedulable";
  /** "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." */
  readonly message: string;
  /** How many nodes gave each reason. */
  readonly reasons: ReadonlyMap<string, number>;
  /** What each node said, and which filter said it. */
  readonly nodes: ReadonlyMap<string, { readonly filter: string; readonly reasons: readonly string[] }>;
}

/** The answer of {@link schedule}. */
export type ScheduleResult = Placement | Unschedulable;

/**
 * Chooses a node for one pod, or says why there is none. Ties are broken by `prng`. `now` is the time of the decision,
 * for rules that look at the clock; none does today.
 */
export function schedule(snapshot: Snapshot, pod: Pod, _now: number, prng: Prng): ScheduleResult {
  const context = podContext(pod, snapshot);
  const { refusal, waiting } = context.volumes;
  // What is wrong with the pod itself is told once, not counted over nodes.
  if (refusal !== undefined) return unschedulable(snapshot.nodes.length, new Map(), refusal);
  const filters = FILTERS.filter((filter) => filter.applies(context));
  const candidates: NodeState[] = [];
  const refused = new Map<string, { filter: string; reasons: readonly string[] }>();
  for (const node of snapshot.nodes) {
    const filter = firstRefusal(filters, context, node);
    if (filter === undefined) candidates.push(node);
    else refused.set(node.name, { filter: filter.name, reasons: filter.explain(context, node) });
  }
  if (candidates.length === 0) return unschedulable(snapshot.nodes.length, refused);
  const scores = scoreAll(SCORERS, context, candidates);
  const best = Math.max(...scores.map((score) => score.total));
  const winners = scores.filter((score) => score.total === best);
  const { node } = winners[prng.int(0, winners.length - 1)]!;
  return { kind: "placement", node, scores, claims: waiting.map(({ claim }) => claim) };
}

function firstRefusal(filters: readonly Filter[], context: PodContext, node: NodeState): Filter | undefined {
  return filters.find((filter) => !filter.check(context, node));
}

function unschedulable(
  nodeCount: number,
  nodes: ReadonlyMap<string, { filter: string; reasons: readonly string[] }>,
  refusal?: string,
): Unschedulable {
  const reasons = new Map<string, number>();
  for (const refusal of nodes.values()) {
    for (const reason of refusal.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const counted = [...reasons].map(([reason, count]) => `${count} ${reason}`).toSorted();
  const why = nodeCount === 0 ? "no nodes are registered" : (refusal ?? counted.join(", "));
  return { kind: "unschedulable", message: `0/${nodeCount} nodes are available: ${why}.`, reasons, nodes };
}

function scoreAll(scorers: readonly Scorer[], context: PodContext, nodes: readonly NodeState[]): NodeScore[] {
  const points = nodes.map((): Record<string, number> => ({}));
  for (const scorer of scorers) {
    const raw = nodes.map((node) => scorer.score(context, node));
    for (const [i, value] of normalize(raw, scorer.normalize).entries()) {
      points[i]![scorer.name] = (points[i]![scorer.name] ?? 0) + value * scorer.weight;
    }
  }
  return nodes.map((node, i) => ({
    node: node.name,
    // Rounded, so that the same situation on two nodes ties in spite of floating-point dust.
    total: Math.round(Object.values(points[i]!).reduce((sum, value) => sum + value, 0)),
    points: points[i]!,
  }));
}

function normalize(raw: readonly number[], kind: Scorer["normalize"]): number[] {
  if (kind === "percent") return [...raw];
  const least = Math.min(...raw);
  const range = Math.max(...raw) - least;
  if (range === 0) return raw.map(() => 100);
  return raw.map((value) => (100 * (kind === "most" ? value - least : range - (value - least))) / range);
}
