import type { ApiList, ApiObject, ListOptions, WatchEvent, WatchOptions } from "@trireme/client";

/** The three reads that an informer needs of the API; a `ResourceClient` wrapped by `listWatchOf` is one. */
export interface ListWatch<T extends ApiObject> {
  list(options: Pick<ListOptions, "fieldSelector" | "signal">): Promise<ApiList<T>>;
  watch(options: WatchOptions, onEvent: (event: WatchEvent<T>) => void): Promise<void>;
  /** One object by key; throws `NotFound`. */
  get(namespace: string, name: string): Promise<T>;
}

/** What became of one object in the informer's store. */
export interface Change<T> {
  readonly type: "added" | "modified" | "deleted";
  /** `<namespace>/<name>`; the namespace is empty for cluster-scoped objects. */
  readonly key: string;
  readonly object: T;
  readonly old?: T;
}

/**
 * A local copy of one resource (of one field selector), kept up by API watch or by the relay's stream, whichever is
 * alive. Objects are frozen by convention: never mutate what you get.
 */
export interface Informer<T extends ApiObject> {
  /** Resolves when the first list is in the store. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  get(namespace: string, name: string): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects for which the index function of that name answered `value`. */
  byIndex(indexName: string, value: string): readonly T[];
  /** Adding the same name twice is a no-op: informers are shared. */
  addIndex(name: string, indexOf: (object: T) => readonly string[]): void;
  /** Calls `listener` for each change from now on, and at once with `added` for what is there. Returns a function that stops it. */
  onChange(listener: (change: Change<T>) => void): () => void;
  /** Revision up to which everything has been applied. */
  readonly revision: number;
  /** How it is being kept up now; `idle` before start and after stop. */
  readonly mode: "idle" | "listing" | "watch" | "stream";
  start(): void;
  stop(): void;
}
