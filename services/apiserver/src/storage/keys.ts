import type { Resource } from "@trireme/api";

/** Everything that is ours in the store starts with this. */
export const REGISTRY_PREFIX = "/registry/";

/** The part of a resource that its keys name. */
export type GroupResource = Pick<Resource, "group" | "resource">;

/** What a key tells, e.g. `/registry/apps/deployments/default/web`. */
export interface ParsedKey {
  /** `core` or the group, `/`, the plural: what {@link resourceId} gives. */
  readonly resourceId: string;
  /** `<namespace>/<name>`, or the name alone for what has no namespace. */
  readonly path: string;
}

/** The identity of a resource inside keys, e.g. `core/pods`. Versions share one. */
export function resourceId(resource: GroupResource): string {
  return `${resource.group === "" ? "core" : resource.group}/${resource.resource}`;
}

/** The prefix of a resource's keys, or of one namespace's. */
export function prefixOf(resource: GroupResource, namespace?: string): string {
  const all = `${REGISTRY_PREFIX}${resourceId(resource)}/`;
  return namespace === undefined || namespace === "" ? all : `${all}${namespace}/`;
}

/** The part of an object's key after its resource's prefix. */
export function pathOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** The key of one object. */
export function keyOfObject(resource: GroupResource, namespace: string | undefined, name: string): string {
  return `${REGISTRY_PREFIX}${resourceId(resource)}/${pathOf(namespace, name)}`;
}

/** Takes a key apart; undefined for keys that are not under the registry or too short. */
export function parseKey(key: string): ParsedKey | undefined {
  if (!key.startsWith(REGISTRY_PREFIX)) return undefined;
  const group = key.indexOf("/", REGISTRY_PREFIX.length);
  if (group === -1) return undefined;
  const resource = key.indexOf("/", group + 1);
  if (resource === -1) return undefined;
  return { resourceId: key.slice(REGISTRY_PREFIX.length, resource), path: key.slice(resource + 1) };
}

/** The fence of one election; its mod revision is the token. */
export function fenceKey(election: string): string {
  return `${REGISTRY_PREFIX}fences/${election}`;
}

/** What can be allocated cluster-wide. */
export type RangeKind = "serviceips" | "nodeports" | "podcidrs";

/** The prefix of all claims of one kind. */
export function rangePrefix(kind: RangeKind): string {
  return `${REGISTRY_PREFIX}ranges/${kind}/`;
}

/** The key that claims one address, port or block; a block's slash would look like a path, so it is written `-`. */
export function rangeKey(kind: RangeKind, value: string): string {
  return `${rangePrefix(kind)}${value.replace("/", "-")}`;
}
