import type { KubeObject, OwnerReference } from "@trireme/api";

/** Finalizer of an object whose dependents go first. */
export const FOREGROUND = "foregroundDeletion";
/** Finalizer of an object whose dependents are to be let go. */
export const ORPHAN = "orphan";

/** What became of an owner: it lives, is gone (or its name lives another life), or waits for its dependents to go. */
export type OwnerState = "solid" | "absent" | "waiting";

/** What the collector does about one object. */
export type GarbageAction =
  /** Keep the object and only these of its owners. */
  | { readonly type: "setOwners"; readonly owners: readonly OwnerReference[] }
  | { readonly type: "delete"; readonly propagationPolicy: "Background" | "Foreground" | "Orphan" }
  /** Take the object out of its dependents' owners. */
  | { readonly type: "letGo"; readonly dependents: readonly KubeObject[] }
  | { readonly type: "dropFinalizer"; readonly finalizer: string };

/** What the collector sees of one object. */
export interface GarbageObserved {
  readonly object: KubeObject;
  /** The state of each owner reference, in their order. */
  readonly owners: readonly OwnerState[];
  /** Objects that name this one as an owner. */
  readonly dependents: readonly KubeObject[];
}

/**
 * What to do about one object. An object with a living owner is never deleted; one with none left is, by the way that
 * its own finalizers ask for.
 */
export function decideGarbage({ object, owners, dependents }: GarbageObserved): GarbageAction[] {
  const { uid, deletionTimestamp, finalizers = [], ownerReferences = [] } = object.metadata;
  if (deletionTimestamp !== undefined) return decideEnding(uid, finalizers, dependents);
  if (ownerReferences.length === 0) return [];
  const solid = ownerReferences.filter((_, i) => owners[i] === "solid");
  if (solid.length === ownerReferences.length) return [];
  if (solid.length > 0) return [{ type: "setOwners", owners: solid }];
  if (owners.includes("waiting")) {
    // The owner waits for us; we wait for our own dependents in turn, if we have any.
    return [{ type: "delete", propagationPolicy: dependents.length > 0 ? "Foreground" : "Background" }];
  }
  if (finalizers.includes(ORPHAN)) return [{ type: "delete", propagationPolicy: "Orphan" }];
  return [{ type: "delete", propagationPolicy: finalizers.includes(FOREGROUND) ? "Foreground" : "Background" }];
}

function decideEnding(
  uid: string | undefined,
  finalizers: readonly string[],
  dependents: readonly KubeObject[],
): GarbageAction[] {
  if (finalizers.includes(ORPHAN)) {
    if (dependents.length > 0) return [{ type: "letGo", dependents }];
    return [{ type: "dropFinalizer", finalizer: ORPHAN }];
  }
  if (finalizers.includes(FOREGROUND)) {
    const blocking = dependents.filter((dependent) =>
      dependent.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
    );
    if (blocking.length === 0) return [{ type: "dropFinalizer", finalizer: FOREGROUND }];
  }
  return [];
}
