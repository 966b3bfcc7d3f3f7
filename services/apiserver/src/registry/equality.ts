import type { KubeObject } from "@trireme/api";

/** Whether two JSON values are equal; a field that is undefined counts as absent. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => deepEqual(item, b[i]));
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key of Object.keys(left)) if (!deepEqual(left[key], right[key])) return false;
  for (const key of Object.keys(right)) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

/**
 * Whether writing `next` over `current` would change nothing that anybody reads: times of managed fields and the
 * resourceVersion aside. Such a write is not made, so that applying the same manifest twice is no event.
 */
export function sameObject(current: KubeObject, next: KubeObject): boolean {
  return deepEqual(comparable(current), comparable(next));
}

function comparable(object: KubeObject): unknown {
  const { resourceVersion: _, managedFields, ...metadata } = object.metadata;
  const owners = managedFields?.map(({ time: __, ...entry }) => entry);
  return { ...object, metadata: { ...metadata, managedFields: owners } };
}
