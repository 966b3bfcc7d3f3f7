import type { Node, NodeCondition, Pod, PodCondition, Taint } from "@trireme/api";
import { isFinished } from "../ownership.ts";
import { toTime } from "../times.ts";
import { NOT_READY, UNREACHABLE, tolerationSeconds } from "./eviction.ts";

const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** What the reconciler of one node sees. */
export interface NodeObserved {
  readonly node: Node;
  /** Pods bound to it. */
  readonly pods: readonly Pod[];
  /** Milliseconds until the node counts as lost; 0 or less: nobody has heard it for too long. */
  readonly msUntilLost: number;
  /** Most nodes are lost: then no pod is evicted. */
  readonly massLoss: boolean;
  /** When this office first saw a NoExecute taint, by the clock of `now`. */
  readonly taintedSince: (taint: Taint) => number;
  /** Of pods that do not state their own toleration of a lost node. */
  readonly defaultTolerationSeconds: number;
}

/** One thing to do. */
export type NodeAction =
  /** Replaces these conditions in the node's status. */
  | { readonly type: "conditions"; readonly conditions: readonly NodeCondition[] }
  | { readonly type: "taints"; readonly taints: readonly Taint[] }
  /** Nobody can vouch for the pod's readiness any more: it is set to this, until its agent speaks again. */
  | { readonly type: "unready"; readonly pod: Pod; readonly condition: PodCondition }
  | { readonly type: "evict"; readonly pod: Pod };

/** The outcome of one look. */
export interface NodeDecision {
  readonly actions: readonly NodeAction[];
  /** Set when this look finds that the node is lost. */
  readonly becameLost: boolean;
  readonly requeueAfterMs?: number;
}

/** Conditions that an agent reports: nobody can vouch for them once it is silent. */
const REPORTED = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/** What to do about one node. `now` is wall-clock time; the time of silence is worked out by the caller. */
export function decideNode(observed: NodeObserved, now: number): NodeDecision {
  const { node, pods, msUntilLost } = observed;
  const lost = msUntilLost <= 0;
  const actions: NodeAction[] = [];
  const ready = node.status?.conditions?.find((one) => one.type === "Ready");
  const becameLost = lost && ready?.status !== "Unknown";
  if (becameLost) actions.push({ type: "conditions", conditions: unknownConditions(node, now) });

  const taints = wantedTaints(node, lost ? "Unknown" : ready?.status, now);
  if (taints !== undefined) actions.push({ type: "taints", taints });

  for (const pod of lost ? pods : []) {
    const condition = pod.status?.conditions?.find((one) => one.type === "Ready");
    if (condition?.status !== "True" || isFinished(pod)) continue;
    actions.push({ type: "unready", pod, condition: nodeNotReady(now) });
  }

  let wakeMs = lost ? undefined : msUntilLost;
  for (const pod of pods) {
    const wait = msUntilEviction(pod, taints ?? node.spec?.taints ?? [], observed, now);
    if (wait === undefined) continue;
    if (wait <= 0) actions.push({ type: "evict", pod });
    else wakeMs = Math.min(wakeMs ?? wait, wait);
  }
  return { actions, becameLost, ...(wakeMs === undefined ? {} : { requeueAfterMs: wakeMs }) };
}

function nodeNotReady(now: number): PodCondition {
  const message = "the pod's node has stopped posting its status";
  return { type: "Ready", status: "False", reason: "NodeNotReady", message, lastTransitionTime: toTime(now) };
}

function unknownConditions(node: Node, now: number): NodeCondition[] {
  const time = toTime(now);
  return REPORTED.map((type): NodeCondition => {
    const before = node.status?.conditions?.find((one) => one.type === type);
    return {
      type,
      status: "Unknown",
      reason: before === undefined ? "NodeStatusNeverUpdated" : "NodeStatusUnknown",
      message: before === undefined ? "Kubelet never posted node status." : "Kubelet stopped posting node status.",
      ...(before?.lastHeartbeatTime === undefined ? {} : { lastHeartbeatTime: before.lastHeartbeatTime }),
      lastTransitionTime: before?.status === "Unknown" ? (before.lastTransitionTime ?? time) : time,
    };
  });
}

/** The node's taints as its readiness and cordon want them; undefined if they are so already. */
function wantedTaints(node: Node, ready: string | undefined, now: number): Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const key = ready === "Unknown" ? UNREACHABLE : ready === "True" ? undefined : NOT_READY;
  const wanted: { key: string; effect: string }[] = [];
  if (key !== undefined) wanted.push({ key, effect: "NoSchedule" });
  // A node that never reported may be starting: it gets no pods, but keeps those it has.
  if (key !== undefined && ready !== undefined) wanted.push({ key, effect: "NoExecute" });
  if (node.spec?.unschedulable === true) wanted.push({ key: UNSCHEDULABLE, effect: "NoSchedule" });

  const isOurs = (taint: Taint): boolean => [UNREACHABLE, NOT_READY, UNSCHEDULABLE].includes(taint.key);
  const isWanted = (taint: Taint): boolean =>
    wanted.some((one) => one.key === taint.key && one.effect === taint.effect);
  const kept = present.filter((taint) => !isOurs(taint) || isWanted(taint));
  const added = wanted.filter((one) => !present.some((taint) => taint.key === one.key && taint.effect === one.effect));
  if (added.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...added.map((one): Taint => ({ ...one, timeAdded: toTime(now) }))];
}

function msUntilEviction(
  pod: Pod,
  taints: readonly Taint[],
  { massLoss, taintedSince, defaultTolerationSeconds }: NodeObserved,
  now: number,
): number | undefined {
  if (isFinished(pod) || pod.metadata.deletionTimestamp !== undefined) return undefined;
  let first: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== "NoExecute") continue;
    if (massLoss && (taint.key === UNREACHABLE || taint.key === NOT_READY)) continue;
    const seconds = tolerationSeconds(pod, taint, defaultTolerationSeconds);
    if (seconds === undefined) continue;
    const wait = taintedSince(taint) + seconds * 1000 - now;
    first = Math.min(first ?? wait, wait);
  }
  return first;
}
