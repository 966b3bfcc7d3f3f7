import { TriremeError } from "@trireme/base";
import { type Resource, resourceFor } from "@trireme/api";

/** Where a path leads. */
export type Route =
  | {
      readonly kind: "resource";
      readonly resource: Resource;
      readonly namespace: string | undefined;
      readonly name: string | undefined;
      readonly subresource: string | undefined;
    }
  | { readonly kind: "path"; readonly path: string };

/** Paths under a namespace that are parts of the namespace itself, not resources in it. */
const NAMESPACE_PARTS = new Set(["status", "finalize"]);

/** Reads a request path. Throws NotFound for resources that are not served. */
export function routeOf(path: string): Route {
  const parts = path.split("/").filter((part) => part !== "");
  const isCore = parts[0] === "api";
  if (!isCore && parts[0] !== "apis") return { kind: "path", path };
  const [group, version] = isCore ? ["", parts[1]] : [parts[1], parts[2]];
  const rest = parts.slice(isCore ? 2 : 3).map(decode);
  if (rest.length === 0) return { kind: "path", path: `/${parts.join("/")}` };
  let namespace: string | undefined;
  let [plural, name, subresource, ...extra] = rest;
  if (plural === "namespaces" && isCore && rest.length > 2 && !NAMESPACE_PARTS.has(rest[2]!)) {
    namespace = name;
    [plural, name, subresource, ...extra] = rest.slice(2);
  } else if (plural === "namespaces" && !isCore && rest.length > 2) {
    namespace = name;
    [plural, name, subresource, ...extra] = rest.slice(2);
  }
  const resource = resourceFor(group!, version!, plural!);
  if (resource === undefined || extra.length > 0) throw noSuchPath();
  if (namespace !== undefined && !resource.namespaced) throw noSuchPath();
  if (namespace === undefined && resource.namespaced && name !== undefined) throw noSuchPath();
  return { kind: "resource", resource, namespace, name, subresource };
}

/** The 404 of a path that leads nowhere, in Kubernetes' words. */
export function noSuchPath(): TriremeError {
  return new TriremeError("NotFound", "the server could not find the requested resource", {
    details: { causes: [{ reason: "UnexpectedServerResponse", message: "404 page not found" }] },
  });
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (thrown) {
    throw new TriremeError("BadRequest", `the path part "${part}" is not well encoded`, { cause: thrown });
  }
}
