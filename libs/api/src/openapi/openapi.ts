import { assert } from "@trireme/base";
import { groupVersions } from "../discovery.ts";
import {
  Binding,
  DeleteOptions,
  Eviction,
  PodAttachOptions,
  PodExecOptions,
  PodPortForwardOptions,
  Scale,
  Status,
  TokenRequest,
} from "../kinds.ts";
import { SERVED_RESOURCES, apiVersionOf, resourceForKind } from "../resources.ts";
import type { Message } from "../schema/notation.ts";
import { pathsOf, rootPath } from "./paths.ts";
import { type OpenApiObject, schemasOf } from "./schema.ts";

/** Kinds that only subresources speak. */
const SUBRESOURCE_KINDS: readonly Message[] = [
  Binding,
  Eviction,
  PodAttachOptions,
  PodExecOptions,
  PodPortForwardOptions,
  Scale,
  TokenRequest,
];

interface Document {
  readonly document: OpenApiObject;
  readonly hash: string;
}

// A document has hundreds of kilobytes and most processes never serve it: built on first use, kept from then on.
const documents = new Map<string, Document>();

/** The index `/openapi/v3`: each group-version's document and a hash by which clients cache it. */
export function openApiV3Index(): OpenApiObject {
  const paths = groupVersions().map((gv) => {
    const path = rootPath(gv).slice(1);
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${documentOf(path)!.hash}` }];
  });
  return { paths: Object.fromEntries(paths) };
}

/** The OpenAPI v3 document of `api/v1` or `apis/<group>/<version>`, undefined when it is not served. */
export function openApiV3(groupVersion: string): OpenApiObject | undefined {
  return documentOf(groupVersion)?.document;
}

function documentOf(path: string): Document | undefined {
  const cached = documents.get(path);
  if (cached !== undefined) return cached;
  const gv = groupVersions().find((other) => rootPath(other) === `/${path}`);
  if (gv === undefined) return undefined;
  const document = build(gv);
  const made = { document, hash: fnv1a(JSON.stringify(document)) };
  documents.set(path, made);
  return made;
}

function build(gv: { readonly group: string; readonly version: string }): OpenApiObject {
  const resources = SERVED_RESOURCES.filter((r) => r.group === gv.group && r.version === gv.version);
  const spoken = new Set<Message>([Status, DeleteOptions]);
  const messageOf = (kind: { group: string; version: string; kind: string }): Message => {
    const message =
      resourceForKind(apiVersionOf(kind), kind.kind)?.schema ?? SUBRESOURCE_KINDS.find((m) => m.name === kind.kind);
    assert(message !== undefined, `the kind ${kind.kind} of a subresource is declared`);
    spoken.add(message);
    return message;
  };
  const context = { status: Status, deleteOptions: DeleteOptions, messageOf };
  const paths = Object.assign({}, ...resources.map((resource) => pathsOf(resource, context))) as OpenApiObject;
  for (const resource of resources) spoken.add(resource.schema);
  return {
    openapi: "3.0.0",
    info: { title: "Trireme", version: gv.version },
    paths,
    components: { schemas: schemasOf([...spoken]) },
  };
}

/** FNV-1a over UTF-16 units: tells documents apart for caches, which is all that is asked of it. */
function fnv1a(text: string): string {
  let low = 0x811c9dc5;
  let high = 0xcbf29ce4;
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 0x01000193) >>> 0;
    high = Math.imul(high ^ low, 0x01000193) >>> 0;
  }
  return (high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0")).toUpperCase();
}
