import { type JsonObject, isObject } from "../patch/value.ts";
import { type Shape, keyElement, valueElement } from "./field-set.ts";

/** Lays an applied configuration over a live value: what it says wins, what it does not mention stays. */
export function mergeApplied(shape: Shape, live: unknown, applied: unknown): unknown {
  if (live === undefined) return applied;
  switch (shape.type) {
    case "leaf":
      return applied;
    case "object": {
      if (!isObject(live) || !isObject(applied)) return applied;
      const result = new Map(Object.entries(live));
      for (const [key, value] of Object.entries(applied)) {
        result.set(key, mergeApplied(shape.child(key), result.get(key), value));
      }
      return Object.fromEntries(result);
    }
    case "set":
      return mergeList(live, applied, valueElement, (_, item) => item);
    case "keyed": {
      const nameOf = (item: unknown): string => keyElement(item as JsonObject, shape.keys);
      return mergeList(live, applied, nameOf, (old, item) => mergeApplied(shape.item, old, item));
    }
  }
}

/**
 * The applied elements in their order; the live ones that they do not name stand where they stood, and before what is
 * new there.
 */
function mergeList(
  live: unknown,
  applied: unknown,
  nameOf: (item: unknown) => string,
  merge: (old: unknown, item: unknown) => unknown,
): unknown {
  if (!Array.isArray(live) || !Array.isArray(applied)) return applied;
  const names = live.map(nameOf);
  const places = new Map(names.map((name, index) => [name, index]));
  const wanted = new Set(applied.map(nameOf));
  const result: unknown[] = [];
  let at = 0;
  const takeOthers = (): void => {
    for (; at < live.length && !wanted.has(names[at]!); at++) result.push(live[at]);
  };
  for (const item of applied) {
    takeOthers();
    const place = places.get(nameOf(item));
    result.push(place === undefined ? item : merge(live[place], item));
    // An element that moved up leaves behind those that stood before it: they are taken on the way.
    for (; place !== undefined && at <= place; at++) if (!wanted.has(names[at]!)) result.push(live[at]);
  }
  for (; at < live.length; at++) if (!wanted.has(names[at]!)) result.push(live[at]);
  return result;
}

/** Removes what stands at a path; inputs are left unchanged. */
export function removePath(shape: Shape, value: unknown, elements: readonly string[]): unknown {
  const [element, ...rest] = elements;
  if (element === undefined) return undefined;
  if (shape.type === "object" && isObject(value)) {
    const key = element.slice(2);
    if (!Object.hasOwn(value, key)) return value;
    const child = rest.length === 0 ? undefined : removePath(shape.child(key), value[key], rest);
    const entries = Object.entries(value).filter(([name]) => name !== key || child !== undefined);
    return Object.fromEntries(entries.map(([name, item]) => [name, name === key ? child : item]));
  }
  if (shape.type === "set" && Array.isArray(value)) {
    return emptied(value.filter((item) => valueElement(item) !== element));
  }
  if (shape.type === "keyed" && Array.isArray(value)) {
    const items = value.flatMap((item: unknown) => {
      if (keyElement(item as JsonObject, shape.keys) !== element) return [item];
      return rest.length === 0 ? [] : [removePath(shape.item, item, rest)];
    });
    return emptied(items);
  }
  return value;
}

/** A list whose last element goes, goes as well: nobody asked for an empty one. */
function emptied(list: unknown[]): unknown[] | undefined {
  return list.length === 0 ? undefined : list;
}
