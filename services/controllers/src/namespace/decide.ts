import type { KubeObject, NamespaceCondition, Resource } from "@trireme/api";
import { toTime } from "../times.ts";

/** What one pass over a namespace has left of one kind. */
export interface Remaining {
  readonly resource: Resource;
  /** Objects that were asked to go and are still there. */
  readonly objects: readonly KubeObject[];
  /** Why some of them could not be asked. */
  readonly failure?: Error | undefined;
}

type Finding = Omit<NamespaceCondition, "lastTransitionTime">;

/** Kubernetes' conditions of a namespace that is being emptied: what remains in it, and what holds it there. */
export function conditionsOf(
  remaining: readonly Remaining[],
  before: readonly NamespaceCondition[],
  now: number,
): NamespaceCondition[] {
  const failures = remaining.flatMap(({ failure }) => (failure === undefined ? [] : [failure.message])).toSorted();
  const counts = remaining
    .filter(({ objects }) => objects.length > 0)
    .map(({ resource, objects }) => `${resource.resource}.${resource.group} has ${objects.length} resource instances`)
    .toSorted();
  const holders = new Map<string, number>();
  for (const { metadata } of remaining.flatMap(({ objects }) => objects)) {
    for (const finalizer of metadata.finalizers ?? []) holders.set(finalizer, (holders.get(finalizer) ?? 0) + 1);
  }
  const held = [...holders].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).toSorted();
  const findings: Finding[] = [
    // We know our own kinds: there is nothing to discover that could fail.
    {
      type: "NamespaceDeletionDiscoveryFailure",
      status: "False",
      reason: "ResourcesDiscovered",
      message: "All resources successfully discovered",
    },
    {
      type: "NamespaceDeletionGroupVersionParsingFailure",
      status: "False",
      reason: "ParsedGroupVersions",
      message: "All legacy kube types successfully parsed",
    },
    finding("NamespaceDeletionContentFailure", failures, {
      some: ["ContentDeletionFailed", `Failed to delete all resource types, ${failures.length} remaining: `],
      none: ["ContentDeleted", "All content successfully deleted, may be waiting on finalization"],
    }),
    finding("NamespaceContentRemaining", counts, {
      some: ["SomeResourcesRemain", "Some resources are remaining: "],
      none: ["ContentRemoved", "All content successfully removed"],
    }),
    finding("NamespaceFinalizersRemaining", held, {
      some: ["SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: "],
      none: ["ContentHasNoFinalizers", "All content-preserving finalizers finished"],
    }),
  ];
  return findings.map((one) => {
    const last = before.find(({ type }) => type === one.type);
    const since = last?.status === one.status ? last.lastTransitionTime : undefined;
    return { ...one, lastTransitionTime: since ?? toTime(now) };
  });
}

function finding(
  type: string,
  list: readonly string[],
  { some, none }: { some: readonly [string, string]; none: readonly [string, string] },
): Finding {
  const [reason, message] = list.length > 0 ? [some[0], some[1] + list.join(", ")] : none;
  return { type, status: list.length > 0 ? "True" : "False", reason, message };
}
