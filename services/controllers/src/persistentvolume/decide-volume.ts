import {
  LOCAL_PATH_FINALIZER,
  LOCAL_PATH_PROVISIONER,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type PersistentVolumeStatus,
} from "@trireme/api";
import { BOUND_BY_CONTROLLER, PROVISIONED_BY, type Telling } from "./decide-claim.ts";

/** Keeps a volume for as long as it is bound. */
export const VOLUME_PROTECTION = "kubernetes.io/pv-protection";

/** What the controller sees of a volume. */
export interface VolumeObserved {
  readonly volume: PersistentVolume;
  /** The claim of its claimRef's name. */
  readonly claim: PersistentVolumeClaim | undefined;
  /** Whether the node that has its directory is known, if it is one of a node. */
  readonly hasNode: boolean;
}

/** One thing to do for a volume. */
export type VolumeAction =
  /** Forget the claim: the binding never came about. */
  | { readonly type: "write"; readonly volume: PersistentVolume }
  /** Its claim is gone and its policy is Delete. Only after the API itself says that the claim is gone. */
  | { readonly type: "delete" }
  /** Give up these finalizers; with `liveClaim`, only after the API says that no claim is bound to it. */
  | { readonly type: "release"; readonly finalizers: readonly string[] };

/** The outcome of one look. */
export interface VolumeDecision {
  readonly action?: VolumeAction;
  readonly status?: PersistentVolumeStatus;
  readonly tell?: Telling;
}

/** What to do for one volume: its phase, and its end. */
export function decideVolume({ volume, claim, hasNode }: VolumeObserved): VolumeDecision {
  const { claimRef } = volume.spec;
  const isOwn = claim !== undefined && claimRef?.uid === claim.metadata.uid;
  const isBound = isOwn && claim.spec.volumeName === volume.metadata.name;
  if (volume.metadata.deletionTimestamp !== undefined) return ending(volume, isBound, hasNode);
  if (claimRef === undefined || !claimRef.uid) return { status: { phase: "Available" } };
  if (isBound) return { status: { phase: "Bound" } };
  if (!isOwn) return reclaim(volume);
  // Its claim is about to be bound to it.
  if (!claim.spec.volumeName) return {};
  return misbound(volume);
}

function ending(volume: PersistentVolume, isBound: boolean, hasNode: boolean): VolumeDecision {
  const held = volume.metadata.finalizers ?? [];
  const given = [
    ...(isBound ? [] : [VOLUME_PROTECTION]),
    // What was on a node that no longer exists went with it: nobody else could give this one up.
    ...(isBound || hasNode ? [] : [LOCAL_PATH_FINALIZER]),
  ].filter((one) => held.includes(one));
  if (given.length === 0) return {};
  return { action: { type: "release", finalizers: given } };
}

/** The claim took another volume: this one is free again, or was made for nothing. */
function misbound(volume: PersistentVolume): VolumeDecision {
  if (volume.metadata.annotations?.[PROVISIONED_BY] === LOCAL_PATH_PROVISIONER) return reclaim(volume);
  const { claimRef, ...spec } = volume.spec;
  const { [BOUND_BY_CONTROLLER]: chosenByUs, ...annotations } = volume.metadata.annotations ?? {};
  // An administrator's own reservation stays, for whoever comes next under that name.
  const { uid: _, ...reserved } = claimRef!;
  const free = { ...volume, spec: chosenByUs === undefined ? { ...spec, claimRef: reserved } : spec };
  return { action: { type: "write", volume: { ...free, metadata: { ...volume.metadata, annotations } } } };
}

function reclaim(volume: PersistentVolume): VolumeDecision {
  const { name } = volume.metadata;
  const failed = (reason: string, message: string): VolumeDecision => {
    const tell = volume.status?.phase === "Failed" ? {} : { tell: { type: "Warning", reason, message } as const };
    return { status: { phase: "Failed", reason, message }, ...tell };
  };
  switch (volume.spec.persistentVolumeReclaimPolicy) {
    case "Delete": {
      const provisioner = volume.metadata.annotations?.[PROVISIONED_BY];
      if (provisioner === LOCAL_PATH_PROVISIONER) return { action: { type: "delete" }, status: { phase: "Released" } };
      // Somebody else's: its provisioner watches for this phase.
      if (provisioner !== undefined) return { status: { phase: "Released" } };
      return failed(
        "VolumeFailedDelete",
        `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`,
      );
    }
    case "Recycle":
      return failed("VolumeFailedRecycle", "No recycler plugin found for the volume!");
    default:
      return { status: { phase: "Released" } };
  }
}
