import { errorFrom } from "@trireme/base";
import type { ApplyRequest, ApplyResult } from "@trireme/proto/trireme/api/v1/manifest";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import { facesOf } from "../pipeline/request.ts";
import { type ManifestObject, readManifest } from "./manifest.ts";
import { carryObject, errorStatusOf } from "./rendering.ts";
import type { CallContext } from "./serving.ts";

/** Owner of the fields when the request names none. */
const DEFAULT_MANAGER = "trireme";

/** Applies every object of a manifest in its order; stops between two when nobody waits any longer. */
export async function applyManifest(
  pipeline: RequestPipeline,
  context: CallContext,
  request: ApplyRequest,
): Promise<ApplyResult[]> {
  const results: ApplyResult[] = [];
  for (const object of readManifest(request.manifest.toString(), request.namespace || "default")) {
    context.stillWanted();
    results.push(await applyOne(pipeline, context, object, request));
  }
  return results;
}

async function applyOne(
  pipeline: RequestPipeline,
  { caller }: CallContext,
  { resource, namespace, name, body }: ManifestObject,
  { fieldManager, force, dryRun, readable }: ApplyRequest,
): Promise<ApplyResult> {
  const { group, version, resource: plural } = resource;
  const object = { resource: { group, version, resource: plural }, namespace: namespace ?? "", name };
  const options = { type: "apply", fieldManager: fieldManager || DEFAULT_MANAGER, force, dryRun } as const;
  try {
    const of = { ...facesOf(resource), namespace, name };
    const before = await pipeline.get(caller, of).catch((thrown: unknown) => {
      if (errorFrom(thrown).code === "NotFound") return undefined;
      throw thrown;
    });
    const written = await pipeline.patch(caller, of, { ...options, body });
    const isSame = before?.object.metadata.resourceVersion === written.object.metadata.resourceVersion;
    const outcome = written.created ? "created" : isSame ? "unchanged" : "configured";
    const { json, object: applied } = carryObject(of, written.object, readable);
    return { object, outcome, json, applied, error: undefined, warnings: [...written.warnings] };
  } catch (thrown) {
    const error = errorStatusOf(thrown);
    return { object, outcome: "failed", json: Buffer.alloc(0), applied: undefined, error, warnings: [] };
  }
}
