import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "../kinds.ts";
import { AGE, NAME, printer, text, wide } from "./column.ts";
import { isDefaultClass } from "../storage-class.ts";

const MODES: readonly (readonly [string, string])[] = [
  ["ReadWriteOnce", "RWO"],
  ["ReadOnlyMany", "ROX"],
  ["ReadWriteMany", "RWX"],
  ["ReadWriteOncePod", "RWOP"],
];

function shortModes(modes: readonly string[] | undefined): string {
  return MODES.filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(",");
}

/** Prints PersistentVolumes. */
export const persistentVolumePrinter = printer<PersistentVolume>([
  NAME,
  text("Capacity", "What it holds.", ({ spec }: PersistentVolume) => spec.capacity?.["storage"] ?? ""),
  text("Access Modes", "How it may be mounted.", ({ spec }: PersistentVolume) => shortModes(spec.accessModes)),
  text("Reclaim Policy", "What becomes of it after its claim.", ({ spec }: PersistentVolume) => {
    return spec.persistentVolumeReclaimPolicy ?? "";
  }),
  text("Status", "Whether it is bound to a claim.", ({ metadata, status }: PersistentVolume) => {
    return metadata.deletionTimestamp === undefined ? (status?.phase ?? "") : "Terminating";
  }),
  text("Claim", "The claim that it is bound to.", ({ spec: { claimRef } }: PersistentVolume) => {
    return claimRef === undefined ? "" : `${claimRef.namespace ?? ""}/${claimRef.name ?? ""}`;
  }),
  text("StorageClass", "Its class.", ({ spec }: PersistentVolume) => spec.storageClassName ?? ""),
  text("VolumeAttributesClass", "Its class of attributes.", ({ spec }: PersistentVolume) => {
    return spec.volumeAttributesClassName ?? "<unset>";
  }),
  text("Reason", "Why it is in that state.", ({ status }: PersistentVolume) => status?.reason ?? ""),
  AGE,
  wide(text("VolumeMode", "Filesystem or Block.", ({ spec }: PersistentVolume) => spec.volumeMode ?? "<unset>")),
]);

/** Prints PersistentVolumeClaims: what a claim got shows once it has a volume. */
export const persistentVolumeClaimPrinter = printer<PersistentVolumeClaim>([
  NAME,
  text("Status", "Whether it has a volume.", ({ metadata, status }: PersistentVolumeClaim) => {
    return metadata.deletionTimestamp === undefined ? (status?.phase ?? "") : "Terminating";
  }),
  text("Volume", "The volume that it is bound to.", ({ spec }: PersistentVolumeClaim) => spec.volumeName ?? ""),
  text("Capacity", "What the volume holds.", ({ spec, status }: PersistentVolumeClaim) => {
    return spec.volumeName ? (status?.capacity?.["storage"] ?? "") : "";
  }),
  text("Access Modes", "How the volume may be mounted.", ({ spec, status }: PersistentVolumeClaim) => {
    return spec.volumeName ? shortModes(status?.accessModes) : "";
  }),
  text("StorageClass", "Its class.", ({ spec }: PersistentVolumeClaim) => spec.storageClassName ?? ""),
  text("VolumeAttributesClass", "Its class of attributes.", ({ spec }: PersistentVolumeClaim) => {
    return spec.volumeAttributesClassName ?? "<unset>";
  }),
  AGE,
  wide(text("VolumeMode", "Filesystem or Block.", ({ spec }: PersistentVolumeClaim) => spec.volumeMode ?? "<unset>")),
]);

/** Prints StorageClasses. */
export const storageClassPrinter = printer<StorageClass>([
  {
    ...NAME,
    cell: (object) => `${object.metadata.name}${isDefaultClass(object as StorageClass) ? " (default)" : ""}`,
  },
  text("Provisioner", "Who makes its volumes.", ({ provisioner }: StorageClass) => provisioner),
  text("ReclaimPolicy", "What becomes of them after their claims.", ({ reclaimPolicy }: StorageClass) => {
    return reclaimPolicy ?? "Delete";
  }),
  text("VolumeBindingMode", "When a claim gets its volume.", ({ volumeBindingMode }: StorageClass) => {
    return volumeBindingMode ?? "Immediate";
  }),
  text("AllowVolumeExpansion", "Whether claims may grow.", ({ allowVolumeExpansion }: StorageClass) => {
    return String(allowVolumeExpansion ?? false);
  }),
  AGE,
]);
