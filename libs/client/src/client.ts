import { TriremeError } from "@trireme/base";
import { collectionPath, objectPath, queryString } from "./paths.ts";
import { errorFromResponse } from "./status-error.ts";
import { Transport, type TransportOptions } from "./transport.ts";
import type {
  ApiClient,
  ApiList,
  ApiObject,
  DeleteOptions,
  ListOptions,
  PatchOptions,
  PatchType,
  RawOptions,
  RawResponse,
  ResourceClient,
  ResourceRef,
  ServerSwitch,
  WatchEvent,
  WatchOptions,
} from "./types.ts";
import { runWatch } from "./watch.ts";

/** How to reach the apiservers, and as whom. */
export type ClientOptions = TransportOptions & {
  /** `host:port` of every apiserver, the preferred one first. */
  readonly servers: readonly string[];
  readonly userAgent: string;
  /** The fence of every write, `<election>=<revision>`, or undefined when not in office. */
  readonly fence?: () => string | undefined;
};

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml",
};

/** Creates a client of all apiservers of a cluster. Connects at the first call. */
export function createApiClient(options: ClientOptions): ApiClient & ServerSwitch {
  return clientOn(new Transport(options), options);
}

function clientOn(
  transport: Transport,
  options: Pick<ClientOptions, "userAgent" | "fence">,
  actsAs: Readonly<Record<string, string>> = {},
): ApiClient & ServerSwitch {
  function headersFor(method: string, extra: Readonly<Record<string, string>> = {}): Record<string, string | number> {
    const fence = method === "GET" ? undefined : options.fence?.();
    return {
      accept: "application/json",
      "user-agent": options.userAgent,
      ...actsAs,
      ...(fence === undefined ? {} : { "trireme-fence": fence }),
      ...extra,
    };
  }

  function toBody(body: unknown): Buffer | undefined {
    if (body === undefined) return undefined;
    if (body instanceof Uint8Array) return Buffer.from(body);
    return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  }

  const client: ApiClient & ServerSwitch = {
    resource<T extends ApiObject>(resource: ResourceRef, namespace?: string): ResourceClient<T> {
      return createResourceClient<T>(client, transport, headersFor, resource, namespace);
    },
    async raw(method: string, path: string, request: RawOptions = {}): Promise<RawResponse> {
      const body = toBody(request.body);
      const headers = headersFor(method, {
        ...(body === undefined ? {} : { "content-type": "application/json", "content-length": String(body.length) }),
        ...request.headers,
      });
      return transport.call({ method, path, headers, ...(body === undefined ? {} : { body }) }, request);
    },
    as: (user) => clientOn(transport, options, { "impersonate-user": user }),
    get currentServer() {
      return transport.currentServer;
    },
    setServers: (addresses) => transport.setServers(addresses),
    close: () => transport.close(),
  };
  return client;
}

function createResourceClient<T extends ApiObject>(
  client: ApiClient,
  transport: Transport,
  headersFor: (method: string) => Record<string, string | number>,
  resource: ResourceRef,
  namespace: string | undefined,
): ResourceClient<T> {
  /** Without a namespace of its own the client takes names as `<namespace>/<name>`. */
  function locate(name: string): { ns: string | undefined; name: string } {
    const slash = name.indexOf("/");
    if (namespace !== undefined || slash < 0) return { ns: namespace, name };
    return { ns: name.slice(0, slash), name: name.slice(slash + 1) };
  }

  function pathOf(name: string, subresource?: string): string {
    const at = locate(name);
    return objectPath(resource, at.ns, at.name, subresource);
  }

  function pathOfObject(object: T, subresource?: string): string {
    return objectPath(resource, namespace ?? object.metadata.namespace, object.metadata.name ?? "", subresource);
  }

  async function json(method: string, path: string, request: RawOptions = {}): Promise<unknown> {
    const answer = await client.raw(method, path, request);
    if (answer.status >= 400) throw errorFromResponse(answer.status, answer.body);
    try {
      return answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString("utf8"));
    } catch (cause) {
      throw new TriremeError("InternalError", `${method} ${path}: the answer is not JSON`, { cause });
    }
  }

  return {
    get: async (name) => (await json("GET", pathOf(name))) as T,
    async list(options: ListOptions = {}): Promise<ApiList<T>> {
      const { labelSelector, fieldSelector, resourceVersion, limit, signal } = options;
      const query = queryString({
        labelSelector,
        fieldSelector,
        resourceVersion,
        limit,
        continue: options.continue,
      });
      const path = collectionPath(resource, namespace) + query;
      const list = (await json("GET", path, signal === undefined ? {} : { signal })) as {
        metadata: { resourceVersion: string; continue?: string };
        items: T[] | null;
        kind?: string;
        apiVersion?: string;
      };
      // Items of a list come without their type; give it back, so that an object looks the same from wherever it comes.
      const kind = list.kind?.replace(/List$/, "");
      for (const item of list.items ?? []) {
        item.kind ??= kind;
        item.apiVersion ??= list.apiVersion;
      }
      const next = list.metadata.continue;
      return {
        items: list.items ?? [],
        resourceVersion: list.metadata.resourceVersion,
        ...(next === undefined || next === "" ? {} : { continue: next }),
      };
    },
    create: async (object) =>
      (await json("POST", collectionPath(resource, namespace ?? object.metadata.namespace), { body: object })) as T,
    update: async (object) => (await json("PUT", pathOfObject(object), { body: object })) as T,
    updateStatus: async (object) => (await json("PUT", pathOfObject(object, "status"), { body: object })) as T,
    async patch(name: string, options: PatchOptions): Promise<T> {
      const query = queryString({ fieldManager: options.fieldManager, force: options.force });
      const headers = { "content-type": PATCH_TYPES[options.type] };
      return (await json("PATCH", pathOf(name, options.subresource) + query, { body: options.body, headers })) as T;
    },
    async delete(name: string, options: DeleteOptions = {}): Promise<unknown> {
      const body = { apiVersion: "v1", kind: "DeleteOptions", ...options };
      return json("DELETE", pathOf(name), { body });
    },
    subresource: (method, name, subresource, body) =>
      json(method, pathOf(name, subresource), body === undefined ? {} : { body }),
    async watch(options: WatchOptions, onEvent: (event: WatchEvent<T>) => void): Promise<void> {
      const bookmarks = options.allowBookmarks ?? true;
      const query = queryString({
        watch: true,
        resourceVersion: options.resourceVersion,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        allowWatchBookmarks: bookmarks ? true : undefined,
      });
      const path = collectionPath(resource, namespace) + query;
      await runWatch<T>(transport, path, headersFor("GET"), { ...options, bookmarks }, onEvent);
    },
  };
}
