import type { KubeObject, Resource } from "@trireme/api";
import { ListRequest, WatchRequest } from "@trireme/proto/trireme/api/v1/manifest";
import { sleep } from "@trireme/base";
import { type StatusError, errorFromStatus, isBroken } from "./status-error.ts";
import type { CallSettings, Transport } from "./transport.ts";

/** What to read of many. */
export interface Selection {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** Where to begin, and until when. */
export interface WatchOptions extends Selection, CallSettings {
  /** Changes after this one; absent: first every present object as ADDED, then the changes. */
  readonly resourceVersion?: string;
}

/** One change. `resourceVersion` is where a later watch would go on. */
export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
  readonly resourceVersion: string;
}

/** A list as of one revision. */
export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Set when the list was cut at its limit. */
  readonly continueToken: string | undefined;
}

/** How to list. */
export interface ListOptions extends Selection, CallSettings {
  readonly limit?: number;
  readonly continueToken?: string;
  /** `"0"`: any state that the server has at hand; absent: the newest. */
  readonly resourceVersion?: string;
}

/** Pause before a watch or log that broke is opened again. */
const REOPEN_MS = 250;

/** Waits before a stream that broke is opened again; false when nobody wants it any longer. */
export async function reopens(signal: AbortSignal | undefined): Promise<boolean> {
  return sleep(REOPEN_MS, signal).then(
    () => true,
    () => false,
  );
}

/** Lists the objects of one kind. */
export async function list<T extends KubeObject>(
  transport: Transport,
  resource: Resource<T>,
  namespace: string,
  options: ListOptions,
): Promise<ObjectList<T>> {
  const { labelSelector, fieldSelector, resourceVersion, continueToken, limit, ...settings } = options;
  const request = ListRequest.fromPartial({
    resource,
    namespace,
    labelSelector: labelSelector ?? "",
    fieldSelector: fieldSelector ?? "",
    resourceVersion: resourceVersion ?? "",
    continueToken: continueToken ?? "",
    limit: BigInt(limit ?? 0),
  });
  const answer = await transport.unary<{ json: Buffer[]; resourceVersion: string; continueToken: string }>(
    `list ${resource.resource}`,
    "read",
    settings,
    (client, metadata, callOptions, done) => client.list(request, metadata, callOptions, done),
  );
  return {
    items: answer.json.map((bytes) => JSON.parse(bytes.toString()) as T),
    resourceVersion: answer.resourceVersion,
    continueToken: answer.continueToken === "" ? undefined : answer.continueToken,
  };
}

/**
 * Follows the objects of one kind, over as many connections and servers as it takes: after a break it goes on behind the
 * last event, so none is lost or told twice. Throws `Expired` when the server no longer knows what came after: list
 * again. Ends when the signal aborts; throws `Timeout` when its own deadline has passed.
 */
export async function* watch<T extends KubeObject>(
  transport: Transport,
  resource: Resource<T>,
  namespace: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const { signal, timeoutMs } = options;
  const what = `watch ${resource.resource}`;
  const until = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
  const settings = (): CallSettings => ({
    ...(signal === undefined ? {} : { signal }),
    ...(until === undefined ? {} : { timeoutMs: Math.max(1, until - Date.now()) }),
  });
  const { labelSelector, fieldSelector } = options;
  const selection = { labelSelector: labelSelector ?? "", fieldSelector: fieldSelector ?? "" };
  let version = options.resourceVersion;
  if (version === undefined) {
    const present = await list(transport, resource, namespace, {
      ...selection,
      ...(signal === undefined ? {} : { signal }),
    });
    for (const object of present.items) {
      yield { type: "ADDED", object, resourceVersion: object.metadata.resourceVersion ?? "" };
    }
    version = present.resourceVersion;
  }
  for (;;) {
    const request = WatchRequest.fromPartial({
      resource,
      namespace,
      ...selection,
      resourceVersion: version,
      // They move the place to go on from, also while nothing happens to what is watched.
      allowBookmarks: true,
    });
    const messages = transport.stream(what, settings(), (client, metadata, callOptions) =>
      client.watch(request, metadata, callOptions),
    );
    try {
      for await (const { type, json } of messages) {
        const object = JSON.parse(json.toString()) as T;
        if (type === "ERROR") throw errorFromStatus(object as object);
        version = object.metadata.resourceVersion ?? version;
        if (type !== "BOOKMARK") yield { type: type as WatchEvent<T>["type"], object, resourceVersion: version };
      }
    } catch (thrown) {
      if (signal?.aborted === true) return;
      if (!isBroken(thrown as StatusError)) throw thrown;
    }
    // A server that stops ends its watches: go on at the next one.
    if (!(await reopens(signal))) return;
  }
}
