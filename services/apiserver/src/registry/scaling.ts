import { type KubeObject, type Resource, Scale, decodeStrict, formatLabelSelector, notFound } from "@trireme/api";
import { TriremeError } from "@trireme/base";
import type { Caller, NamedTarget, PatchOptions, WriteOptions } from "../pipeline/request.ts";
import { patched } from "./patching.ts";
import type { Registry } from "./registry.ts";

interface Scalable extends KubeObject {
  spec?: { replicas?: number; selector?: Parameters<typeof formatLabelSelector>[0] };
  status?: { replicas?: number };
}

/** The `scale` view of an object that has replicas. */
export function scaleOf(object: KubeObject): Scale {
  const { spec, status } = object as Scalable;
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const metadata = { name: name!, namespace, uid, resourceVersion, creationTimestamp } as KubeObject["metadata"];
  const selector = formatLabelSelector(spec?.selector);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata,
    spec: { replicas: spec?.replicas ?? 0 },
    status: { replicas: status?.replicas ?? 0, selector },
  };
}

/** Sets the replicas that a Scale document asks for. */
export async function replaceScale(
  registry: Registry,
  caller: Caller,
  target: NamedTarget,
  body: unknown,
  options: WriteOptions,
): Promise<Scale> {
  const decoded = decodeStrict(Scale, body, options.fieldValidation ?? "Ignore");
  const scale = decoded.object as Scale;
  const replicas = replicasOf(target.resource, scale);
  const { resourceVersion, uid } = scale.metadata;
  const metadata = { ...(resourceVersion ? { resourceVersion } : {}), ...(uid ? { uid } : {}) };
  const patch = { metadata, spec: { replicas } };
  const { object } = await registry.patch(caller, withoutSubresource(target), {
    ...options,
    type: "merge",
    body: patch,
  });
  return scaleOf(object);
}

/** Applies a patch to the Scale view of `current` and sets what comes out. */
export async function patchScale(
  registry: Registry,
  caller: Caller,
  target: NamedTarget,
  current: KubeObject | undefined,
  options: PatchOptions,
): Promise<Scale> {
  if (current === undefined) throw notFound(target.resource, target.name);
  if (options.type === "apply") {
    throw new TriremeError("UnsupportedMediaType", "the scale subresource takes json, merge and strategic patches");
  }
  const view = scaleOf(current);
  const { resourceVersion: _, ...metadata } = view.metadata;
  // The version is left out so that a scale holds against whatever else changes the object meanwhile.
  const after = patched(Scale, { ...view, metadata }, options.type, options.body);
  return replaceScale(registry, caller, target, after, options);
}

function replicasOf(resource: Resource, scale: Scale): number {
  const replicas = scale.spec?.replicas ?? 0;
  if (Number.isInteger(replicas) && replicas >= 0) return replicas;
  const message = `spec.replicas: Invalid value: ${replicas}: must be greater than or equal to 0`;
  throw new TriremeError("Invalid", `Scale.autoscaling "${scale.metadata.name}" is invalid: ${message}`, {
    details: {
      name: scale.metadata.name ?? "",
      group: "autoscaling",
      kind: resource.kind,
      causes: [{ reason: "FieldValueInvalid", message, field: "spec.replicas" }],
    },
  });
}

function withoutSubresource({ resource, namespace, name }: NamedTarget): NamedTarget {
  return { resource, namespace, name };
}
