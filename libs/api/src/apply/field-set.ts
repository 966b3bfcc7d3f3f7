import { TriremeError } from "@trireme/base";
import type { Field, Message, Need } from "../schema/notation.ts";
import { type JsonObject, isObject } from "../patch/value.ts";

/**
 * Paths of fields, the currency of server-side apply (sigs.k8s.io/structured-merge-diff `fieldpath`). A path is the
 * elements from the root joined by {@link SEPARATOR}: `f:spec` names a field or map entry, `k:{"name":"a"}` an element
 * of a keyed list, `v:"x"` a member of a set.
 */

/** Between the elements of a path; JSON escapes it, so no element holds it. */
const SEPARATOR = "\u0000";

/** Keys of list elements that Kubernetes takes as given when an element leaves them out. */
const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

/** Splits a path into its elements. */
export function elementsOf(path: string): string[] {
  return path.split(SEPARATOR);
}

/** Joins elements to a path. */
export function pathOf(elements: readonly string[]): string {
  return elements.join(SEPARATOR);
}

/** The element of a field or map entry. */
export const fieldElement = (name: string): string => `f:${name}`;
/** The element of a member of a set. */
export const valueElement = (value: unknown): string => `v:${JSON.stringify(value)}`;

/** The element of an object in a keyed list. */
export function keyElement(item: JsonObject, keys: readonly string[]): string {
  const entries = keys.toSorted().map((key) => [key, item[key] ?? KEY_DEFAULTS[key] ?? null]);
  return `k:${JSON.stringify(Object.fromEntries(entries))}`;
}

/** How a value merges: `leaf` has one owner as a whole, `object` by fields, the lists by element. */
export type Shape =
  | { readonly type: "leaf" }
  | { readonly type: "object"; readonly child: (key: string) => Shape; readonly isMap: boolean }
  | { readonly type: "set" }
  | { readonly type: "keyed"; readonly keys: readonly string[]; readonly item: Shape };

const LEAF: Shape = { type: "leaf" };

/** The shape of a message. */
export function messageShape(message: Message): Shape {
  if (message.atomic) return LEAF;
  return objectShape(message);
}

/** The shape of the root, or of an element of a keyed list: merged by fields even if its message is atomic elsewhere. */
export function objectShape(message: Message): Shape {
  const child = (key: string): Shape => {
    const field = Object.hasOwn(message.fields, key) ? message.fields[key] : undefined;
    return field === undefined ? LEAF : fieldShape(field);
  };
  return { type: "object", child, isMap: false };
}

function fieldShape({ facts: { shape, of, rule, atomic } }: Field<unknown, Need>): Shape {
  const inner = typeof of === "string" ? LEAF : messageShape(of);
  if (shape === "one") return atomic ? LEAF : inner;
  if (shape === "map") return atomic ? LEAF : { type: "object", child: () => inner, isMap: true };
  if (rule.type === "set") return { type: "set" };
  return rule.type === "map" ? { type: "keyed", keys: rule.keys, item: inner } : LEAF;
}

/** The paths of a value that somebody can own. */
export function leavesOf(shape: Shape, value: unknown): Set<string> {
  const leaves = new Set<string>();
  visitLeaves(shape, value, "", (path) => leaves.add(path));
  return leaves;
}

/** Calls `visit` with the path of every leaf of a value, and of every map entry and list element. */
export function visitLeaves(shape: Shape, value: unknown, path: string, visit: (path: string) => void): void {
  const leaf = (): void => (path === "" ? undefined : visit(path));
  switch (shape.type) {
    case "leaf":
      return leaf();
    case "object": {
      if (!isObject(value) || Object.keys(value).length === 0) return leaf();
      for (const key of Object.keys(value)) {
        const at = below(path, fieldElement(key));
        const child = shape.child(key);
        // An entry of a map exists by itself, a field of a message through what it holds.
        if (shape.isMap && child.type !== "leaf") visit(at);
        visitLeaves(child, value[key], at, visit);
      }
      return;
    }
    case "set":
      if (!Array.isArray(value) || value.length === 0) return leaf();
      for (const item of value) visit(below(path, valueElement(item)));
      return;
    case "keyed":
      if (!Array.isArray(value) || value.length === 0) return leaf();
      for (const item of value as JsonObject[]) {
        const at = below(path, keyElement(item, shape.keys));
        visit(at);
        if (shape.item.type !== "leaf") visitLeaves(shape.item, item, at, visit);
      }
  }
}

/** The path of an element under another path; the root is the empty text. */
export function below(path: string, element: string): string {
  return path === "" ? element : path + SEPARATOR + element;
}

/** Throws BadRequest if a keyed list names the same element twice: nobody could say which of them is meant. */
export function checkDistinct(shape: Shape, value: unknown, path = ""): void {
  if (shape.type === "object" && isObject(value)) {
    for (const [key, item] of Object.entries(value)) checkDistinct(shape.child(key), item, `${path}.${key}`);
  } else if (shape.type === "keyed" && Array.isArray(value)) {
    const seen = new Set<string>();
    for (const item of value as JsonObject[]) {
      const key = keyElement(item, shape.keys);
      if (seen.has(key)) {
        throw new TriremeError("BadRequest", `${path}: duplicate entries for key ${key.slice(2)}`);
      }
      seen.add(key);
      checkDistinct(shape.item, item, `${path}${formatElement(key)}`);
    }
  }
}

/** `.spec.containers[name="a"].image`: a path for people. */
export function formatPath(path: string): string {
  return elementsOf(path).map(formatElement).join("");
}

function formatElement(element: string): string {
  const content = element.slice(2);
  if (element.startsWith("f:")) return `.${content}`;
  if (element.startsWith("v:")) return `[=${content}]`;
  const keys = Object.entries(JSON.parse(content) as JsonObject);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}
