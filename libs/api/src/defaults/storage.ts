import type { PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, StorageClass } from "../kinds.ts";

/** Kubernetes' SetDefaults_PersistentVolume. */
export function defaultPersistentVolume({ spec }: PersistentVolume): void {
  if (!spec) return;
  if (!spec.persistentVolumeReclaimPolicy) spec.persistentVolumeReclaimPolicy = "Retain";
  if (!spec.volumeMode) spec.volumeMode = "Filesystem";
  if (spec.hostPath) spec.hostPath.type ??= "";
}

/** Kubernetes' SetDefaults_PersistentVolumeClaim. The class is not a default of the kind: admission knows the classes. */
export function defaultPersistentVolumeClaim({ spec }: PersistentVolumeClaim): void {
  if (spec) defaultClaimSpec(spec);
}

/** The defaults of a claim's spec, in a claim or in a template of one. */
export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  if (!spec.volumeMode) spec.volumeMode = "Filesystem";
}

/** Kubernetes' SetDefaults_StorageClass. */
export function defaultStorageClass(storageClass: StorageClass): void {
  if (!storageClass.reclaimPolicy) storageClass.reclaimPolicy = "Delete";
  if (!storageClass.volumeBindingMode) storageClass.volumeBindingMode = "Immediate";
}
