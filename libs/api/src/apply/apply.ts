import { TriremeError } from "@trireme/base";
import type { ManagedFieldsEntry } from "../kinds.ts";
import { type KubeObject, type Resource, apiVersionOf } from "../resources.ts";
import {
  type Shape,
  checkDistinct,
  elementsOf,
  fieldElement,
  formatPath,
  leavesOf,
  objectShape,
  pathOf,
} from "./field-set.ts";
import { type Manager, readManagers, sameManager, sameSet, without, writeManagers } from "./managers.ts";
import { compareLeaves, mergeApplied, removePath } from "./merge.ts";

/** What a server-side apply is asked to do. `now` is RFC 3339; `live` is undefined when the object does not exist. */
export interface ApplyRequest<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly live: T | undefined;
  readonly applied: T;
  readonly manager: string;
  readonly force: boolean;
  readonly now: string;
  readonly subresource?: string;
}

/** What a write other than apply changed, and who wrote. */
export interface UpdateRequest<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly live: T | undefined;
  readonly updated: T;
  readonly manager: string;
  readonly now: string;
  readonly subresource?: string;
}

/** Fields that nobody owns: they name the object, or the server alone writes them. */
const UNOWNED_METADATA = [
  "name",
  "generateName",
  "namespace",
  "creationTimestamp",
  "selfLink",
  "uid",
  "generation",
  "managedFields",
  "resourceVersion",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
];
const UNOWNED: ReadonlySet<string> = new Set([
  pathOf([fieldElement("apiVersion")]),
  pathOf([fieldElement("kind")]),
  pathOf([fieldElement("metadata")]),
  ...UNOWNED_METADATA.map((name) => pathOf([fieldElement("metadata"), fieldElement(name)])),
]);

/**
 * Server-side apply (kubernetes.io `server-side-apply`): lays the configuration over the live object, removes what the
 * manager applied before and now leaves out unless others own it, and records ownership. Throws Conflict with a cause
 * per field that others own and that would change, unless forced. Returns the merged object, not yet defaulted. When
 * nothing changes, the result equals `live`, managedFields included.
 */
export function serverSideApply<T extends KubeObject>(request: ApplyRequest<T>): T {
  const { resource, live, manager, subresource = "" } = request;
  if ((request.applied.metadata.managedFields?.length ?? 0) > 0) {
    throw new TriremeError("BadRequest", "metadata.managedFields must be nil in an applied configuration");
  }
  const shape = objectShape(resource.schema);
  const applied = ownPart(request.applied, resource, subresource);
  checkDistinct(shape, applied);
  const self = { manager, operation: "Apply", apiVersion: apiVersionOf(resource), subresource } as const;
  const managers = readManagers(live?.metadata.managedFields);
  const previous = managers.find((other) => sameManager(other, self));
  const others = managers.filter((other) => other !== previous);
  const fields = new Set(ownedLeaves(shape, applied).keys());

  let merged = (live === undefined ? applied : mergeApplied(shape, live, applied)) as T;
  if (previous !== undefined) merged = dropAbandoned(shape, merged, previous, [...others.map((o) => o.fields), fields]);
  const { changed, removed } = compareLeaves(ownedLeaves(shape, live ?? {}), ownedLeaves(shape, merged));
  const conflicts = others
    .map((other) => ({ other, paths: [...other.fields].filter((path) => changed.has(path)) }))
    .filter(({ paths }) => paths.length > 0);
  if (conflicts.length > 0 && !request.force) throw conflictError(conflicts);

  const lost = new Set([...changed, ...removed]);
  const rest = others.map((other) => ({ ...other, fields: without(other.fields, lost) }));
  const unchanged = previous !== undefined && sameSet(previous.fields, fields) && changed.size + removed.size === 0;
  const time = unchanged ? previous.time : request.now;
  return withManagers(merged, [...rest, { ...self, time, fields }]);
}

/** Records in managedFields that `manager` now owns what it changed; returns the object to store. */
export function trackUpdate<T extends KubeObject>(request: UpdateRequest<T>): T {
  const { resource, live, updated, manager, subresource = "" } = request;
  const shape = objectShape(resource.schema);
  // An explicitly empty list is how clients ask for a fresh start.
  const reset = updated.metadata.managedFields?.length === 0;
  const managers = reset ? [] : readManagers(live?.metadata.managedFields);
  const { changed, removed } = compareLeaves(ownedLeaves(shape, live ?? {}), ownedLeaves(shape, updated));
  if (live !== undefined && changed.size + removed.size === 0) {
    return reset ? withManagers(updated, []) : withEntries(updated, live.metadata.managedFields);
  }
  const self = { manager, operation: "Update", apiVersion: apiVersionOf(resource), subresource } as const;
  const lost = new Set([...changed, ...removed]);
  const rest = managers.map((other) => ({ ...other, fields: without(other.fields, lost) }));
  const previous = rest.find((other) => sameManager(other, self));
  const fields = new Set([...(previous?.fields ?? []), ...changed]);
  return withManagers(updated, [...rest.filter((other) => other !== previous), { ...self, time: request.now, fields }]);
}

/** A write through `status` applies to the status alone, any other to everything but it. */
function ownPart<T extends KubeObject>(applied: T, resource: Resource, subresource: string): T {
  const { status, ...rest } = applied as T & { status?: unknown };
  if (subresource === "status") {
    const { apiVersion, kind, metadata } = applied;
    const { name, namespace } = metadata;
    const meta = namespace === undefined ? { name } : { name, namespace };
    return { apiVersion, kind, metadata: meta, ...(status === undefined ? {} : { status }) } as unknown as T;
  }
  const hasStatus = resource.subresources.some(({ name }) => name === "status");
  return (hasStatus ? rest : applied) as T;
}

function ownedLeaves(shape: Shape, object: object): Map<string, unknown> {
  const leaves = leavesOf(shape, object);
  for (const path of UNOWNED) leaves.delete(path);
  for (const path of leaves.keys()) {
    // managedFields is one leaf, but a label is not: only whole paths are unowned, and what lies below managedFields.
    if (path.startsWith(MANAGED_FIELDS)) leaves.delete(path);
  }
  return leaves;
}
const MANAGED_FIELDS = pathOf([fieldElement("metadata"), fieldElement("managedFields")]);

/** Removes what `previous` applied and nobody owns any more: leaves, and messages whose last owned field is gone. */
function dropAbandoned<T>(shape: Shape, merged: T, previous: Manager, owned: readonly ReadonlySet<string>[]): T {
  const needed = new Set<string>();
  for (const set of owned) for (const path of set) for (const prefix of prefixesOf(path)) needed.add(prefix);
  const abandoned = new Set<string>();
  for (const path of previous.fields) {
    // The shortest prefix that nobody needs takes everything below with it.
    const root = prefixesOf(path).find((prefix) => !needed.has(prefix));
    if (root !== undefined) abandoned.add(root);
  }
  let result: unknown = merged;
  for (const path of abandoned) result = removePath(shape, result, elementsOf(path));
  return result as T;
}

function prefixesOf(path: string): string[] {
  const elements = elementsOf(path);
  return elements.map((_, index) => pathOf(elements.slice(0, index + 1)));
}

function conflictError(conflicts: readonly { other: Manager; paths: string[] }[]): TriremeError {
  const named = conflicts.map(({ other, paths }) => {
    const subresource = other.subresource === "" ? "" : ` with subresource "${other.subresource}"`;
    const using = other.operation === "Update" ? ` using ${other.apiVersion}` : "";
    return { who: `"${other.manager}"${subresource}${using}`, paths: paths.map(formatPath).toSorted() };
  });
  const count = named.reduce((sum, { paths }) => sum + paths.length, 0);
  const parts = named.map(({ who, paths }) =>
    paths.length === 1
      ? `conflict with ${who}: ${paths[0]}`
      : `conflicts with ${who}:\n${paths.map((path) => `- ${path}`).join("\n")}`,
  );
  const message = `Apply failed with ${count} ${count === 1 ? "conflict" : "conflicts"}: ${parts.join("\n")}`;
  const causes = named.flatMap(({ who, paths }) =>
    paths.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${who}`, field })),
  );
  return new TriremeError("Conflict", message, { details: { causes } });
}

function withManagers<T extends KubeObject>(object: T, managers: readonly Manager[]): T {
  return withEntries(object, writeManagers(managers));
}

function withEntries<T extends KubeObject>(object: T, entries: ManagedFieldsEntry[] | undefined): T {
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata: { ...metadata, ...(entries?.length ? { managedFields: entries } : {}) } };
}
