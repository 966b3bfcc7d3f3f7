import type { Pod, StatefulSet, StatefulSetStatus } from "@trireme/api";
import { claim, controllerOf, isFinished, isReady, msUntilAvailable } from "../ownership.ts";
import { REVISION_LABEL } from "../revisions.ts";

/** What a StatefulSet's reconciler sees: caches that show all of its own writes. */
export interface StatefulSetObserved {
  readonly set: StatefulSet;
  /** The name of the revision of the set's template. */
  readonly updateRevision: string;
  /** The namespace's pods that the set selects or owns; others do no harm. */
  readonly pods: readonly Pod[];
  /** Whether a node has fallen silent. */
  readonly isLost: (node: string) => boolean;
}

/** One thing to do. */
export type StatefulSetAction =
  | { readonly type: "adopt" | "release" | "delete"; readonly pod: Pod }
  | { readonly type: "create"; readonly ordinal: number; readonly revision: string };

/** The outcome of one look. */
export interface StatefulSetDecision {
  readonly actions: readonly StatefulSetAction[];
  readonly status: StatefulSetStatus;
  readonly requeueAfterMs?: number;
}

/** One pod and what of it counts here. */
interface Member {
  readonly ordinal: number;
  readonly pod: Pod;
  readonly isEnding: boolean;
  readonly isReady: boolean;
  /** Milliseconds until it is available; undefined while it is not ready. */
  readonly wait: number | undefined;
  readonly revision: string | undefined;
}

/** What to do for one StatefulSet. */
export function decideStatefulSet(observed: StatefulSetObserved, now: number): StatefulSetDecision {
  const { set, updateRevision, isLost } = observed;
  // A pod without a number of ours was never ours to adopt, whatever its labels say.
  const candidates = observed.pods.filter(
    (pod) => controllerOf(pod) !== undefined || ordinalOf(set, pod) !== undefined,
  );
  const { owned, adopt, release } = claim(set, set.spec.selector, candidates);
  const members = [...owned, ...adopt]
    .flatMap((pod): Member[] => {
      const ordinal = ordinalOf(set, pod);
      if (ordinal === undefined) return [];
      const heard = !isFinished(pod) && !isLost(pod.spec.nodeName ?? "");
      return [
        {
          ordinal,
          pod,
          isEnding: pod.metadata.deletionTimestamp !== undefined,
          isReady: heard && isReady(pod),
          wait: heard ? msUntilAvailable(pod, set.spec.minReadySeconds ?? 0, now) : undefined,
          revision: pod.metadata.labels?.[REVISION_LABEL],
        },
      ];
    })
    .toSorted((a, b) => a.ordinal - b.ordinal);
  const currentRevision = set.status?.currentRevision ?? updateRevision;
  const steps =
    set.metadata.deletionTimestamp === undefined ? nextSteps(set, members, currentRevision, updateRevision) : [];
  const waits = members.map(({ wait }) => wait ?? 0).filter((wait) => wait > 0);
  return {
    actions: [
      ...adopt.map((pod) => ({ type: "adopt" as const, pod })),
      ...release.map((pod) => ({ type: "release" as const, pod })),
      ...steps,
    ],
    status: statusOf(set, members, currentRevision, updateRevision),
    ...(waits.length === 0 ? {} : { requeueAfterMs: Math.min(...waits) }),
  };
}

/** Kubernetes' order: first what is missing, from the first on; then what is too much, and what is old, from the last. */
function nextSteps(
  set: StatefulSet,
  members: readonly Member[],
  currentRevision: string,
  updateRevision: string,
): StatefulSetAction[] {
  const isOrdered = set.spec.podManagementPolicy !== "Parallel";
  const { start, end, partition } = rangeOf(set);
  const byOrdinal = new Map(members.map((member) => [member.ordinal, member]));
  const steps: StatefulSetAction[] = [];
  for (let ordinal = start; ordinal < end; ordinal++) {
    const member = byOrdinal.get(ordinal);
    if (member === undefined) {
      steps.push({ type: "create", ordinal, revision: ordinal < start + partition ? currentRevision : updateRevision });
    } else if (isFinished(member.pod) && !member.isEnding) steps.push({ type: "delete", pod: member.pod });
    if (isOrdered && !isHealthy(member)) {
      // An old pod that alone is not ready is replaced by the update; without this a bad template would stay for ever.
      const isAlone = members.every((other) => other === member || isHealthy(other));
      return steps.length > 0 || !isAlone || !isStale(member, updateRevision, start + partition, set)
        ? steps
        : [remove(member!)];
    }
  }
  const condemned = members.filter(({ ordinal }) => ordinal < start || ordinal >= end).toReversed();
  for (const member of condemned) {
    if (!member.isEnding) steps.push(remove(member));
    if (isOrdered) return steps;
  }
  if (steps.length > 0 || set.spec.updateStrategy?.type === "OnDelete") return steps;
  for (let ordinal = end - 1; ordinal >= start + partition; ordinal--) {
    const member = byOrdinal.get(ordinal);
    if (member !== undefined && member.revision !== updateRevision && !member.isEnding) return [remove(member)];
    if (!isHealthy(member)) return [];
  }
  return [];
}

function remove({ pod }: Member): StatefulSetAction {
  return { type: "delete", pod };
}

function isHealthy(member: Member | undefined): boolean {
  return member !== undefined && !member.isEnding && member.wait === 0;
}

function isStale(member: Member | undefined, updateRevision: string, from: number, { spec }: StatefulSet): boolean {
  if (member === undefined || member.isEnding || member.isReady || spec.updateStrategy?.type === "OnDelete")
    return false;
  return member.ordinal >= from && member.revision !== updateRevision;
}

/** The ordinals that a set wants, from `start` up to but not including `end`. */
export function rangeOf({ spec }: StatefulSet): { start: number; end: number; partition: number } {
  const start = spec.ordinals?.start ?? 0;
  return {
    start,
    end: start + (spec.replicas ?? 1),
    partition: spec.updateStrategy?.rollingUpdate?.partition ?? 0,
  };
}

/** The number at the end of a pod's name, if the name is one of the set's. */
export function ordinalOf({ metadata }: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${metadata.name}-`;
  const rest = pod.metadata.name.slice(prefix.length);
  return pod.metadata.name.startsWith(prefix) && /^(?:0|[1-9]\d*)$/.test(rest) ? Number(rest) : undefined;
}

function statusOf(
  set: StatefulSet,
  members: readonly Member[],
  currentRevision: string,
  updateRevision: string,
): StatefulSetStatus {
  const present = members.filter(({ isEnding }) => !isEnding);
  const of = (revision: string): number => present.filter((member) => member.revision === revision).length;
  const ready = present.filter((member) => member.isReady).length;
  const { start, end } = rangeOf(set);
  const wanted = end - start;
  const updated = of(updateRevision);
  // Only when every pod is new and ready is the update over, and the new revision the current one.
  const isOver =
    set.spec.updateStrategy?.type !== "OnDelete" && members.length === wanted && updated === wanted && ready === wanted;
  const current = isOver ? updateRevision : currentRevision;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: members.length,
    ...positive("readyReplicas", ready),
    ...positive("currentReplicas", of(current)),
    ...positive("updatedReplicas", updated),
    currentRevision: current,
    updateRevision,
    collisionCount: 0,
    availableReplicas: present.filter(({ wait }) => wait === 0).length,
  };
}

function positive<K extends string>(key: K, value: number): { [P in K]?: number } {
  return (value === 0 ? {} : { [key]: value }) as { [P in K]?: number };
}
