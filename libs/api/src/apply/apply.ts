import { TriremeError } from "@trireme/base";
import type { ManagedFieldsEntry } from "../kinds.ts";
import { type KubeObject, type Resource, apiVersionOf } from "../resources.ts";
import { compare } from "./compare.ts";
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
import {
  hasBelow,
  hasPath,
  pathsIn,
  sameTree,
  treeFrom,
  withPaths,
  withoutPaths,
  type FieldTree,
} from "./field-tree.ts";
import { type Manager, readManagers, sameManager, writeManagers } from "./ownership.ts";
import { mergeApplied, removePath } from "./merge.ts";

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

/** Fields of metadata that nobody owns: they name the object, or the server alone writes them. */
const UNOWNED_METADATA: ReadonlySet<string> = new Set([
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
  const fields = treeFrom(leavesOf(shape, ownable(applied)));

  let merged = (live === undefined ? applied : mergeApplied(shape, live, applied)) as T;
  if (previous !== undefined) merged = dropAbandoned(shape, merged, previous, [...others.map((o) => o.fields), fields]);
  const { changed, removed } = compare(shape, live === undefined ? undefined : ownable(live), ownable(merged));
  const conflicts = others
    .map((other) => ({ other, paths: [...changed].filter((path) => hasPath(other.fields, path)) }))
    .filter(({ paths }) => paths.length > 0);
  if (conflicts.length > 0 && !request.force) throw conflictError(conflicts);

  const lost = [...changed, ...removed];
  const rest = others.map((other) => ({ ...other, fields: withoutPaths(other.fields, lost) }));
  const unchanged = previous !== undefined && sameTree(previous.fields, fields) && changed.size + removed.size === 0;
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
  const { changed, removed } = compare(shape, live === undefined ? undefined : ownable(live), ownable(updated));
  if (live !== undefined && changed.size + removed.size === 0) {
    return reset ? withManagers(updated, []) : withEntries(updated, live.metadata.managedFields);
  }
  const self = { manager, operation: "Update", apiVersion: apiVersionOf(resource), subresource } as const;
  const previous = managers.find((other) => sameManager(other, self));
  const rest = managers
    .filter((other) => other !== previous)
    .map((other) => ({ ...other, fields: withoutPaths(withoutPaths(other.fields, changed), removed) }));
  const fields = withPaths(withoutPaths(previous?.fields ?? {}, removed), changed);
  return withManagers(updated, [...rest, { ...self, time: request.now, fields }]);
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

/** The object without what nobody owns. */
function ownable(object: KubeObject): object {
  const { apiVersion: _a, kind: _k, metadata, ...rest } = object;
  const owned = Object.entries(metadata).filter(([key]) => !UNOWNED_METADATA.has(key));
  return owned.length === 0 ? rest : { metadata: Object.fromEntries(owned), ...rest };
}

const METADATA = fieldElement("metadata");

/** Removes what `previous` applied and nobody owns any more: leaves, and messages whose last owned field is gone. */
function dropAbandoned<T>(shape: Shape, merged: T, previous: Manager, owned: readonly FieldTree[]): T {
  const abandoned = new Set<string>();
  for (const path of pathsIn(previous.fields)) {
    const elements = elementsOf(path);
    // Metadata itself stays: the object's name is in it, though nobody owns that.
    for (let length = elements[0] === METADATA ? 2 : 1; length <= elements.length; length++) {
      const prefix = elements.slice(0, length);
      if (owned.some((tree) => hasBelow(tree, prefix))) continue;
      // The shortest prefix that nobody needs takes everything below with it.
      abandoned.add(pathOf(prefix));
      break;
    }
  }
  let result: unknown = merged;
  for (const path of abandoned) result = removePath(shape, result, elementsOf(path));
  return result as T;
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
