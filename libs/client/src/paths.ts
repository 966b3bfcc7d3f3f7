import { TriremeError } from "@trireme/base";
import type { ResourceRef } from "./types.ts";

/** Path of a collection: `/api/v1/namespaces/ns/pods`, `/apis/apps/v1/deployments`, ... */
export function collectionPath(resource: ResourceRef, namespace: string | undefined): string {
  const root =
    resource.group === ""
      ? `/api/${resource.version}`
      : `/apis/${encodeURIComponent(resource.group)}/${encodeURIComponent(resource.version)}`;
  const inside = resource.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${inside}/${encodeURIComponent(resource.resource)}`;
}

/** Path of one object or of its subresource. */
export function objectPath(
  resource: ResourceRef,
  namespace: string | undefined,
  name: string,
  subresource?: string,
): string {
  if (resource.namespaced && (namespace === undefined || namespace === "")) {
    throw new TriremeError("BadRequest", `${resource.resource} "${name}": which namespace?`);
  }
  if (name === "") throw new TriremeError("BadRequest", `${resource.resource}: a name is needed`);
  const sub = subresource === undefined ? "" : `/${encodeURIComponent(subresource)}`;
  return `${collectionPath(resource, namespace)}/${encodeURIComponent(name)}${sub}`;
}

/** Renders the parameters that are set as `?a=b&c=d`, or nothing. */
export function queryString(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
