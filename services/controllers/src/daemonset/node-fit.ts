import type { DaemonSet, Node, Pod, PodSpec, Toleration } from "@trireme/api";
import { matchesNodeSelector, untoleratedTaint } from "@trireme/scheduling";

/** Taints that say what ails a node: a daemon's pod, which is part of the node, stays and starts in spite of them. */
const AILMENTS: readonly (readonly [key: string, effect: string])[] = [
  ["node.kubernetes.io/not-ready", "NoExecute"],
  ["node.kubernetes.io/unreachable", "NoExecute"],
  ["node.kubernetes.io/disk-pressure", "NoSchedule"],
  ["node.kubernetes.io/memory-pressure", "NoSchedule"],
  ["node.kubernetes.io/pid-pressure", "NoSchedule"],
  ["node.kubernetes.io/unschedulable", "NoSchedule"],
];
const NETWORK_UNAVAILABLE = ["node.kubernetes.io/network-unavailable", "NoSchedule"] as const;

/** Whether a node should get a pod, and whether a pod that is there may stay. */
export interface Fit {
  readonly shouldRun: boolean;
  readonly mayStay: boolean;
}

/** What a DaemonSet wants of one node. */
export function fitOf({ spec }: DaemonSet, node: Node): Fit {
  const template = spec.template.spec;
  const isNamed = (template.nodeName ?? "") === "" || template.nodeName === node.metadata.name;
  const wanted = isNamed && matchesNodeSelector({ metadata: { name: "" }, spec: template }, node);
  if (!wanted) return { shouldRun: false, mayStay: false };
  const tolerations = tolerationsOf(template);
  const untolerated = (effects: readonly string[]): boolean =>
    untoleratedTaint(node.spec?.taints, tolerations, effects) !== undefined;
  return { shouldRun: !untolerated(["NoSchedule", "NoExecute"]), mayStay: !untolerated(["NoExecute"]) };
}

/** The template's pod spec, for one node alone. */
export function specFor(template: PodSpec, node: string): PodSpec {
  // The template's own terms have chosen the node; the scheduler need not look at them again.
  const requiredDuringSchedulingIgnoredDuringExecution = {
    nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: [node] }] }],
  };
  const nodeAffinity = { ...template.affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution };
  return { ...template, affinity: { ...template.affinity, nodeAffinity }, tolerations: tolerationsOf(template) };
}

/** The node that a daemon's pod is on or is meant for. */
export function nodeOf({ spec }: Pod): string {
  if (spec.nodeName !== undefined && spec.nodeName !== "") return spec.nodeName;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const field = required?.nodeSelectorTerms[0]?.matchFields?.find(({ key }) => key === "metadata.name");
  return field?.values?.[0] ?? "";
}

function tolerationsOf(template: PodSpec): Toleration[] {
  const own = template.tolerations ?? [];
  const ailments = template.hostNetwork === true ? [...AILMENTS, NETWORK_UNAVAILABLE] : AILMENTS;
  const added = ailments
    .map(([key, effect]): Toleration => ({ key, operator: "Exists", effect }))
    .filter(({ key, effect }) => !own.some((one) => one.key === key && one.effect === effect));
  return [...own, ...added];
}
