import { TriremeError } from "@trireme/base";
import type { Field, Message, Need } from "../schema/notation.ts";
import { type JsonObject, checkDepth, isObject } from "./value.ts";

const PATCH = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";
const SET_ORDER = "$setElementOrder/";

/**
 * Strategic merge patch (kubernetes/community `strategic-merge-patch.md`): JSON merge patch that merges lists by the
 * keys that the schema names, with the directives $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
 * Inputs are left unchanged. The result may have fields that the kind does not know: decode it again.
 */
export function strategicMergePatch(schema: Message, original: unknown, patch: unknown): unknown {
  if (!isObject(patch)) throw new TriremeError("BadRequest", "a strategic merge patch is an object");
  checkDepth(patch);
  return mergeObject(schema, isObject(original) ? original : {}, patch);
}

/** What is known of a value: its message, the field that holds it, or nothing (free objects, unknown fields). */
type Schema = Message | Field<unknown, Need> | undefined;

function fieldOf(schema: Schema, key: string): Schema {
  if (schema === undefined) return undefined;
  if ("fields" in schema) return Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
  const { of, shape } = schema.facts;
  if (shape === "map") return typeof of === "string" ? undefined : of;
  return typeof of === "string" ? undefined : fieldOf(of, key);
}

function itemOf(schema: Schema): Schema {
  if (schema === undefined || "fields" in schema) return schema;
  return typeof schema.facts.of === "string" ? undefined : schema.facts.of;
}

function mergeObject(schema: Schema, original: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch[PATCH];
  if (directive === "replace") return clean(patch) as JsonObject;
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") {
    throw new TriremeError("BadRequest", `unknown $patch directive ${JSON.stringify(directive)}`);
  }
  const result = new Map(Object.entries(original));
  const retain = patch[RETAIN_KEYS];
  if (Array.isArray(retain)) {
    for (const key of result.keys()) if (!retain.includes(key)) result.delete(key);
  }
  const orders = new Map<string, unknown[]>();
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH || key === RETAIN_KEYS) continue;
    if (key.startsWith(SET_ORDER)) {
      orders.set(key.slice(SET_ORDER.length), listDirective(key, value));
    } else if (key.startsWith(DELETE_FROM_LIST)) {
      const field = key.slice(DELETE_FROM_LIST.length);
      const current = result.get(field);
      const gone = listDirective(key, value);
      if (Array.isArray(current))
        result.set(
          field,
          current.filter((item) => !gone.includes(item)),
        );
    } else if (value === null) {
      result.delete(key);
    } else {
      result.set(key, mergeValue(fieldOf(schema, key), result.get(key), value));
    }
  }
  for (const [key, order] of orders) {
    const merged = result.get(key);
    const before = original[key];
    if (!Array.isArray(merged)) continue;
    const mergeKey = patchKeyOf(fieldOf(schema, key));
    result.set(key, inOrder(merged, order, Array.isArray(before) ? before : [], mergeKey));
  }
  return Object.fromEntries(result);
}

function listDirective(key: string, value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TriremeError("BadRequest", `the value of ${key} must be a list`);
}

function patchKeyOf(schema: Schema): string | undefined {
  return schema === undefined || "fields" in schema ? undefined : schema.facts.rule.patchKey;
}

function mergeValue(schema: Schema, original: unknown, patch: unknown): unknown {
  if (isObject(patch) && isObject(original)) return mergeObject(schema, original, patch);
  const mergeKey = patchKeyOf(schema);
  if (Array.isArray(patch) && Array.isArray(original) && mergeKey !== undefined) {
    return mergeKey === "" ? union(original, patch) : mergeList(schema, original, patch, mergeKey);
  }
  return clean(patch);
}

function union(original: unknown[], patch: unknown[]): unknown[] {
  return [...original, ...patch.filter((item) => !original.includes(item))];
}

function mergeList(schema: Schema, original: unknown[], patch: unknown[], mergeKey: string): unknown[] {
  const isReplace = (item: unknown): boolean => isObject(item) && item[PATCH] === "replace";
  // One element that says replace, of its own or among others, replaces the list whole.
  if (patch.some(isReplace)) {
    const rest = patch.map((item) => (isReplace(item) ? withoutDirective(item as JsonObject) : item));
    return clean(rest.filter((item) => !isObject(item) || Object.keys(item).length > 0)) as unknown[];
  }
  const result = [...original];
  for (const item of patch) {
    if (!isObject(item)) throw new TriremeError("BadRequest", `elements merged by "${mergeKey}" must be objects`);
    if (item[mergeKey] === undefined) {
      throw new TriremeError("BadRequest", `an element of the patch lacks its merge key "${mergeKey}"`);
    }
    const at = result.findIndex((other) => sameKey(other, item, mergeKey));
    if (item[PATCH] === "delete") {
      if (at !== -1) result.splice(at, 1);
    } else if (at === -1) {
      result.push(clean(item));
    } else {
      result[at] = mergeObject(itemOf(schema), result[at] as JsonObject, item);
    }
  }
  return result;
}

function sameKey(a: unknown, b: unknown, mergeKey: string): boolean {
  if (!isObject(a) || !isObject(b)) return a === b;
  return String(a[mergeKey]) === String(b[mergeKey]);
}

/**
 * Puts the elements that the order names in that order, and weaves the others, which only the server has, in between,
 * each before the first named one that it stood before (apimachinery `patch.go` mergeSortedSlice).
 */
function inOrder(merged: unknown[], order: unknown[], before: unknown[], mergeKey: string | undefined): unknown[] {
  const same = (a: unknown, b: unknown): boolean => sameKey(a, b, mergeKey ?? "");
  const place = (list: unknown[], item: unknown): number => list.findIndex((other) => same(other, item));
  const named = order.flatMap((key) => merged.filter((item) => same(item, key)));
  const others = merged.filter((item) => place(order, item) === -1);
  const result: unknown[] = [];
  for (const item of named) {
    const itemPlace = place(before, item);
    while (others.length > 0 && itemPlace !== -1) {
      const otherPlace = place(before, others[0]);
      if (otherPlace === -1 || otherPlace >= itemPlace) break;
      result.push(others.shift());
    }
    result.push(item);
  }
  return [...result, ...others];
}

function withoutDirective({ [PATCH]: _directive, ...rest }: JsonObject): JsonObject {
  return rest;
}

/** A value taken from the patch as it is, without nulls and directives. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !isObject(item) || item[PATCH] !== "delete").map(clean);
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(
    ([key, item]) =>
      item !== null &&
      key !== PATCH &&
      key !== RETAIN_KEYS &&
      !key.startsWith(SET_ORDER) &&
      !key.startsWith(DELETE_FROM_LIST),
  );
  return Object.fromEntries(entries.map(([key, item]) => [key, clean(item)]));
}
