import { type JsonObject, isObject } from "../patch/value.ts";
import { below, elementsOf } from "./field-set.ts";

/**
 * A set of paths in its `fieldsV1` form: a tree of path elements, in which an empty node is a member, and `.` says that
 * an inner node is one as well. Trees are never changed, only rebuilt along the paths that change.
 */
export type FieldTree = Readonly<JsonObject>;

const SELF = ".";
const LEAF: JsonObject = {};

/** Reads `fieldsV1`; what is no tree is empty. */
export function treeOf(fieldsV1: unknown): FieldTree {
  return isObject(fieldsV1) ? fieldsV1 : {};
}

/** Whether a set has no members. */
export function isEmpty(tree: FieldTree): boolean {
  return Object.keys(tree).length === 0;
}

/** Whether a path is a member. */
export function hasPath(tree: FieldTree, path: string): boolean {
  let node: unknown = tree;
  for (const element of elementsOf(path)) {
    node = isObject(node) && Object.hasOwn(node, element) ? node[element] : undefined;
    if (node === undefined) return false;
  }
  return isMember(node as JsonObject);
}

/** Whether a path or anything below it is a member. */
export function hasBelow(tree: FieldTree, elements: readonly string[]): boolean {
  let node: unknown = tree;
  for (const element of elements) {
    if (!isObject(node) || !Object.hasOwn(node, element)) return false;
    node = node[element];
  }
  return true;
}

function isMember(node: JsonObject): boolean {
  return isEmpty(node) || Object.hasOwn(node, SELF);
}

/** All members, as paths. */
export function pathsIn(tree: FieldTree): string[] {
  const paths: string[] = [];
  const walk = (node: JsonObject, path: string): void => {
    if (path !== "" && isMember(node)) paths.push(path);
    for (const [element, child] of Object.entries(node)) {
      if (element !== SELF && isObject(child)) walk(child, below(path, element));
    }
  };
  walk(tree, "");
  return paths;
}

/** The set with more members. */
export function withPaths(tree: FieldTree, paths: Iterable<string>): FieldTree {
  let result = tree;
  for (const path of paths) {
    if (!hasPath(result, path)) result = insert(result, elementsOf(path), 0);
  }
  return result;
}

function insert(node: FieldTree, elements: readonly string[], at: number): JsonObject {
  const element = elements[at];
  if (element === undefined) return { ...node, [SELF]: LEAF };
  const child = Object.hasOwn(node, element) ? (node[element] as JsonObject) : undefined;
  const last = at === elements.length - 1;
  if (child === undefined) return { ...node, [element]: last ? LEAF : insert({}, elements, at + 1) };
  // An empty node was a member; with children it has to say so.
  const inner = isEmpty(child) && !last ? { [SELF]: LEAF } : child;
  return { ...node, [element]: insert(inner, elements, at + 1) };
}

/** The set without some members; the same tree when it has none of them. */
export function withoutPaths(tree: FieldTree, paths: Iterable<string>): FieldTree {
  let result = tree;
  for (const path of paths) {
    if (hasPath(result, path)) result = remove(result, elementsOf(path), 0) ?? {};
  }
  return result;
}

/** The node without the member; undefined when nothing is left of it. */
function remove(node: FieldTree, elements: readonly string[], at: number): JsonObject | undefined {
  const element = elements[at] ?? SELF;
  const { [element]: child, ...rest } = node;
  const left = at >= elements.length ? undefined : remove(child as JsonObject, elements, at + 1);
  if (left !== undefined) return { ...node, [element]: left };
  const members = Object.keys(rest);
  if (members.length === 0) return undefined;
  return members.length === 1 && members[0] === SELF ? LEAF : rest;
}

/** The set of the given paths. */
export function treeFrom(paths: Iterable<string>): FieldTree {
  return withPaths({}, paths);
}

/** Whether two sets have the same members. */
export function sameTree(a: FieldTree, b: FieldTree): boolean {
  const [left, right] = [pathsIn(a), new Set(pathsIn(b))];
  return left.length === right.size && left.every((path) => right.has(path));
}
