import { type JsonObject, jsonEqual } from "../patch/value.ts";
import { type Shape, below, fieldElement, keyElement, valueElement, visitLeaves } from "./field-set.ts";

/** What differs between two objects, as paths of leaves. */
export interface Difference {
  /** What the newer one added or gave another value. */
  readonly changed: ReadonlySet<string>;
  readonly removed: ReadonlySet<string>;
}

/**
 * Compares two objects of one shape. Most writes change a leaf or two, so paths are spelled out only where the objects
 * differ.
 */
export function compare(shape: Shape, before: unknown, after: unknown): Difference {
  const comparison = new Comparison();
  comparison.values(shape, before, after, "");
  return comparison;
}

class Comparison implements Difference {
  readonly changed = new Set<string>();
  readonly removed = new Set<string>();

  values(shape: Shape, before: unknown, after: unknown, path: string): void {
    if (before === undefined) this.all(shape, after, path, this.changed);
    else if (after === undefined) this.all(shape, before, path, this.removed);
    else if (jsonEqual(before, after)) return;
    else if (isEmptyOrLeaf(shape, before) || isEmptyOrLeaf(shape, after)) this.replaced(shape, before, after, path);
    else if (shape.type === "object") this.objects(shape, before as JsonObject, after as JsonObject, path);
    else if (shape.type === "set") this.sets(before as unknown[], after as unknown[], path);
    else if (shape.type === "keyed") this.keyed(shape, before as JsonObject[], after as JsonObject[], path);
  }

  private all(shape: Shape, value: unknown, path: string, into: Set<string>): void {
    visitLeaves(shape, value, path, (leaf) => into.add(leaf));
  }

  /** One of the two is itself a leaf: a scalar, a value with one owner, or an empty container. */
  private replaced(shape: Shape, before: unknown, after: unknown, path: string): void {
    this.all(shape, before, path, this.removed);
    this.all(shape, after, path, this.changed);
    for (const leaf of this.changed) this.removed.delete(leaf);
  }

  private objects(shape: Shape & { type: "object" }, before: JsonObject, after: JsonObject, path: string): void {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      const [old, now] = [before[key], after[key]];
      if (old === now) continue;
      const at = below(path, fieldElement(key));
      const child = shape.child(key);
      if (shape.isMap && child.type !== "leaf") this.presence(old, now, at);
      this.values(child, old, now, at);
    }
  }

  private sets(before: readonly unknown[], after: readonly unknown[], path: string): void {
    const [old, now] = [new Set(before.map(valueElement)), new Set(after.map(valueElement))];
    for (const item of now) if (!old.has(item)) this.changed.add(below(path, item));
    for (const item of old) if (!now.has(item)) this.removed.add(below(path, item));
  }

  private keyed(shape: Shape & { type: "keyed" }, before: JsonObject[], after: JsonObject[], path: string): void {
    const named = (items: JsonObject[]) => new Map(items.map((item) => [keyElement(item, shape.keys), item]));
    const [old, now] = [named(before), named(after)];
    for (const name of new Set([...old.keys(), ...now.keys()])) {
      const at = below(path, name);
      this.presence(old.get(name), now.get(name), at);
      this.values(shape.item, old.get(name), now.get(name), at);
    }
  }

  private presence(before: unknown, after: unknown, path: string): void {
    if (before === undefined) this.changed.add(path);
    if (after === undefined) this.removed.add(path);
  }
}

function isEmptyOrLeaf(shape: Shape, value: unknown): boolean {
  if (shape.type === "leaf" || typeof value !== "object" || value === null) return true;
  return (shape.type === "object") === Array.isArray(value) || Object.keys(value).length === 0;
}
