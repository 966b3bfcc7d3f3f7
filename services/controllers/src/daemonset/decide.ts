import type { DaemonSet, DaemonSetStatus, Node, Pod } from "@trireme/api";
import { claim, isFinished, isReady, msUntilAvailable } from "../ownership.ts";
import { REVISION_LABEL } from "../revisions.ts";
import { fitOf, nodeOf } from "./node-fit.ts";

// A pod that ended, which it should not, is replaced after a while: one that fails at once must not be made in a loop.
const ENDED_STAYS_MS = 10_000;

/** What a DaemonSet's reconciler sees: caches that show all of its own writes. */
export interface DaemonSetObserved {
  readonly daemonSet: DaemonSet;
  /** The hash of the template. */
  readonly revision: string;
  /** The namespace's pods that the set selects or owns; others do no harm. */
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  /** Whether a node has fallen silent. */
  readonly isLost: (node: string) => boolean;
}

/** One thing to do. */
export type DaemonSetAction =
  | { readonly type: "adopt" | "release" | "delete"; readonly pod: Pod }
  | { readonly type: "create"; readonly node: string };

/** The outcome of one look. */
export interface DaemonSetDecision {
  readonly actions: readonly DaemonSetAction[];
  readonly status: DaemonSetStatus;
  readonly requeueAfterMs?: number;
}

/** What to do for one DaemonSet. */
export function decideDaemonSet(observed: DaemonSetObserved, now: number): DaemonSetDecision {
  const { daemonSet, nodes } = observed;
  const { owned, adopt, release } = claim(daemonSet, daemonSet.spec.selector, observed.pods);
  const byNode = Map.groupBy([...owned, ...adopt], nodeOf);
  const places = nodes.map((node) => placeOf(observed, node, byNode.get(node.metadata.name) ?? [], now));
  const actions: DaemonSetAction[] = [
    ...adopt.map((pod) => ({ type: "adopt" as const, pod })),
    ...release.map((pod) => ({ type: "release" as const, pod })),
  ];
  let requeueAfterMs: number | undefined;
  const lookAgain = (ms: number): void => void (requeueAfterMs = Math.min(requeueAfterMs ?? ms, ms));
  if (daemonSet.metadata.deletionTimestamp === undefined) {
    const known = new Set(nodes.map(({ metadata }) => metadata.name));
    // Pods that wait for a node that is gone; those that ran there are removed with their node.
    const strays = [...byNode].flatMap(([node, pods]) => (known.has(node) ? [] : pods));
    const doomed = strays.filter((pod) => isPresent(pod) && (pod.spec.nodeName ?? "") === "");
    for (const place of places) {
      if (place.fit.shouldRun && place.pods.length === 0) actions.push({ type: "create", node: place.node });
      doomed.push(...place.surplus);
      if (place.endedFor !== undefined) lookAgain(ENDED_STAYS_MS - place.endedFor);
    }
    doomed.push(...outdated(daemonSet, places));
    actions.push(...doomed.map((pod) => ({ type: "delete" as const, pod })));
  }
  for (const { wait } of places) if (wait !== undefined && wait > 0) lookAgain(wait);
  const status = statusOf(daemonSet, places);
  return { actions, status, ...(requeueAfterMs === undefined ? {} : { requeueAfterMs: Math.max(1, requeueAfterMs) }) };
}

/** One node and this set's pods there. */
interface Place {
  readonly node: string;
  readonly fit: ReturnType<typeof fitOf>;
  readonly pods: readonly Pod[];
  /** The pod that counts: the oldest that is neither ending nor ended. */
  readonly pod: Pod | undefined;
  /** Pods that have to go whatever their template. */
  readonly surplus: readonly Pod[];
  /** How long a pod has ended for that will be replaced a little later. */
  readonly endedFor: number | undefined;
  readonly isCurrent: boolean;
  readonly isReady: boolean;
  /** Milliseconds until the pod is available; 0 when it is, undefined while it is not ready. */
  readonly wait: number | undefined;
}

function placeOf(observed: DaemonSetObserved, node: Node, pods: readonly Pod[], now: number): Place {
  const { daemonSet, revision, isLost } = observed;
  const { name } = node.metadata;
  const fit = fitOf(daemonSet, node);
  const present = pods.filter(isPresent).toSorted(byAge);
  const running = present.filter((pod) => !isFinished(pod));
  const ended = present.filter(isFinished).map((pod) => ({ pod, since: now - finishTime(pod) }));
  const overdue = ended.filter(({ since }) => since >= ENDED_STAYS_MS).map((one) => one.pod);
  const young = ended.filter(({ since }) => since < ENDED_STAYS_MS).map(({ since }) => since);
  const [pod] = fit.mayStay ? running : [];
  const heard = pod !== undefined && !isLost(name);
  return {
    node: name,
    fit,
    pods,
    pod,
    surplus: fit.mayStay ? [...running.slice(1), ...overdue] : present,
    endedFor: fit.mayStay && young.length > 0 ? Math.max(...young) : undefined,
    isCurrent: pod?.metadata.labels?.[REVISION_LABEL] === revision,
    isReady: heard && isReady(pod),
    wait: heard ? msUntilAvailable(pod, daemonSet.spec.minReadySeconds ?? 0, now) : undefined,
  };
}

/** Pods of older templates that may be replaced now: what does not serve anyway, and as many others as may be missing. */
function outdated({ spec }: DaemonSet, places: readonly Place[]): Pod[] {
  if (spec.updateStrategy?.type === "OnDelete") return [];
  const wanted = places.filter(({ fit }) => fit.shouldRun);
  const old = places.flatMap(({ pod, isCurrent, wait }) =>
    pod === undefined || isCurrent ? [] : [{ pod, serves: wait === 0 }],
  );
  const missing = wanted.filter(({ wait }) => wait !== 0).length;
  const budget = Math.max(0, maxUnavailable(spec, wanted.length) - missing);
  const idle = old.filter(({ serves }) => !serves);
  const next = old.filter(({ serves }) => serves).slice(0, budget);
  return [...idle, ...next].map(({ pod }) => pod);
}

function maxUnavailable({ updateStrategy }: DaemonSet["spec"], nodes: number): number {
  const limit = updateStrategy?.rollingUpdate?.maxUnavailable ?? 1;
  const count = typeof limit === "number" ? limit : Math.ceil((Number(limit.slice(0, -1)) * nodes) / 100);
  return Math.max(1, count);
}

function statusOf(daemonSet: DaemonSet, places: readonly Place[]): DaemonSetStatus {
  const wanted = places.filter(({ fit }) => fit.shouldRun);
  const count = (holds: (place: Place) => boolean): number => wanted.filter(holds).length;
  const available = count(({ wait }) => wait === 0);
  const updated = count(({ isCurrent }) => isCurrent);
  const unavailable = wanted.length - available;
  return {
    currentNumberScheduled: count(({ pods }) => pods.some(isPresent)),
    numberMisscheduled: places.filter(({ fit, pods }) => !fit.shouldRun && pods.some(isPresent)).length,
    desiredNumberScheduled: wanted.length,
    numberReady: count((place) => place.isReady),
    observedGeneration: daemonSet.metadata.generation ?? 0,
    ...(updated === 0 ? {} : { updatedNumberScheduled: updated }),
    ...(available === 0 ? {} : { numberAvailable: available }),
    ...(unavailable === 0 ? {} : { numberUnavailable: unavailable }),
  };
}

function isPresent(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp === undefined;
}

function byAge(a: Pod, b: Pod): number {
  const [left = "", right = ""] = [a.metadata.creationTimestamp, b.metadata.creationTimestamp];
  if (left !== right) return left < right ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

function finishTime(pod: Pod): number {
  const times = (pod.status?.containerStatuses ?? [])
    .map(({ state }) => state?.terminated?.finishedAt ?? "")
    .filter((time) => time !== "")
    .map((time) => Date.parse(time));
  return times.length > 0 ? Math.max(...times) : Date.parse(pod.metadata.creationTimestamp ?? "1970-01-01T00:00:00Z");
}
