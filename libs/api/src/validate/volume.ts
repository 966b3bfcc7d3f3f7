import { VolumeSource, type KeyToPath, type Volume } from "../kinds.ts";
import { parseQuantity } from "../quantity.ts";
import { validateRelativePath } from "./container.ts";
import type { Problems } from "./field-error.ts";
import { configKeyProblems, dnsLabelProblems } from "./names.ts";

const SOURCES = Object.keys(VolumeSource.fields);
const MODE_MAX = 0o777;

/** Checks the volumes of a Pod or template; returns their names. */
export function validateVolumes(volumes: readonly Volume[], path: string, problems: Problems): Set<string> {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    if (volume.name) {
      problems.each(`${at}.name`, volume.name, dnsLabelProblems(volume.name));
      if (names.has(volume.name)) problems.duplicate(`${at}.name`, volume.name);
      names.add(volume.name);
    }
    validateSource(volume, at, problems);
  }
  return names;
}

function validateSource(volume: Volume, path: string, problems: Problems): void {
  const sources = SOURCES.filter((source) => Object.hasOwn(volume, source));
  if (sources.length === 0) problems.required(path, "must specify a volume type");
  for (const source of sources.slice(1)) {
    problems.forbidden(`${path}.${source}`, "may not specify more than 1 volume type");
  }
  if (volume.hostPath?.path?.split("/").includes("..")) {
    problems.invalid(`${path}.hostPath.path`, volume.hostPath.path, "must not contain '..'");
  }
  const size = volume.emptyDir?.sizeLimit;
  if (size !== undefined && parseQuantity(size).nanos < 0n) {
    problems.forbidden(`${path}.emptyDir.sizeLimit`, "SizeLimit field must be a valid resource quantity");
  }
  if (volume.secret && !volume.secret.secretName) problems.required(`${path}.secret.secretName`);
  if (volume.configMap && !volume.configMap.name) problems.required(`${path}.configMap.name`);
  for (const kind of ["secret", "configMap", "downwardAPI", "projected"] as const) {
    validateMode(volume[kind]?.defaultMode, `${path}.${kind}.defaultMode`, problems);
  }
  validateItems(volume.secret?.items, `${path}.secret.items`, problems);
  validateItems(volume.configMap?.items, `${path}.configMap.items`, problems);
  for (const [index, source] of (volume.projected?.sources ?? []).entries()) {
    const at = `${path}.projected.sources[${index}]`;
    if (Object.keys(source).length > 1) problems.forbidden(at, "may not specify more than 1 volume type per source");
    if (source.secret && !source.secret.name) problems.required(`${at}.secret.name`);
    if (source.configMap && !source.configMap.name) problems.required(`${at}.configMap.name`);
    validateItems(source.secret?.items, `${at}.secret.items`, problems);
    validateItems(source.configMap?.items, `${at}.configMap.items`, problems);
  }
}

function validateItems(items: readonly KeyToPath[] | undefined, path: string, problems: Problems): void {
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}[${index}]`;
    if (item.key) problems.each(`${at}.key`, item.key, configKeyProblems(item.key));
    if (item.path) validateRelativePath(item.path, `${at}.path`, problems);
    validateMode(item.mode, `${at}.mode`, problems);
  }
}

function validateMode(mode: number | undefined, path: string, problems: Problems): void {
  if (mode !== undefined && (mode < 0 || mode > MODE_MAX)) {
    problems.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
  }
}
