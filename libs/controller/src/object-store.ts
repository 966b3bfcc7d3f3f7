import { assert } from "@trireme/base";
import type { ApiObject } from "@trireme/client";
import type { Change } from "./informer-types.ts";

/** Key of an object in stores, queues and streams: `<namespace>/<name>`, with an empty namespace for cluster scope. */
export function keyOfObject(object: ApiObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;
}

/** An object's revision as a number; 0 if it has none. */
export function revisionOf(object: ApiObject): number {
  const revision = Number(object.metadata.resourceVersion ?? 0);
  return Number.isSafeInteger(revision) ? revision : 0;
}

interface Index<T> {
  readonly indexOf: (object: T) => readonly string[];
  readonly entries: Map<string, Map<string, T>>;
}

/** Objects by key and by index. Pure; an object never goes back to an earlier revision by `put` or `remove`. */
export class ObjectStore<T extends ApiObject> {
  private readonly objects = new Map<string, T>();
  private readonly indexes = new Map<string, Index<T>>();

  get size(): number {
    return this.objects.size;
  }

  get(key: string): T | undefined {
    return this.objects.get(key);
  }

  all(): readonly T[] {
    return [...this.objects.values()];
  }

  keys(): readonly string[] {
    return [...this.objects.keys()];
  }

  byIndex(name: string, value: string): readonly T[] {
    const index = this.indexes.get(name);
    assert(index !== undefined, `there is no index ${name}`);
    return [...(index?.entries.get(value)?.values() ?? [])];
  }

  addIndex(name: string, indexOf: (object: T) => readonly string[]): void {
    if (this.indexes.has(name)) return;
    const index: Index<T> = { indexOf, entries: new Map() };
    this.indexes.set(name, index);
    for (const [key, object] of this.objects) enter(index, key, object);
  }

  /** Takes over an object at its revision, unless the store has that revision or a later one. */
  put(key: string, object: T, revision: number): Change<T> | undefined {
    const old = this.objects.get(key);
    if (old !== undefined && revisionOf(old) >= revision) return undefined;
    return this.set(key, object, old);
  }

  /** Takes out an object that was deleted at `revision`, unless the store has a later incarnation of it. */
  remove(key: string, revision: number): Change<T> | undefined {
    const old = this.objects.get(key);
    if (old === undefined || revisionOf(old) > revision) return undefined;
    return this.drop(key, old);
  }

  /** Makes the store equal to a list; answers what changed. */
  replace(objects: readonly T[]): Change<T>[] {
    const changes: Change<T>[] = [];
    const present = new Set<string>();
    for (const object of objects) {
      const key = keyOfObject(object);
      present.add(key);
      const old = this.objects.get(key);
      if (old === undefined || revisionOf(old) !== revisionOf(object)) changes.push(this.set(key, object, old));
    }
    for (const [key, old] of [...this.objects]) if (!present.has(key)) changes.push(this.drop(key, old));
    return changes;
  }

  private set(key: string, object: T, old: T | undefined): Change<T> {
    for (const index of this.indexes.values()) {
      if (old !== undefined) leave(index, key, old);
      enter(index, key, object);
    }
    this.objects.set(key, object);
    return old === undefined ? { type: "added", key, object } : { type: "modified", key, object, old };
  }

  private drop(key: string, old: T): Change<T> {
    this.objects.delete(key);
    for (const index of this.indexes.values()) leave(index, key, old);
    return { type: "deleted", key, object: old, old };
  }
}

function enter<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.indexOf(object)) {
    const entry = index.entries.get(value);
    if (entry === undefined) index.entries.set(value, new Map([[key, object]]));
    else entry.set(key, object);
  }
}

function leave<T>(index: Index<T>, key: string, object: T): void {
  for (const value of index.indexOf(object)) {
    const entry = index.entries.get(value);
    entry?.delete(key);
    if (entry?.size === 0) index.entries.delete(value);
  }
}
