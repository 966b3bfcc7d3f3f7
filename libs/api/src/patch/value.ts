import { TriremeError } from "@trireme/base";

/** A parsed JSON object. */
export type JsonObject = Record<string, unknown>;

/** Patches nest no deeper than the objects that they change, and recursion stays far from the stack's end. */
const MAX_DEPTH = 100;

/** Whether a parsed JSON value is an object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws BadRequest for a value nested deeper than any object may be. */
export function checkDepth(value: unknown): void {
  // Not recursive: the parser accepts nesting that would exhaust the stack.
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new TriremeError("BadRequest", `the patch is nested deeper than ${MAX_DEPTH} levels`);
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
}

/** Whether two JSON values are equal; the order of keys does not count. */
export function jsonEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => jsonEqual(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]));
}
