import {
  HOSTNAME_LABEL,
  LOCAL_PATH_FINALIZER,
  LOCAL_PATH_PROVISIONER,
  LOCAL_PATH_ROOT,
  NO_PROVISIONER,
  type Node,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type PersistentVolumeClaimStatus,
  SELECTED_NODE,
  type StorageClass,
  defaultClassOf,
} from "@trireme/api";
import {
  BIND_COMPLETED,
  canProvisionOn,
  hostnameOf,
  storageOf,
  volumeReaches,
  volumeSatisfies,
  volumeSuits,
} from "@trireme/scheduling";

/** Keeps a claim for as long as a pod uses it. */
export const CLAIM_PROTECTION = "kubernetes.io/pvc-protection";
/** More annotations that Kubernetes' binder leaves, and tools read. */
export const BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller";
export const PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";
const STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner";

/** What the binder sees of a claim: caches that show all of its own writes for it. */
export interface ClaimObserved {
  readonly claim: PersistentVolumeClaim;
  readonly volumes: readonly PersistentVolume[];
  readonly classes: readonly StorageClass[];
  readonly node: (name: string) => Node | undefined;
  /** Whether a pod that has a node names the claim. */
  readonly isUsed: boolean;
}

/** Something to tell people about an object. */
export interface Telling {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** One thing to do for a claim. Objects are as they shall be, with the version that they were read at. */
export type ClaimAction =
  | { readonly type: "writeVolume"; readonly volume: PersistentVolume }
  | { readonly type: "writeClaim"; readonly claim: PersistentVolumeClaim }
  | { readonly type: "provision"; readonly volume: PersistentVolume }
  /** No pod uses it: its protection may go, if the API says the same. */
  | { readonly type: "unprotect" };

/** The outcome of one look. */
export interface ClaimDecision {
  readonly actions: readonly ClaimAction[];
  /** Undefined: as it is. */
  readonly status?: PersistentVolumeClaimStatus;
  readonly tell?: Telling;
}

const NOTHING: ClaimDecision = { actions: [] };

/** What to do for one claim: Kubernetes' persistent volume controller, with one provisioner inside. */
export function decideClaim(observed: ClaimObserved): ClaimDecision {
  const { claim, classes, isUsed } = observed;
  if (claim.metadata.deletionTimestamp !== undefined) {
    const isProtected = (claim.metadata.finalizers ?? []).includes(CLAIM_PROTECTION);
    return isProtected && !isUsed ? { actions: [{ type: "unprotect" }] } : NOTHING;
  }
  if (claim.spec.volumeName)
    return claim.metadata.annotations?.[BIND_COMPLETED] ? keep(observed) : bindByName(observed);
  if (claim.spec.storageClassName === undefined) {
    const storageClassName = defaultClassOf(classes)?.metadata.name;
    // A default that came later holds for claims that still have no volume.
    if (storageClassName !== undefined) {
      return { actions: [{ type: "writeClaim", claim: { ...claim, spec: { ...claim.spec, storageClassName } } }] };
    }
  }
  return bindOrProvision(observed);
}

/** A claim that was bound: it must still be. */
function keep({ claim, volumes }: ClaimObserved): ClaimDecision {
  const volume = named(volumes, claim.spec.volumeName);
  if (volume === undefined) {
    return lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
  }
  if (volume.spec.claimRef === undefined) return bindTo(claim, volume);
  if (!isClaimOf(volume, claim)) {
    return lost(claim, "ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly");
  }
  return bindTo(claim, volume);
}

function lost(claim: PersistentVolumeClaim, reason: string, message: string): ClaimDecision {
  const tell = claim.status?.phase === "Lost" ? {} : { tell: { type: "Warning", reason, message } as const };
  return { actions: [], status: { phase: "Lost" }, ...tell };
}

/** A claim whose author chose the volume. */
function bindByName({ claim, volumes }: ClaimObserved): ClaimDecision {
  const volume = named(volumes, claim.spec.volumeName);
  const pending = { actions: [], status: { phase: "Pending" } };
  if (volume === undefined) return pending;
  const { claimRef } = volume.spec;
  if (claimRef !== undefined && !isClaimOf(volume, claim)) {
    const message = `volume "${volume.metadata.name}" already bound to a different claim.`;
    return { ...pending, tell: { type: "Warning", reason: "FailedBinding", message } };
  }
  if (!volumeSatisfies(claim, volume)) {
    const message = `Cannot bind to requested volume "${volume.metadata.name}": requested PV is too small or of another access mode or volume mode`;
    return { ...pending, tell: { type: "Warning", reason: "VolumeMismatch", message } };
  }
  return bindTo(claim, volume);
}

function bindOrProvision({ claim, volumes, classes, node }: ClaimObserved): ClaimDecision {
  const kept = volumes.find((volume) => isKeptFor(volume, claim));
  if (kept !== undefined) return bindTo(claim, kept);
  const className = claim.spec.storageClassName ?? "";
  const storageClass = classes.find(({ metadata }) => metadata.name === className);
  const pending = { actions: [], status: { phase: "Pending" } };
  const tell = (type: Telling["type"], reason: string, message: string): ClaimDecision => ({
    ...pending,
    tell: { type, reason, message },
  });
  const chosen = claim.metadata.annotations?.[SELECTED_NODE];
  const isLate = storageClass?.volumeBindingMode === "WaitForFirstConsumer";
  if (isLate && chosen === undefined) {
    return tell("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
  }
  const target = isLate ? node(chosen!) : undefined;
  const match = volumes
    .filter((volume) => volumeSuits(claim, volume) && (target === undefined || volumeReaches(volume, target)))
    .toSorted(bySize)[0];
  if (match !== undefined) return bindTo(claim, match);
  if (className === "") {
    const message = "no persistent volumes available for this claim and no storage class is set";
    return tell("Normal", "FailedBinding", message);
  }
  if (storageClass === undefined) {
    return tell("Warning", "ProvisioningFailed", `storageclass.storage.k8s.io "${className}" not found`);
  }
  // The scheduler chose by what it saw; if that has gone, it is to choose again.
  if (isLate && (target === undefined || !canProvisionOn(storageClass, target))) return deselect(claim, chosen!);
  const { provisioner } = storageClass;
  if (provisioner === NO_PROVISIONER) {
    return tell("Normal", "FailedBinding", "no persistent volumes available for this claim");
  }
  if (provisioner !== LOCAL_PATH_PROVISIONER) {
    const decision = tell(
      "Normal",
      "ExternalProvisioning",
      `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`,
    );
    if (claim.metadata.annotations?.[STORAGE_PROVISIONER] === provisioner) return decision;
    return {
      ...decision,
      actions: [{ type: "writeClaim", claim: annotated(claim, STORAGE_PROVISIONER, provisioner) }],
    };
  }
  const refusal = localPathRefusal(claim, storageClass);
  if (refusal !== undefined) {
    const message = `failed to provision volume with StorageClass "${className}": ${refusal}`;
    return tell("Warning", "ProvisioningFailed", message);
  }
  return { ...pending, actions: [{ type: "provision", volume: localPathVolume(claim, storageClass, target!) }] };
}

/** Why the built-in provisioner can not make a volume for this claim. */
function localPathRefusal({ spec }: PersistentVolumeClaim, storageClass: StorageClass): string | undefined {
  if (storageClass.volumeBindingMode !== "WaitForFirstConsumer") {
    return "a directory is made on the node of the first pod: the class needs volumeBindingMode WaitForFirstConsumer";
  }
  if (spec.volumeMode === "Block") return "a directory is no block device: ask for volumeMode Filesystem";
  if (spec.selector !== undefined) return "claim.spec.selector is not supported for dynamic provisioning";
  const wide = spec.accessModes?.find((mode) => mode !== "ReadWriteOnce" && mode !== "ReadWriteOncePod");
  return wide === undefined
    ? undefined
    : `a directory of one node supports ReadWriteOnce and ReadWriteOncePod, not ${wide}`;
}

/** The volume that is made for a claim: a directory that the agent of its node makes when it is first mounted. */
function localPathVolume(claim: PersistentVolumeClaim, storageClass: StorageClass, node: Node): PersistentVolume {
  const { uid = "", name, namespace = "" } = claim.metadata;
  const volumeName = `pvc-${uid}`;
  const hostname = { key: HOSTNAME_LABEL, operator: "In", values: [hostnameOf(node)] };
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: {
      name: volumeName,
      labels: { [HOSTNAME_LABEL]: node.metadata.name },
      annotations: { [PROVISIONED_BY]: LOCAL_PATH_PROVISIONER },
      finalizers: [LOCAL_PATH_FINALIZER],
    },
    spec: {
      accessModes: claim.spec.accessModes ?? [],
      capacity: { storage: claim.spec.resources?.requests?.["storage"] ?? "0" },
      claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClass.metadata.name,
      volumeMode: "Filesystem",
      local: { path: `${node.metadata.annotations?.[LOCAL_PATH_ROOT]}/${volumeName}` },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [hostname] }] } },
    },
  };
}

/** Both halves of a binding, volume first: a claim never names a volume that may still go to another. */
function bindTo(claim: PersistentVolumeClaim, volume: PersistentVolume): ClaimDecision {
  const { uid = "", name, namespace = "" } = claim.metadata;
  const actions: ClaimAction[] = [];
  if (volume.spec.claimRef?.uid !== uid) {
    const claimRef = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace, name, uid };
    const bound = { ...volume, spec: { ...volume.spec, claimRef } };
    const chosenByUs = volume.spec.claimRef === undefined;
    actions.push({ type: "writeVolume", volume: chosenByUs ? annotated(bound, BOUND_BY_CONTROLLER, "yes") : bound });
  }
  if (claim.spec.volumeName !== volume.metadata.name || !claim.metadata.annotations?.[BIND_COMPLETED]) {
    const named = { ...claim, spec: { ...claim.spec, volumeName: volume.metadata.name } };
    const chosenByUs = !claim.spec.volumeName;
    const completed = annotated(named, BIND_COMPLETED, "yes");
    actions.push({
      type: "writeClaim",
      claim: chosenByUs ? annotated(completed, BOUND_BY_CONTROLLER, "yes") : completed,
    });
  }
  const { accessModes = [], capacity = {} } = volume.spec;
  return { actions, status: { phase: "Bound", accessModes, capacity } };
}

function deselect(claim: PersistentVolumeClaim, node: string): ClaimDecision {
  const { [SELECTED_NODE]: _, ...annotations } = claim.metadata.annotations ?? {};
  const next = { ...claim, metadata: { ...claim.metadata, annotations } };
  const message = `no volume can be made on node "${node}" any more: another one will be chosen`;
  return {
    actions: [{ type: "writeClaim", claim: next }],
    status: { phase: "Pending" },
    tell: { type: "Warning", reason: "ProvisioningFailed", message },
  };
}

/** Whether a volume's claimRef names this claim, or one of its name that has not been seen yet. */
export function isClaimOf({ spec: { claimRef } }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  if (claimRef?.name !== metadata.name || claimRef.namespace !== metadata.namespace) return false;
  return !claimRef.uid || claimRef.uid === metadata.uid;
}

/** A volume that was made for the claim, or that an administrator keeps for it and that will do. */
function isKeptFor(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  if (volume.spec.claimRef === undefined || volume.metadata.deletionTimestamp !== undefined) return false;
  if (!isClaimOf(volume, claim)) return false;
  if (volume.spec.claimRef.uid) return true;
  const sameClass = (volume.spec.storageClassName ?? "") === (claim.spec.storageClassName ?? "");
  return sameClass && volumeSatisfies(claim, volume);
}

function named(volumes: readonly PersistentVolume[], name: string | undefined): PersistentVolume | undefined {
  return volumes.find(({ metadata }) => metadata.name === name);
}

function annotated<T extends { metadata: { annotations?: Record<string, string> } }>(
  of: T,
  key: string,
  to: string,
): T {
  return { ...of, metadata: { ...of.metadata, annotations: { ...of.metadata.annotations, [key]: to } } };
}

/** The smallest that will do, so that large claims find large volumes later. */
function bySize(a: PersistentVolume, b: PersistentVolume): number {
  const difference = storageOf(a.spec.capacity) - storageOf(b.spec.capacity);
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
