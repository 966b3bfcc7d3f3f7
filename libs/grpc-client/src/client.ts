import type { KubeObject, Resource } from "@trireme/api";
import {
  ApplyRequest,
  type ApplyResponse,
  DeleteRequest,
  type DeleteResponse,
  GetRequest,
  type GetResponse,
  PatchRequest,
  type PatchResponse,
  ScaleRequest,
  type ScaleResponse,
} from "@trireme/proto/trireme/api/v1/manifest";
import { type ExecOptions, exec } from "./exec.ts";
import type { LogLine } from "./log-lines.ts";
import { type LogOptions, logs } from "./logs.ts";
import { type StatusError, errorFromStatus } from "./status-error.ts";
import { type CallSettings, Transport, type TransportOptions } from "./transport.ts";
import { type ListOptions, type ObjectList, type WatchEvent, type WatchOptions, list, watch } from "./watch.ts";

/** How to apply. */
export interface ApplyOptions extends CallSettings {
  /** Who owns the fields. */
  readonly fieldManager?: string;
  /** Takes over fields that another manager owns. */
  readonly force?: boolean;
  /** Checks and answers, writes nothing. */
  readonly dryRun?: boolean;
  /** Of namespaced objects that name none; absent: `default`. */
  readonly namespace?: string;
}

/** What became of one object of a manifest. */
export interface Applied {
  /** Plural and group, e.g. `deployments.apps`. */
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly outcome: "created" | "configured" | "unchanged" | "failed";
  /** As it is now; absent when it failed. */
  readonly object: KubeObject | undefined;
  readonly error: StatusError | undefined;
  readonly warnings: readonly string[];
}

/** How to patch; `patch` is the patch itself, for `apply` the object. */
export interface PatchOptions extends CallSettings {
  readonly type: "json" | "merge" | "strategic" | "apply";
  readonly patch: unknown;
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

/** How to delete. */
export interface DeleteOptions extends CallSettings {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Only the object with this uid. */
  readonly uid?: string;
  readonly dryRun?: boolean;
}

/** One kind, in one namespace if given. Failures are StatusErrors. */
export interface ResourceClient<T extends KubeObject> {
  get(name: string, settings?: CallSettings): Promise<T>;
  list(options?: ListOptions): Promise<ObjectList<T>>;
  watch(options?: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined>;
  patch(name: string, options: PatchOptions): Promise<T>;
  /** `gone`: it is no more; otherwise it ends on its own time. */
  delete(name: string, options?: DeleteOptions): Promise<{ readonly gone: boolean; readonly object: T }>;
  /** Answers the number that is now wanted. `current`: only if that is the present number. */
  scale(name: string, replicas: number, options?: CallSettings & { readonly current?: number }): Promise<number>;
}

/** A client of every apiserver of one cluster, by gRPC. */
export interface GrpcClient {
  /** `resource` is one of @trireme/api's, such as DEPLOYMENTS, and gives the objects their type. */
  resource<T extends KubeObject>(resource: Resource<T>, namespace?: string): ResourceClient<T>;
  /** Brings every object of a manifest (YAML or JSON) about. Rejects when the manifest is wrong, and then nothing was written. */
  apply(manifest: string | Buffer, options?: ApplyOptions): Promise<Applied[]>;
  logs(options: LogOptions): AsyncGenerator<LogLine, void, undefined>;
  /** Runs a command in a running container, and answers its exit code. Never repeated. */
  exec(options: ExecOptions): Promise<number>;
  /** Asks each server whether it serves. */
  health(settings?: CallSettings): Promise<{ readonly server: string; readonly serving: boolean }[]>;
  /** The server that calls go to first now, `host:port`. */
  readonly currentServer: string;
  close(): void;
}

/** Creates a client of all apiservers of a cluster. Connects at the first call. */
export function createGrpcClient(options: TransportOptions): GrpcClient {
  const transport = new Transport(options);
  return {
    resource: (resource, namespace) => resourceClient(transport, resource, namespace ?? ""),
    async apply(manifest, { fieldManager, force, dryRun, namespace, ...settings } = {}) {
      const request = ApplyRequest.fromPartial({
        manifest: Buffer.from(manifest),
        fieldManager: fieldManager ?? "",
        force: force ?? false,
        dryRun: dryRun ?? false,
        namespace: namespace ?? "",
      });
      const { results } = await transport.unary<ApplyResponse>("apply", "write", settings, (client, ...rest) =>
        client.apply(request, ...rest),
      );
      return results.map(appliedOf);
    },
    exec: (execOptions) => exec(transport, execOptions),
    logs: (logOptions) => logs(transport, logOptions),
    health: (settings = {}) => transport.health(settings),
    get currentServer() {
      return transport.currentServer;
    },
    close: () => transport.close(),
  };
}

function appliedOf(result: ApplyResponse["results"][number]): Applied {
  const { group = "", resource = "" } = result.object?.resource ?? {};
  const { namespace = "", name = "" } = result.object ?? {};
  return {
    resource: group === "" ? resource : `${resource}.${group}`,
    namespace: namespace === "" ? undefined : namespace,
    name,
    outcome: result.outcome as Applied["outcome"],
    object: result.json.length === 0 ? undefined : (JSON.parse(result.json.toString()) as KubeObject),
    error: result.error === undefined ? undefined : errorFromStatus(result.error),
    warnings: result.warnings,
  };
}

function resourceClient<T extends KubeObject>(
  transport: Transport,
  resource: Resource<T>,
  namespace: string,
): ResourceClient<T> {
  const objectOf = (name: string) => ({ resource, namespace, name });
  const what = (verb: string, name: string): string => `${verb} ${resource.resource} ${name}`;
  const parse = (json: Buffer): T => JSON.parse(json.toString()) as T;
  return {
    async get(name, settings = {}) {
      const request = GetRequest.fromPartial({ object: objectOf(name) });
      const { json } = await transport.unary<GetResponse>(what("get", name), "read", settings, (client, ...rest) =>
        client.get(request, ...rest),
      );
      return parse(json);
    },
    list: (options = {}) => list(transport, resource, namespace, options),
    watch: (options = {}) => watch(transport, resource, namespace, options),
    async patch(name, { type, patch, subresource, fieldManager, force, dryRun, ...settings }) {
      const request = PatchRequest.fromPartial({
        object: objectOf(name),
        type,
        patch: Buffer.from(typeof patch === "string" ? patch : JSON.stringify(patch)),
        subresource: subresource ?? "",
        fieldManager: fieldManager ?? "",
        force: force ?? false,
        dryRun: dryRun ?? false,
      });
      const { json } = await transport.unary<PatchResponse>(what("patch", name), "write", settings, (client, ...rest) =>
        client.patch(request, ...rest),
      );
      return parse(json);
    },
    async delete(name, { gracePeriodSeconds, propagationPolicy, uid, dryRun, ...settings } = {}) {
      const request = DeleteRequest.fromPartial({
        object: objectOf(name),
        propagationPolicy: propagationPolicy ?? "",
        uid: uid ?? "",
        dryRun: dryRun ?? false,
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: BigInt(gracePeriodSeconds) }),
      });
      const answer = await transport.unary<DeleteResponse>(what("delete", name), "write", settings, (client, ...rest) =>
        client.delete(request, ...rest),
      );
      return { gone: answer.gone, object: parse(answer.json) };
    },
    async scale(name, replicas, { current, ...settings } = {}) {
      const request = ScaleRequest.fromPartial({
        object: objectOf(name),
        replicas,
        ...(current === undefined ? {} : { currentReplicas: current }),
      });
      const answer = await transport.unary<ScaleResponse>(what("scale", name), "write", settings, (client, ...rest) =>
        client.scale(request, ...rest),
      );
      return answer.replicas;
    },
  };
}
