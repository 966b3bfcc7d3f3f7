import { TriremeError } from "@trireme/base";
import { resourceFor } from "@trireme/api";
import type { ObjectRef, ResourceRef } from "@trireme/proto/trireme/api/v1/manifest";
import { type NamedTarget, type PatchType, type Target, facesOf } from "../pipeline/request.ts";

/** The resource that a request names; throws NotFound when there is none of that name. */
export function targetOf(ref: ResourceRef | undefined, namespace: string): Target {
  const { group = "", version = "", resource = "" } = ref ?? {};
  const found = resourceFor(group, version, resource);
  if (found !== undefined) {
    return { ...facesOf(found), namespace: found.namespaced ? namespace || undefined : undefined };
  }
  throw new TriremeError("NotFound", `no resource "${resource}" in group "${group}", version "${version}"`);
}

/** The object that a request names; throws BadRequest when it leaves something out. */
export function objectTargetOf(ref: ObjectRef | undefined): NamedTarget {
  if (ref === undefined || ref.name === "") throw required("object.name");
  const of = targetOf(ref.resource, ref.namespace);
  if (of.resource.namespaced && of.namespace === undefined) throw required("object.namespace");
  return { ...of, name: ref.name };
}

/** How a patch is meant; throws BadRequest for a way that there is not. */
export function patchTypeOf(text: string): PatchType {
  if (text === "json" || text === "merge" || text === "strategic" || text === "apply") return text;
  throw new TriremeError(
    "BadRequest",
    `type: Unsupported value: "${text}": supported values: json, merge, strategic, apply`,
  );
}

/** The refusal of a request that leaves a field out. */
export function required(field: string): TriremeError {
  const message = `${field}: Required value`;
  return new TriremeError("BadRequest", message, {
    details: { causes: [{ reason: "FieldValueRequired", message: "Required value", field }] },
  });
}
