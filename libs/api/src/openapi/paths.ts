import { type Resource, type Subresource, apiVersionOf } from "../resources.ts";
import type { Message } from "../schema/notation.ts";
import { type OpenApiObject, schemaRef } from "./schema.ts";

/** The messages that a group-version's paths speak of. */
export interface PathContext {
  readonly status: Message;
  readonly deleteOptions: Message;
  readonly messageOf: (kind: { group: string; version: string; kind: string }) => Message;
}

const PATCH_TYPES = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
];

const query = (name: string, type = "string"): OpenApiObject => ({
  name,
  in: "query",
  schema: { type, uniqueItems: true },
});
const inPath = (name: string): OpenApiObject => ({
  name,
  in: "path",
  required: true,
  schema: { type: "string", uniqueItems: true },
});

const WRITE_PARAMETERS = [query("dryRun"), query("fieldManager"), query("fieldValidation")];
const LIST_PARAMETERS = [
  query("allowWatchBookmarks", "boolean"),
  query("continue"),
  query("fieldSelector"),
  query("labelSelector"),
  query("limit", "integer"),
  query("resourceVersion"),
  query("resourceVersionMatch"),
  query("sendInitialEvents", "boolean"),
  query("timeoutSeconds", "integer"),
  query("watch", "boolean"),
];
const DELETE_PARAMETERS = [
  query("dryRun"),
  query("gracePeriodSeconds", "integer"),
  query("orphanDependents", "boolean"),
  query("propagationPolicy"),
];

/** `/api/v1` or `/apis/<group>/<version>`. */
export function rootPath(of: { readonly group: string; readonly version: string }): string {
  return `${of.group === "" ? "/api" : "/apis"}/${apiVersionOf(of)}`;
}

/** The paths of one resource and its subresources. */
export function pathsOf(resource: Resource, context: PathContext): OpenApiObject {
  const root = rootPath(resource);
  const scope = resource.namespaced ? "/namespaces/{namespace}" : "";
  const collection = `${root}${scope}/${resource.resource}`;
  const parameters = resource.namespaced ? [inPath("namespace")] : [];
  const own = operations(resource, resource.schema, context);
  const ofMany = allowed(own.collection, resource.verbs, { get: "list", post: "create", delete: "deletecollection" });
  const ofOne = allowed(own.object, resource.verbs, { get: "get", put: "update", patch: "patch", delete: "delete" });
  const result: OpenApiObject = { [collection]: { ...ofMany, parameters } };
  if (Object.keys(ofOne).length > 0) {
    result[`${collection}/{name}`] = { ...ofOne, parameters: [inPath("name"), ...parameters] };
  }
  if (resource.namespaced && "get" in ofMany) result[`${root}/${resource.resource}`] = { get: own.collection["get"] };
  for (const sub of resource.subresources) {
    const verbs = operations(sub, context.messageOf(sub), context);
    result[`${collection}/{name}/${sub.name}`] = {
      ...pick({ ...verbs.object, post: verbs.collection["post"] }, sub),
      parameters: [inPath("name"), ...parameters],
    };
  }
  return result;
}

function allowed(
  operationsByMethod: OpenApiObject,
  verbs: readonly string[],
  verbOf: Readonly<Record<string, string>>,
): OpenApiObject {
  return Object.fromEntries(Object.entries(operationsByMethod).filter(([method]) => verbs.includes(verbOf[method]!)));
}

function pick(operationsByMethod: OpenApiObject, sub: Subresource): OpenApiObject {
  const methods: Record<string, string> = { get: "get", create: "post", update: "put", patch: "patch" };
  const wanted = sub.verbs.map((verb) => methods[verb] ?? "");
  return Object.fromEntries(Object.entries(operationsByMethod).filter(([method]) => wanted.includes(method)));
}

function operations(
  { group, version, kind }: Resource | Subresource,
  schema: Message,
  { status, deleteOptions }: PathContext,
): { collection: OpenApiObject; object: OpenApiObject } {
  const json = (message: Message): OpenApiObject => ({ "application/json": { schema: schemaRef(message) } });
  const operation = (action: string, parameters: OpenApiObject[], answer: Message, content?: OpenApiObject) => ({
    parameters,
    ...(content === undefined ? {} : { requestBody: { content, required: action !== "delete" } }),
    responses: { 200: { description: "OK", content: json(answer) } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  });
  const patchBody = Object.fromEntries(PATCH_TYPES.map((type) => [type, { schema: { type: "object" } }]));
  return {
    collection: {
      get: operation("list", LIST_PARAMETERS, schema),
      post: operation("post", WRITE_PARAMETERS, schema, json(schema)),
      delete: operation("deletecollection", [...LIST_PARAMETERS, ...DELETE_PARAMETERS], status, json(deleteOptions)),
    },
    object: {
      get: operation("get", [query("resourceVersion")], schema),
      put: operation("put", WRITE_PARAMETERS, schema, json(schema)),
      patch: operation("patch", [...WRITE_PARAMETERS, query("force", "boolean")], schema, patchBody),
      delete: operation("delete", DELETE_PARAMETERS, status, json(deleteOptions)),
    },
  };
}
