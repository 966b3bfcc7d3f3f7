import type { ManagedFieldsEntry } from "../kinds.ts";
import { type FieldTree, isEmpty, pathsIn, treeOf, withPaths } from "./field-tree.ts";

/** Who owns which fields by which kind of write. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldTree;
}

/** Update managers kept per object, as in Kubernetes; the oldest beyond them are merged into one. */
const MAX_UPDATE_MANAGERS = 10;
/** The manager into which the oldest are merged. */
const ANCIENT = "ancient-changes";

/** Reads metadata.managedFields. */
export function readManagers(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] {
  return (entries ?? []).map((entry) => ({
    manager: entry.manager ?? "",
    operation: entry.operation === "Apply" ? "Apply" : "Update",
    apiVersion: entry.apiVersion ?? "",
    subresource: entry.subresource ?? "",
    time: entry.time,
    fields: treeOf(entry.fieldsV1),
  }));
}

/** Writes metadata.managedFields: managers of nothing are left out, and the number of those that update is bounded. */
export function writeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  const kept = capUpdates(managers.filter(({ fields }) => !isEmpty(fields)));
  return kept.toSorted(byOperationThenTime).map(({ manager, operation, apiVersion, subresource, time, fields }) => ({
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1: fields,
    ...(subresource === "" ? {} : { subresource }),
  }));
}

function byOperationThenTime(a: Manager, b: Manager): number {
  if (a.operation !== b.operation) return a.operation < b.operation ? -1 : 1;
  if (a.time !== b.time) return (a.time ?? "") < (b.time ?? "") ? -1 : 1;
  return a.manager < b.manager ? -1 : a.manager > b.manager ? 1 : 0;
}

function capUpdates(managers: readonly Manager[]): readonly Manager[] {
  const updates = managers.filter(({ operation }) => operation === "Update").toSorted(byOperationThenTime);
  const surplus = updates.slice(0, Math.max(0, updates.length - MAX_UPDATE_MANAGERS + 1));
  if (surplus.length < 2) return managers;
  const newest = surplus.at(-1)!;
  const fields = surplus.reduce<FieldTree>((all, manager) => withPaths(all, pathsIn(manager.fields)), {});
  const ancient: Manager = { ...newest, manager: ANCIENT, subresource: "", fields };
  return [...managers.filter((manager) => !surplus.includes(manager)), ancient];
}

/** Whether two entries are the same manager by the same kind of write. */
export function sameManager(a: Manager, b: Omit<Manager, "fields" | "time">): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.apiVersion === b.apiVersion &&
    a.subresource === b.subresource
  );
}
