import {
  type PersistentVolume,
  type PersistentVolumeClaim,
  type PersistentVolumeClaimSpec,
  PersistentVolumeSource,
  type StorageClass,
} from "../kinds.ts";
import { jsonEqual } from "../patch/value.ts";
import { isQuantity, parseQuantity } from "../quantity.ts";
import type { Problems } from "./field-error.ts";
import { immutable, validateSelector } from "./metadata.ts";
import { dnsSubdomainProblems, qualifiedNameProblems } from "./names.ts";

const ACCESS_MODES = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES = ["Block", "Filesystem"];
const SOURCES = Object.keys(PersistentVolumeSource.fields);

/** Checks a PersistentVolume. */
export function validatePersistentVolume({ spec }: PersistentVolume, problems: Problems): void {
  if (spec === undefined) return;
  validateAccessModes(spec.accessModes, "spec.accessModes", problems);
  const size = spec.capacity?.["storage"];
  if (size === undefined) problems.required("spec.capacity", "storage must be specified");
  else mustBePositive(size, "spec.capacity[storage]", problems);
  const sources = SOURCES.filter((source) => Object.hasOwn(spec, source));
  if (sources.length === 0) problems.required("spec", "must specify a volume type");
  for (const source of sources.slice(1)) {
    problems.forbidden(`spec.${source}`, "may not specify more than 1 volume type");
  }
  for (const source of ["hostPath", "local"] as const) {
    const path = spec[source]?.path;
    if (path?.split("/").includes("..")) problems.invalid(`spec.${source}.path`, path, "must not contain '..'");
  }
  if (spec.hostPath?.path === "/" && spec.persistentVolumeReclaimPolicy === "Recycle") {
    problems.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'");
  }
  if (spec.local !== undefined && spec.nodeAffinity?.required === undefined) {
    problems.required("spec.nodeAffinity", "Local volume requires node affinity");
  }
  if (spec.nodeAffinity !== undefined && (spec.nodeAffinity.required?.nodeSelectorTerms ?? []).length === 0) {
    problems.required("spec.nodeAffinity.required.nodeSelectorTerms", "must have at least one node selector term");
  }
  validateClassAndMode(spec, problems);
}

/** A volume is where it is, for life: pods have their data there. */
export function validatePersistentVolumeUpdate(
  { spec }: PersistentVolume,
  { spec: old }: PersistentVolume,
  problems: Problems,
): void {
  const sourceOf = (of: PersistentVolume["spec"]): object =>
    Object.fromEntries(Object.entries(of ?? {}).filter(([key]) => SOURCES.includes(key)));
  if (!jsonEqual(sourceOf(spec), sourceOf(old))) {
    problems.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation");
  }
  immutable("spec.volumeMode", spec?.volumeMode, old?.volumeMode, problems);
  if (old?.nodeAffinity !== undefined) {
    immutable("spec.nodeAffinity", spec?.nodeAffinity, old.nodeAffinity, problems);
  }
}

/** Checks a PersistentVolumeClaim. */
export function validatePersistentVolumeClaim({ spec }: PersistentVolumeClaim, problems: Problems): void {
  if (spec !== undefined) validateClaimSpec(spec, "spec", problems);
}

/** Checks a claim's spec, in a claim or in a template of one. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string, problems: Problems): void {
  validateAccessModes(spec.accessModes, `${path}.accessModes`, problems);
  if (spec.selector !== undefined) validateSelector(spec.selector, `${path}.selector`, problems);
  const size = spec.resources?.requests?.["storage"];
  if (size === undefined) problems.required(`${path}.resources[storage]`);
  else mustBePositive(size, `${path}.resources[storage]`, problems);
  validateClassAndMode(spec, problems, path);
  if (spec.dataSource !== undefined || spec.dataSourceRef !== undefined) {
    problems.forbidden(`${path}.dataSource`, "volumes are made empty: copies and snapshots are not supported");
  }
}

/** A claim asks once. Its volume is written by the binder, and its class may be filled in while it has neither. */
export function validatePersistentVolumeClaimUpdate(
  { spec }: PersistentVolumeClaim,
  { spec: old }: PersistentVolumeClaim,
  problems: Problems,
): void {
  const next = { ...spec };
  if (old?.volumeName === undefined) delete next.volumeName;
  if (old?.storageClassName === undefined && old?.volumeName === undefined) delete next.storageClassName;
  if (jsonEqual(next, old ?? {})) return;
  problems.forbidden(
    "spec",
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims" +
      ", and no volume of this cluster can be resized",
  );
}

/** Checks a StorageClass. */
export function validateStorageClass(storageClass: StorageClass, problems: Problems): void {
  const { provisioner, parameters } = storageClass;
  if (provisioner) problems.each("provisioner", provisioner, qualifiedNameProblems(provisioner.toLowerCase()));
  if (Object.hasOwn(parameters ?? {}, "")) problems.invalid("parameters", "", "field can not be empty.");
}

/** What a class promised to earlier claims it keeps. */
export function validateStorageClassUpdate(storageClass: StorageClass, old: StorageClass, problems: Problems): void {
  for (const key of ["parameters", "provisioner", "reclaimPolicy"] as const) {
    if (!jsonEqual(storageClass[key] ?? null, old[key] ?? null)) {
      problems.forbidden(key, `updates to ${key} are forbidden.`);
    }
  }
  immutable("volumeBindingMode", storageClass.volumeBindingMode, old.volumeBindingMode, problems);
}

function validateAccessModes(modes: readonly string[] | undefined, path: string, problems: Problems): void {
  if (modes === undefined || modes.length === 0) problems.required(path, "at least 1 access mode is required");
  for (const mode of modes ?? []) {
    if (!ACCESS_MODES.includes(mode)) problems.notSupported(path, mode, ACCESS_MODES);
  }
  if (modes?.includes("ReadWriteOncePod") && modes.length > 1) {
    problems.forbidden(path, "may not use ReadWriteOncePod with other access modes");
  }
}

function validateClassAndMode(
  { storageClassName, volumeMode }: { storageClassName?: string; volumeMode?: string },
  problems: Problems,
  path = "spec",
): void {
  if (storageClassName) {
    problems.each(`${path}.storageClassName`, storageClassName, dnsSubdomainProblems(storageClassName));
  }
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode)) {
    problems.notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES);
  }
}

function mustBePositive(size: string, path: string, problems: Problems): void {
  if (isQuantity(size) && parseQuantity(size).nanos <= 0n) {
    problems.invalid(path, size, "must be greater than zero");
  }
}
