/** What names a resource on the API; libs/api's `Resource` is one. */
export interface ResourceRef {
  readonly group: string;
  readonly version: string;
  /** Plural, e.g. `deployments`. */
  readonly resource: string;
  readonly namespaced: boolean;
}

/** The least that every API object has; libs/api's kinds are such objects. */
export interface ApiObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: {
    name?: string | undefined;
    namespace?: string | undefined;
    resourceVersion?: string | undefined;
    uid?: string | undefined;
  };
}

/** A list of objects at one revision. */
export interface ApiList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Present when the list was cut at `limit`. */
  readonly continue?: string;
}

/** How to select objects. */
export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** `"0"`: any state the server has at hand; absent: the newest. */
  readonly resourceVersion?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly signal?: AbortSignal;
}

/** One event of a watch. A BOOKMARK's object carries only `metadata.resourceVersion`. */
export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: T;
}

/** What to watch, and until when. */
export interface WatchOptions {
  /** Events after this revision. */
  readonly resourceVersion: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Default true: bookmarks are how a silent server is told from a dead one. */
  readonly allowBookmarks?: boolean;
  readonly signal?: AbortSignal;
  /** Called when the server has accepted the watch. */
  readonly onOpen?: () => void;
}

/** How a patch is to be read. */
export type PatchType = "merge" | "strategic" | "json" | "apply";

/** One patch. `body` is the patch itself, for `apply` the manifest. */
export interface PatchOptions {
  readonly type: PatchType;
  readonly body: unknown;
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly force?: boolean;
}

/** How to delete. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
}

/**
 * One resource, in one namespace if given, else in all (then only `list` and `watch`, and those calls whose object
 * names its namespace). Failures are TriremeErrors whose code is the Status' reason.
 */
export interface ResourceClient<T> {
  get(name: string): Promise<T>;
  list(options?: ListOptions): Promise<ApiList<T>>;
  create(object: T): Promise<T>;
  /** Replaces the object; its resourceVersion, when set, is a precondition. */
  update(object: T): Promise<T>;
  updateStatus(object: T): Promise<T>;
  patch(name: string, options: PatchOptions): Promise<T>;
  /** Answers the object, or the Status of its removal. */
  delete(name: string, options?: DeleteOptions): Promise<unknown>;
  /** POSTs or GETs a subresource, e.g. `binding`, `scale`. */
  subresource(method: "GET" | "POST" | "PUT", name: string, subresource: string, body?: unknown): Promise<unknown>;
  /**
   * Calls `onEvent` for each event, in order, until the server ends the watch (resolves), the signal aborts (resolves),
   * or it fails (rejects: `Expired`/`Gone` means the revision is too old, list again; anything else, watch again).
   */
  watch(options: WatchOptions, onEvent: (event: WatchEvent<T>) => void): Promise<void>;
}

/** An answer to {@link ApiClient.raw}, whatever its status. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** What a raw request may carry besides its body. */
export interface RawOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** What can be told that there are other servers now. */
export interface ServerSwitch {
  /** `host:port` of every server; an empty list changes nothing. */
  setServers(addresses: readonly string[]): void;
}

/** A client of every apiserver of one cluster. */
export interface ApiClient {
  /** `namespace`: where; absent: all namespaces, or the object's own for calls that carry or name one as `ns/name`. */
  resource<T extends ApiObject>(resource: ResourceRef, namespace?: string): ResourceClient<T>;
  /** Any request; answers whatever the server says, throws only when no answer came. `body` is JSON unless bytes or text. */
  raw(method: string, path: string, options?: RawOptions): Promise<RawResponse>;
  /**
   * A client that acts as this user on the same connections: who we are has to be allowed to, and what it may do is decided by
   * what that user may. Closing either closes both.
   */
  as(user: string): ApiClient;
  /** The server that requests go to first now, `host:port`. */
  readonly currentServer: string;
  /** Ends all connections and watches. */
  close(): void;
}
