import type { Metadata, ServerWritableStream, handleServerStreamingCall, handleUnaryCall } from "@grpc/grpc-js";
import { once } from "node:events";
import type { PeerCertificate } from "node:tls";
import { TriremeError, errorFrom } from "@trireme/base";
import {
  HTTP_STATUS,
  type KubeObject,
  PODS,
  type Resource,
  apiVersionOf,
  resourceFor,
  spokenForm,
  statusOf,
} from "@trireme/api";
import type {
  ApplyResult,
  ErrorStatus,
  LogsRequest,
  ManifestServiceServer,
  ObjectRef,
  ResourceRef,
} from "@trireme/proto/trireme/api/v1/manifest";
import { parseBody } from "../http/body.ts";
import { type Caller, type NamedTarget, type PatchType, type Target, facesOf } from "../pipeline/request.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { WatchItem } from "../storage/watch-session.ts";
import { type GrpcParts, callerOf, toGrpcError } from "./call.ts";
import { type ManifestObject, readManifest } from "./manifest.ts";

/** Scales tried again when something else changed the object between the look and the write. */
const SCALE_TRIES = 5;

/** The methods of `trireme.api.v1.ManifestService`, over the pipeline. */
export function manifestService(parts: GrpcParts): ManifestServiceServer {
  const { pipeline } = parts;
  const unary = unaryOf(parts);
  const streaming = streamingOf(parts);
  return {
    apply: unary("apply", async (caller, request) => {
      const objects = readManifest(request.manifest.toString(), request.namespace || "default");
      const manager = request.fieldManager || "trireme";
      const options = { type: "apply", fieldManager: manager, force: request.force, dryRun: request.dryRun } as const;
      const results: ApplyResult[] = [];
      for (const object of objects) results.push(await applyOne(parts, caller, object, options));
      return { results };
    }),
    get: unary("get", async (caller, request) => {
      const target = { ...objectTarget(request.object), subresource: request.subresource || undefined };
      if (target.subresource === "scale") {
        return { json: toJson(await pipeline.getScale(caller, target, request.resourceVersion)) };
      }
      return { json: jsonOf(target, await pipeline.get(caller, target, request.resourceVersion)) };
    }),
    list: unary("list", async (caller, request) => {
      const of = target(request.resource, request.namespace);
      const result = await pipeline.list(caller, of, {
        labelSelector: request.labelSelector,
        fieldSelector: request.fieldSelector,
        resourceVersion: request.resourceVersion,
        limit: Number(request.limit),
        continueToken: request.continueToken,
      });
      const json = result.items.map((item) => jsonOf(of, item));
      return { resourceVersion: String(result.revision), json, continueToken: result.continueToken ?? "" };
    }),
    watch: streaming("watch", async (caller, call) => {
      const { request } = call;
      const of = target(request.resource, request.namespace);
      const session = await pipeline.watch(caller, of, {
        labelSelector: request.labelSelector,
        fieldSelector: request.fieldSelector,
        resourceVersion: request.resourceVersion,
        allowBookmarks: request.allowBookmarks,
      });
      call.on("cancelled", () => session.close());
      if (call.cancelled) session.close();
      try {
        for (let items = await session.next(); items !== undefined; items = await session.next()) {
          for (const item of items) await send(call, watchMessage(of, item));
        }
      } finally {
        session.close();
      }
    }),
    patch: unary("patch", async (caller, request) => {
      const of = { ...objectTarget(request.object), subresource: request.subresource || undefined };
      const type = patchType(request.type);
      const media = type === "apply" ? "application/apply-patch+yaml" : "application/json";
      const { object } = await pipeline.patch(caller, of, {
        type,
        body: parseBody(request.patch, media),
        force: request.force,
        dryRun: request.dryRun,
        fieldManager: request.fieldManager || undefined,
        fieldValidation: "Strict",
      });
      return { json: toJson(spokenForm(of.spoken ?? of.resource, object)) };
    }),
    delete: unary("delete", async (caller, request) => {
      const of = objectTarget(request.object);
      const { object, gone } = await pipeline.delete(caller, of, {
        gracePeriodSeconds: request.gracePeriodSeconds === undefined ? undefined : Number(request.gracePeriodSeconds),
        propagationPolicy: request.propagationPolicy || undefined,
        uid: request.uid || undefined,
        resourceVersion: request.resourceVersion || undefined,
        dryRun: request.dryRun,
      });
      return { gone, json: toJson(spokenForm(of.spoken ?? of.resource, object)) };
    }),
    scale: unary("scale", async (caller, request) => {
      const of = { ...objectTarget(request.object), subresource: "scale" };
      for (let left = SCALE_TRIES; ; left--) {
        const scale = (await pipeline.getScale(caller, of)) as ScaleDocument;
        if (request.currentReplicas !== undefined && scale.spec.replicas !== request.currentReplicas) {
          const message = `expected ${request.currentReplicas} replicas of "${of.name}", there are ${scale.spec.replicas}`;
          throw new TriremeError("Conflict", message);
        }
        try {
          const body = { ...scale, spec: { replicas: request.replicas } };
          const written = (await pipeline.update(caller, of, body, { fieldManager: "scale" })).object as ScaleDocument;
          return { replicas: written.spec.replicas, resourceVersion: written.metadata.resourceVersion ?? "" };
        } catch (thrown) {
          if (left <= 1 || errorFrom(thrown).code !== "Conflict") throw thrown;
        }
      }
    }),
    logs: streaming("logs", async (caller, call) => {
      const { request } = call;
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      const of = { resource: PODS as Resource, namespace: request.namespace, name: request.pod };
      const pieces = await pipeline.logs(caller, of, logQuery(request), gone.signal);
      for await (const data of pieces) await send(call, { data });
    }),
    bindBatch: unary("bindBatch", async (caller, request) => {
      const bindings = request.bindings.map(({ namespace, pod, podUid, node }) => ({
        namespace,
        pod,
        uid: podUid,
        node,
      }));
      const outcomes = await pipeline.bindAll(caller, bindings);
      return {
        results: outcomes.map((one) =>
          "error" in one
            ? { bound: false, error: errorStatus(one.error), resourceVersion: "" }
            : { bound: true, error: undefined, resourceVersion: String(one.revision) },
        ),
      };
    }),
  };
}

type ScaleDocument = KubeObject & { spec: { replicas: number } };

interface ApplyOptions {
  readonly type: "apply";
  readonly fieldManager: string;
  readonly force: boolean;
  readonly dryRun: boolean;
}

async function applyOne(
  { pipeline }: GrpcParts,
  caller: Caller,
  { resource, namespace, name, body }: ManifestObject,
  options: ApplyOptions,
): Promise<ApplyResult> {
  const { group, version, resource: plural } = resource;
  const object = { resource: { group, version, resource: plural }, namespace: namespace ?? "", name };
  try {
    const of = { ...facesOf(resource), namespace, name };
    const before = await pipeline.get(caller, of).catch((thrown: unknown) => {
      if (errorFrom(thrown).code === "NotFound") return undefined;
      throw thrown;
    });
    const written = await pipeline.patch(caller, of, { ...options, body });
    const isSame = before?.object.metadata.resourceVersion === written.object.metadata.resourceVersion;
    const outcome = written.created ? "created" : isSame ? "unchanged" : "configured";
    const json = toJson(spokenForm(resource, written.object));
    return { object, outcome, json, error: undefined, warnings: [...written.warnings] };
  } catch (thrown) {
    return { object, outcome: "failed", json: Buffer.alloc(0), error: errorStatus(thrown), warnings: [] };
  }
}

interface CallLike {
  readonly metadata: Metadata;
  getAuthContext(): { sslPeerCertificate?: PeerCertificate } | null;
}

function unaryOf(parts: GrpcParts) {
  return <Q, A>(name: string, run: (caller: Caller, request: Q) => Promise<A>): handleUnaryCall<Q, A> =>
    (call, callback) => {
      void measured(parts, name, call, (caller) => run(caller, call.request)).then(
        (answer) => callback(null, answer),
        (thrown: unknown) => callback(toGrpcError(thrown)),
      );
    };
}

function streamingOf(parts: GrpcParts) {
  return <Q, A>(
    name: string,
    run: (caller: Caller, call: ServerWritableStream<Q, A>) => Promise<void>,
  ): handleServerStreamingCall<Q, A> =>
    (call) => {
      void measured(parts, name, call, (caller) => run(caller, call)).then(
        () => call.end(),
        (thrown: unknown) => call.destroy(Object.assign(new Error(), toGrpcError(thrown))),
      );
    };
}

async function measured<T>(
  { metrics, clock, log }: GrpcParts,
  name: string,
  call: CallLike,
  run: (caller: Caller) => Promise<T>,
): Promise<T> {
  const started = clock.monotonic();
  let code = 200;
  try {
    return await run(callerOf(call));
  } catch (thrown) {
    const error = errorFrom(thrown);
    code = HTTP_STATUS[error.code];
    if (error.code === "InternalError") log.error("grpc call failed", { method: name, err: thrown });
    throw thrown;
  } finally {
    const labels = { verb: name, group: "trireme.api", version: "v1", resource: "manifests", subresource: "" };
    metrics.request(labels, code, (clock.monotonic() - started) / 1000);
  }
}

/** Writes and waits until the client has room for more. Rejects when it went away. */
async function send<Q, A>(call: ServerWritableStream<Q, A>, message: A): Promise<void> {
  if (call.cancelled) throw new TriremeError("Cancelled", "the client went away");
  if (call.write(message)) return;
  const waiting = new AbortController();
  const { signal } = waiting;
  const gone = once(call, "cancelled", { signal }).then(() => {
    throw new TriremeError("Cancelled", "the client went away");
  });
  try {
    await Promise.race([once(call, "drain", { signal }), gone]);
  } finally {
    // Takes the listeners of both off again.
    waiting.abort();
  }
}

function target(ref: ResourceRef | undefined, namespace: string): Target {
  const { group = "", version = "", resource = "" } = ref ?? {};
  const found = resourceFor(group, version, resource);
  if (found !== undefined) {
    return { ...facesOf(found), namespace: found.namespaced ? namespace || undefined : undefined };
  }
  throw new TriremeError("NotFound", `no resource "${resource}" in group "${group}", version "${version}"`);
}

function objectTarget(ref: ObjectRef | undefined): NamedTarget {
  if (ref === undefined || ref.name === "") throw new TriremeError("BadRequest", "object.name: Required value");
  const of = target(ref.resource, ref.namespace);
  if (of.resource.namespaced && of.namespace === undefined) {
    throw new TriremeError("BadRequest", "object.namespace: Required value");
  }
  return { ...of, name: ref.name };
}

function patchType(text: string): PatchType {
  if (text === "json" || text === "merge" || text === "strategic" || text === "apply") return text;
  throw new TriremeError(
    "BadRequest",
    `type: Unsupported value: "${text}": supported values: json, merge, strategic, apply`,
  );
}

function watchMessage(of: Target, item: WatchItem): { type: string; json: Buffer } {
  switch (item.type) {
    case "BOOKMARK": {
      const metadata = { resourceVersion: String(item.revision), creationTimestamp: null };
      const { kind, ...version } = of.spoken ?? of.resource;
      return { type: item.type, json: toJson({ kind, apiVersion: apiVersionOf(version), metadata }) };
    }
    case "ERROR":
      return { type: item.type, json: toJson(statusOf(item.error)) };
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type: item.type, json: jsonOf(of, item.state) };
  }
}

function logQuery(request: LogsRequest): URLSearchParams {
  const query = new URLSearchParams();
  if (request.container !== "") query.set("container", request.container);
  for (const name of ["follow", "previous", "timestamps"] as const) if (request[name]) query.set(name, "true");
  for (const name of ["tailLines", "sinceSeconds", "limitBytes"] as const) {
    if (request[name] !== undefined) query.set(name, String(request[name]));
  }
  if (request.sinceTimeMs !== undefined) query.set("sinceTime", new Date(Number(request.sinceTimeMs)).toISOString());
  return query;
}

/** A stored object's own bytes, unless it is asked for in another version. */
function jsonOf({ spoken }: Target, state: StoredObject): Buffer {
  return spoken === undefined ? state.json : toJson(spokenForm(spoken, state.object));
}

function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function errorStatus(thrown: unknown): ErrorStatus {
  const { reason, message, code } = statusOf(thrown);
  return { reason: reason ?? "", message: message ?? "", code: code ?? 500 };
}
