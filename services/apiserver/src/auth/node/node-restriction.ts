/** What a node may write of what it may touch (Kubernetes' NodeRestriction admission). Pure. */
import {
  HOSTNAME_LABEL,
  type KubeObject,
  LOCAL_PATH_FINALIZER,
  type Node,
  type PersistentVolume,
  type Pod,
  type Resource,
  groupResource,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { deepEqual } from "../../registry/equality.ts";
import { type User, nodeOf } from "../user.ts";

/** Labels of Kubernetes' own domains that a node may set on itself; all others of these domains are its administrators'. */
const OWN_LABELS: ReadonlySet<string> = new Set([
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "beta.kubernetes.io/os",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "kubernetes.io/arch",
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
]);
const OWN_DOMAINS = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/** Workloads are kept to nodes by these labels; a node that could set them would draw workloads to itself. */
const RESTRICTED_DOMAIN = "node-restriction.kubernetes.io";

/** Throws Forbidden when a node writes what is not its own. `next` is undefined for a deletion. Others pass. */
export function restrictNode(
  user: User,
  resource: Resource,
  next: KubeObject | undefined,
  current: KubeObject | undefined,
): void {
  const node = nodeOf(user);
  if (node === undefined) return;
  const why = refusalOf(node, resource, next, current);
  if (why === undefined) return;
  const name = (next ?? current)!.metadata.name;
  throw new TriremeError("Forbidden", `${groupResource(resource)} "${name}" is forbidden: ${why}`, {
    details: { name, group: resource.group, kind: resource.resource },
  });
}

function refusalOf(
  node: string,
  resource: Resource,
  next: KubeObject | undefined,
  current: KubeObject | undefined,
): string | undefined {
  switch (groupResource(resource)) {
    case "pods":
      return podRefusal(node, next as Pod | undefined, current as Pod | undefined);
    case "nodes":
      return nodeRefusal(node, next as Node | undefined, current as Node | undefined);
    case "persistentvolumes":
      if (mayChangeVolume(node, next as PersistentVolume, current as PersistentVolume)) return undefined;
      return `node "${node}" can only give up its finalizer on a volume of its own`;
    case "leases.coordination.k8s.io":
      if ((next ?? current)!.metadata.name === node) return undefined;
      return "can only access node lease with the same name as the requesting node";
    default:
      return undefined;
  }
}

function podRefusal(node: string, next: Pod | undefined, current: Pod | undefined): string | undefined {
  if (current === undefined) return `node "${node}" can only create mirror pods, and this cluster has none`;
  if (current.spec?.nodeName === node) return undefined;
  const deletes = next === undefined || next.metadata.deletionTimestamp !== current.metadata.deletionTimestamp;
  return deletes
    ? `node "${node}" can only delete pods with spec.nodeName set to itself`
    : `node "${node}" can only update pod status for pods with spec.nodeName set to itself`;
}

function nodeRefusal(node: string, next: Node | undefined, current: Node | undefined): string | undefined {
  const name = (next ?? current)!.metadata.name;
  if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`;
  if (next === undefined) return `node "${node}" is not allowed to delete itself`;
  const labels = changedLabels(next, current).filter((label) => !mayLabel(label));
  if (labels.length > 0) {
    const verb = current === undefined ? "set the following labels" : "modify labels";
    return `is not allowed to ${verb}: ${labels.join(", ")}`;
  }
  if (!deepEqual(next.spec?.taints ?? [], current?.spec?.taints ?? []) && current !== undefined) {
    return `node "${node}" is not allowed to modify taints`;
  }
  if (!deepEqual(next.metadata.ownerReferences ?? [], current?.metadata.ownerReferences ?? [])) {
    return `node "${node}" is not allowed to modify ownerReferences`;
  }
  const local = (next.status?.addresses ?? []).find((one) => one.type !== "Hostname" && isNobodys(one.address));
  if (local !== undefined)
    return `node "${node}" is not allowed to be at ${local.address}: nobody else can reach it there`;
  return undefined;
}

function changedLabels(next: Node, current: Node | undefined): string[] {
  const [now, before] = [next.metadata.labels ?? {}, current?.metadata.labels ?? {}];
  return [...new Set([...Object.keys(now), ...Object.keys(before)])]
    .filter((key) => now[key] !== before[key])
    .toSorted();
}

function mayLabel(label: string): boolean {
  const slash = label.indexOf("/");
  if (slash === -1) return true;
  const domain = label.slice(0, slash);
  const isOf = (suffix: string): boolean => domain === suffix || domain.endsWith(`.${suffix}`);
  if (isOf(RESTRICTED_DOMAIN)) return false;
  if (OWN_LABELS.has(label) || OWN_DOMAINS.some(isOf)) return true;
  return !isOf("kubernetes.io") && !isOf("k8s.io");
}

/** Loopback, link-local and unspecified addresses lead whoever dials them to themselves. */
function isNobodys(address: string): boolean {
  return /^(127\.|169\.254\.|0\.0\.0\.0$)/.test(address) || ["::", "::1"].includes(address) || /^fe80:/i.test(address);
}

/** A node says that its directory of a volume is gone, and nothing more. */
function mayChangeVolume(
  node: string,
  next: PersistentVolume | undefined,
  current: PersistentVolume | undefined,
): boolean {
  if (next === undefined || current?.metadata.labels?.[HOSTNAME_LABEL] !== node) return false;
  const finalizers = (current.metadata.finalizers ?? []).filter((one) => one !== LOCAL_PATH_FINALIZER);
  const of = ({ metadata, spec, status }: PersistentVolume, kept: readonly string[]): object => {
    return { labels: metadata.labels, annotations: metadata.annotations, kept, spec, status };
  };
  return deepEqual(of(next, next.metadata.finalizers ?? []), of(current, finalizers));
}
