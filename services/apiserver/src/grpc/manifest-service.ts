import { StringDecoder } from "node:string_decoder";
import { TriremeError, errorFrom } from "@trireme/base";
import { type KubeObject, PODS, type Resource } from "@trireme/api";
import type { LogsRequest, ManifestServiceServer } from "@trireme/proto/trireme/api/v1/manifest";
import { parseBody } from "../http/body.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { applyManifest } from "./apply.ts";
import { carry, carryEvent, carryObject, carryStored, errorStatusOf } from "./rendering.ts";
import { type CallServer, send } from "./serving.ts";
import { streamMethods } from "./stream-service.ts";
import { objectTargetOf, patchTypeOf, required, targetOf } from "./targets.ts";

/** Scales tried again when something else changed the object between the look and the write. */
const SCALE_TRIES = 5;

type ScaleDocument = KubeObject & { spec: { replicas: number } };

/** The methods of `trireme.api.v1.ManifestService`, over the pipeline. */
export function manifestService(pipeline: RequestPipeline, calls: CallServer): ManifestServiceServer {
  return {
    apply: calls.unary("apply", "write", async (context, request) => ({
      results: await applyManifest(pipeline, context, request),
    })),
    get: calls.unary("get", "read", async ({ caller }, request) => {
      const { subresource, resourceVersion, readable } = request;
      const of = { ...objectTargetOf(request.object), subresource: subresource || undefined };
      if (subresource === "scale") return carry(await pipeline.getScale(caller, of, resourceVersion), readable);
      return carryStored(of, await pipeline.get(caller, of, resourceVersion), readable);
    }),
    list: calls.unary("list", "read", async ({ caller }, request) => {
      const { labelSelector, fieldSelector, resourceVersion, continueToken, readable } = request;
      const of = targetOf(request.resource, request.namespace);
      const options = { labelSelector, fieldSelector, resourceVersion, continueToken, limit: Number(request.limit) };
      const result = await pipeline.list(caller, of, options);
      const items = result.items.map((item) => carryStored(of, item, readable));
      return {
        resourceVersion: String(result.revision),
        continueToken: result.continueToken ?? "",
        json: readable ? [] : items.map((item) => item.json),
        objects: readable ? items.map((item) => item.object!) : [],
      };
    }),
    watch: calls.streaming("watch", async ({ caller, signal }, call) => {
      const { namespace, labelSelector, fieldSelector, resourceVersion, allowBookmarks, readable } = call.request;
      const of = targetOf(call.request.resource, namespace);
      const options = { labelSelector, fieldSelector, resourceVersion, allowBookmarks };
      const session = await pipeline.watch(caller, of, options);
      const end = (): void => session.close();
      signal.addEventListener("abort", end, { once: true });
      if (signal.aborted) end();
      try {
        for (let items = await session.next(); items !== undefined; items = await session.next()) {
          for (const item of items) await send(call, carryEvent(of, item, readable));
        }
      } finally {
        signal.removeEventListener("abort", end);
        end();
      }
    }),
    patch: calls.unary("patch", "write", async ({ caller }, request) => {
      const of = { ...objectTargetOf(request.object), subresource: request.subresource || undefined };
      const type = patchTypeOf(request.type);
      const media = type === "apply" ? "application/apply-patch+yaml" : "application/json";
      const { object } = await pipeline.patch(caller, of, {
        type,
        body: parseBody(request.patch, media),
        force: request.force,
        dryRun: request.dryRun,
        fieldManager: request.fieldManager || undefined,
        fieldValidation: "Strict",
      });
      return carryObject(of, object, request.readable);
    }),
    delete: calls.unary("delete", "write", async ({ caller }, request) => {
      const { gracePeriodSeconds: grace, propagationPolicy, uid, resourceVersion, dryRun, readable } = request;
      const of = objectTargetOf(request.object);
      const { object, gone } = await pipeline.delete(caller, of, {
        gracePeriodSeconds: grace === undefined ? undefined : Number(grace),
        propagationPolicy: propagationPolicy || undefined,
        uid: uid || undefined,
        resourceVersion: resourceVersion || undefined,
        dryRun,
      });
      return { gone, ...carryObject(of, object, readable) };
    }),
    scale: calls.unary("scale", "write", async ({ caller, stillWanted }, { object, replicas, currentReplicas }) => {
      const of = { ...objectTargetOf(object), subresource: "scale" };
      for (let left = SCALE_TRIES; ; left--) {
        const scale = (await pipeline.getScale(caller, of)) as ScaleDocument;
        if (currentReplicas !== undefined && scale.spec.replicas !== currentReplicas) {
          const message = `expected ${currentReplicas} replicas of "${of.name}", there are ${scale.spec.replicas}`;
          throw new TriremeError("Conflict", message);
        }
        stillWanted();
        try {
          const body = { ...scale, spec: { replicas } };
          const written = (await pipeline.update(caller, of, body, { fieldManager: "scale" })).object as ScaleDocument;
          return { replicas: written.spec.replicas, resourceVersion: written.metadata.resourceVersion ?? "" };
        } catch (thrown) {
          if (left <= 1 || errorFrom(thrown).code !== "Conflict") throw thrown;
        }
      }
    }),
    logs: calls.streaming("logs", async ({ caller, signal }, call) => {
      const { request } = call;
      if (request.namespace === "") throw required("namespace");
      if (request.pod === "") throw required("pod");
      const of = { resource: PODS as Resource, namespace: request.namespace, name: request.pod };
      const pieces = await pipeline.logs(caller, of, logQueryOf(request), signal);
      // A character may be cut between two pieces.
      const decoder = new StringDecoder("utf8");
      for await (const data of pieces) {
        await send(call, request.readable ? { data: NOTHING, text: decoder.write(data) } : { data, text: "" });
      }
    }),
    ...streamMethods(pipeline, calls),
    bindBatch: calls.unary("bindBatch", "write", async ({ caller }, request) => {
      const bindings = request.bindings.map(({ podUid, ...rest }) => ({ ...rest, uid: podUid }));
      const outcomes = await pipeline.bindAll(caller, bindings);
      return {
        results: outcomes.map((one) =>
          "error" in one
            ? { bound: false, error: errorStatusOf(one.error), resourceVersion: "" }
            : { bound: true, error: undefined, resourceVersion: String(one.revision) },
        ),
      };
    }),
  };
}

const NOTHING = Buffer.alloc(0);

function logQueryOf(request: LogsRequest): URLSearchParams {
  const query = new URLSearchParams();
  if (request.container !== "") query.set("container", request.container);
  for (const name of ["follow", "previous", "timestamps"] as const) if (request[name]) query.set(name, "true");
  for (const name of ["tailLines", "sinceSeconds", "limitBytes"] as const) {
    if (request[name] !== undefined) query.set(name, String(request[name]));
  }
  if (request.sinceTimeMs !== undefined) query.set("sinceTime", new Date(Number(request.sinceTimeMs)).toISOString());
  return query;
}
