import { type KubeObject, parseQuantity, parseTime } from "@trireme/api";
import type { Exposition, SampleLabels } from "@trireme/telemetry";

/** Begins a gauge family of one kind of object and fills it: `each` adds the samples of one object. */
export function perObject<T>(
  out: Exposition,
  objects: readonly T[],
  name: string,
  help: string,
  each: (object: T, add: (labels: SampleLabels, value: number) => void) => void,
): void {
  const family = out.family(name, "gauge", help);
  for (const object of objects) each(object, (labels, value) => family.add(labels, value));
}

/** Seconds since 1970 of a time as the API writes it; undefined when there is none. */
export function secondsOf(time: string | undefined): number | undefined {
  const ms = time === undefined ? undefined : parseTime(time);
  return ms === undefined ? undefined : ms / 1000;
}

/** The label value of a boolean, as kube-state-metrics writes it. */
export function flagged(value: boolean): string {
  return value ? "true" : "false";
}

/** A name as kube-state-metrics turns labels and resources into label names: `nvidia.com/gpu` -> `nvidia_com_gpu`. */
export function sanitized(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_]/g, "_");
}

/** A quantity's unit and value; CPU is in cores. */
export function measured(
  resource: string,
  quantity: string | number,
): { readonly unit: string; readonly value: number } {
  const amount = parseQuantity(quantity);
  if (resource === "cpu") return { unit: "core", value: amount.milli / 1000 };
  const isBytes = resource === "memory" || resource.endsWith("storage") || resource.startsWith("hugepages-");
  return { unit: isBytes ? "byte" : "integer", value: amount.value };
}

/** The owner's labels, `<none>` where nobody owns the object, as kube-state-metrics says. */
export function ownerLabels(object: KubeObject): readonly SampleLabels[] {
  const owners = object.metadata.ownerReferences ?? [];
  if (owners.length === 0) return [{ owner_kind: "", owner_name: "", owner_is_controller: "" }];
  return owners.map(({ kind, name, controller }) => ({
    owner_kind: kind,
    owner_name: name,
    owner_is_controller: flagged(controller === true),
  }));
}

/** Adds the three samples of a condition: whether it is true, false or unknown. */
export function addCondition(
  add: (labels: SampleLabels, value: number) => void,
  labels: SampleLabels,
  status: string | undefined,
): void {
  for (const one of ["true", "false", "unknown"]) {
    add({ ...labels, status: one }, (status ?? "Unknown").toLowerCase() === one ? 1 : 0);
  }
}
