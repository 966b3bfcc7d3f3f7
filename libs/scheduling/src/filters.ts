import { matchesNodeSelector } from "./node-affinity.ts";
import type { HostPort, PodContext } from "./pod-context.ts";
import type { NodeState } from "./snapshot.ts";
import { untoleratedTaint } from "./taints.ts";
import { canHaveVolumeOn, volumeReaches } from "./volumes.ts";

/** One hard rule about pods and nodes. */
export interface Filter {
  /** Kubernetes' name of the plugin. */
  readonly name: string;
  /** Whether the rule has anything to say about this pod. */
  applies(context: PodContext): boolean;
  /** Whether this node may run the pod. */
  check(context: PodContext, node: NodeState): boolean;
  /** Why not, each reason a sentence as Kubernetes counts them. Called after `check` said no. */
  explain(context: PodContext, node: NodeState): string[];
}

const always = (): boolean => true;

const UNSCHEDULABLE_TAINT = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

const nodeUnschedulable: Filter = {
  name: "NodeUnschedulable",
  applies: always,
  check: ({ pod }, { node }) =>
    node.spec?.unschedulable !== true ||
    untoleratedTaint([UNSCHEDULABLE_TAINT], pod.spec.tolerations, ["NoSchedule"]) === undefined,
  explain: () => ["node(s) were unschedulable"],
};

const nodeName: Filter = {
  name: "NodeName",
  applies: ({ pod }) => (pod.spec.nodeName ?? "") !== "",
  check: ({ pod }, { name }) => pod.spec.nodeName === name,
  explain: () => ["node(s) didn't match the requested node name"],
};

const SCHEDULING_EFFECTS = ["NoSchedule", "NoExecute"];

const taintToleration: Filter = {
  name: "TaintToleration",
  applies: always,
  check: ({ pod }, { node }) =>
    untoleratedTaint(node.spec?.taints, pod.spec.tolerations, SCHEDULING_EFFECTS) === undefined,
  explain({ pod }, { node }) {
    const taint = untoleratedTaint(node.spec?.taints, pod.spec.tolerations, SCHEDULING_EFFECTS);
    return [`node(s) had untolerated taint {${taint?.key}: ${taint?.value ?? ""}}`];
  },
};

const nodeAffinity: Filter = {
  name: "NodeAffinity",
  applies: ({ pod }) => pod.spec.nodeSelector !== undefined || pod.spec.affinity?.nodeAffinity !== undefined,
  check: ({ pod }, { node }) => matchesNodeSelector(pod, node),
  explain: () => ["node(s) didn't match Pod's node affinity/selector"],
};

const nodePorts: Filter = {
  name: "NodePorts",
  applies: ({ hostPorts }) => hostPorts.length > 0,
  check: ({ hostPorts }, node) => hostPorts.every((port) => isPortFree(node, port)),
  explain: () => ["node(s) didn't have free ports for the requested pod ports"],
};

const nodeResourcesFit: Filter = {
  name: "NodeResourcesFit",
  applies: always,
  check: (context, node) => shortages(context, node).length === 0,
  explain: (context, node) =>
    shortages(context, node).map((resource) => (resource === "pods" ? "Too many pods" : `Insufficient ${resource}`)),
};

const volumeRestrictions: Filter = {
  name: "VolumeRestrictions",
  applies: ({ volumes }) => volumes.isTaken,
  check: () => false,
  explain: () => ["node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"],
};

const volumeBinding: Filter = {
  name: "VolumeBinding",
  applies: ({ volumes }) => volumes.bound.length + volumes.waiting.length > 0,
  check: (context, node) => volumeConflicts(context, node).length === 0,
  explain: volumeConflicts,
};

/** Every hard rule, cheap and telling ones first: the first that refuses a node explains it. */
export const FILTERS: readonly Filter[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions,
  volumeBinding,
];

function volumeConflicts({ volumes }: PodContext, { node }: NodeState): string[] {
  const reasons: string[] = [];
  if (volumes.bound.some((volume) => volume === undefined)) {
    reasons.push("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
  }
  if (volumes.bound.some((volume) => volume !== undefined && !volumeReaches(volume, node))) {
    reasons.push("node(s) had volume node affinity conflict");
  }
  if (volumes.waiting.some((claim) => !canHaveVolumeOn(claim, node))) {
    reasons.push("node(s) didn't find available persistent volumes to bind");
  }
  return reasons;
}

function shortages({ requests }: PodContext, { allocatable, requested }: NodeState): string[] {
  return Object.entries(requests)
    .filter(([name, amount]) => amount > 0 && (requested[name] ?? 0) + amount > (allocatable[name] ?? 0))
    .map(([name]) => name);
}

function isPortFree({ hostPorts }: NodeState, wanted: HostPort): boolean {
  const taken = (ip: string): boolean => hostPorts.has(`${wanted.protocol}/${ip}/${wanted.port}`);
  // The wildcard address collides with every address, and every address with it.
  if (wanted.ip !== "0.0.0.0") return !taken(wanted.ip) && !taken("0.0.0.0");
  for (const key of hostPorts.keys()) {
    const [protocol, , port] = key.split("/");
    if (protocol === wanted.protocol && Number(port) === wanted.port) return false;
  }
  return true;
}
