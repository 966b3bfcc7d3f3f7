import {
  HOSTNAME_LABEL,
  LOCAL_PATH_PROVISIONER,
  LOCAL_PATH_ROOT,
  NO_PROVISIONER,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  SELECTED_NODE,
  type StorageClass,
  labelSelectorMatches,
  parseQuantity,
} from "@trireme/api";
import { matchesTerm } from "./node-affinity.ts";
import type { Snapshot } from "./snapshot.ts";

/** The claims, volumes and classes of the cluster, as a decision about a pod needs them. */
export interface StorageView {
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  volume(name: string): PersistentVolume | undefined;
  volumes(): Iterable<PersistentVolume>;
  storageClass(name: string): StorageClass | undefined;
}

/** A cluster without storage. */
export const NO_STORAGE: StorageView = {
  claim: () => undefined,
  volume: () => undefined,
  volumes: () => [],
  storageClass: () => undefined,
};

/** What a pod's claims mean for where it may run. */
export interface VolumeNeeds {
  /** Why no node will do, in Kubernetes' words; the rest is empty then. */
  readonly refusal?: string;
  /** The volumes of its bound claims; undefined for one that is gone. */
  readonly bound: readonly (PersistentVolume | undefined)[];
  /** Claims that get their volume once a node is chosen. */
  readonly waiting: readonly WaitingClaim[];
  /** Whether a claim of one pod alone (ReadWriteOncePod) is used by another one. */
  readonly isTaken: boolean;
}

/** A claim that waits for its first consumer. */
export interface WaitingClaim {
  readonly claim: PersistentVolumeClaim;
  readonly storageClass: StorageClass;
  /** Volumes made beforehand that it may get. */
  readonly candidates: readonly PersistentVolume[];
}

/** The names of the claims that a pod's volumes name, in order. */
export function claimNamesOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap(({ persistentVolumeClaim: source }) =>
    source === undefined ? [] : [source.claimName],
  );
}

/** Works out what a pod's claims ask of its node. */
export function volumeNeeds(pod: Pod, { storage = NO_STORAGE, nodes }: Snapshot): VolumeNeeds {
  const bound: (PersistentVolume | undefined)[] = [];
  const waiting: WaitingClaim[] = [];
  let isTaken = false;
  const refused = (refusal: string): VolumeNeeds => ({ refusal, bound: [], waiting: [], isTaken });
  for (const name of claimNamesOf(pod)) {
    const claim = storage.claim(pod.metadata.namespace ?? "", name);
    if (claim === undefined) return refused(`persistentvolumeclaim "${name}" not found`);
    if (claim.metadata.deletionTimestamp !== undefined) {
      return refused(`persistentvolumeclaim "${name}" is being deleted`);
    }
    if (claim.status?.phase === "Lost") {
      return refused(
        `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec.volumeName}"`,
      );
    }
    if (claim.spec.accessModes?.includes("ReadWriteOncePod")) isTaken ||= isUsedByAnother(name, pod, nodes);
    if (isBound(claim)) {
      bound.push(storage.volume(claim.spec.volumeName ?? ""));
      continue;
    }
    const storageClass = storage.storageClass(claim.spec.storageClassName ?? "");
    if (storageClass?.volumeBindingMode !== "WaitForFirstConsumer" || claim.spec.volumeName) {
      return refused("pod has unbound immediate PersistentVolumeClaims");
    }
    waiting.push({ claim, storageClass, candidates: [...storage.volumes()].filter((one) => volumeSuits(claim, one)) });
  }
  return { bound, waiting, isTaken };
}

function isUsedByAnother(claim: string, { metadata }: Pod, nodes: Snapshot["nodes"]): boolean {
  for (const { pods } of nodes) {
    for (const other of pods.values()) {
      if (other.metadata.namespace !== metadata.namespace || other.metadata.name === metadata.name) continue;
      if (claimNamesOf(other).includes(claim)) return true;
    }
  }
  return false;
}

/** Annotation of a claim whose binding is whole: the volume names it, and it names the volume. */
export const BIND_COMPLETED = "pv.kubernetes.io/bind-completed";

/** Whether a claim has its volume. */
export function isBound({ metadata, spec, status }: PersistentVolumeClaim): boolean {
  return Boolean(spec.volumeName) && (status?.phase === "Bound" || metadata.annotations?.[BIND_COMPLETED] === "yes");
}

/** Whether a node can reach a volume. */
export function volumeReaches({ spec }: PersistentVolume, node: Node): boolean {
  const required = spec.nodeAffinity?.required;
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** Whether a waiting claim can have a volume on a node: one that was made beforehand, or one made for it. */
export function canHaveVolumeOn({ claim, storageClass, candidates }: WaitingClaim, node: Node): boolean {
  const selected = claim.metadata.annotations?.[SELECTED_NODE];
  if (selected !== undefined) return selected === node.metadata.name;
  return candidates.some((one) => volumeReaches(one, node)) || canProvisionOn(storageClass, node);
}

/** Whether a class makes volumes for this node. */
export function canProvisionOn({ provisioner, allowedTopologies = [] }: StorageClass, node: Node): boolean {
  if (provisioner === NO_PROVISIONER) return false;
  if (provisioner === LOCAL_PATH_PROVISIONER && !node.metadata.annotations?.[LOCAL_PATH_ROOT]) return false;
  if (allowedTopologies.length === 0) return true;
  const labels = node.metadata.labels ?? {};
  return allowedTopologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => Object.hasOwn(labels, key) && values.includes(labels[key]!)),
  );
}

/** Whether an unbound claim may get an existing volume: Kubernetes' findMatchingVolume, the node aside. */
export function volumeSuits(claim: PersistentVolumeClaim, volume: PersistentVolume): boolean {
  const { spec, status, metadata } = volume;
  if (spec.claimRef !== undefined || status?.phase !== "Available" || metadata.deletionTimestamp !== undefined) {
    return false;
  }
  if ((spec.storageClassName ?? "") !== (claim.spec.storageClassName ?? "")) return false;
  if (claim.spec.selector !== undefined && !labelSelectorMatches(claim.spec.selector, metadata.labels)) return false;
  return volumeSatisfies(claim, volume);
}

/** Whether a volume is of the kind and size that a claim asks for, whoever else may have it. */
export function volumeSatisfies({ spec: claim }: PersistentVolumeClaim, { spec }: PersistentVolume): boolean {
  if ((spec.volumeMode ?? "Filesystem") !== (claim.volumeMode ?? "Filesystem")) return false;
  if (!(claim.accessModes ?? []).every((mode) => spec.accessModes?.includes(mode))) return false;
  return storageOf(spec.capacity) >= storageOf(claim.resources?.requests);
}

/** The amount of storage, in billionths of a byte: exact. */
export function storageOf(amounts: Readonly<Record<string, string>> | undefined): bigint {
  return parseQuantity(amounts?.["storage"] ?? "0").nanos;
}

/** The value by which volumes of a node name it. */
export function hostnameOf({ metadata }: Node): string {
  return metadata.labels?.[HOSTNAME_LABEL] ?? metadata.name;
}
