import { type KubeObject, type Resource, type Table, apiVersionOf, spokenForm, tableFor } from "@trireme/api";
import type { ListResult, Target } from "../pipeline/request.ts";
import type { Exchange } from "./exchange.ts";
import { sendJson, sendPieces, warningHeaders } from "./exchange.ts";
import type { Format } from "./negotiation.ts";

type Include = "None" | "Metadata" | "Object";

/** The query parameter of Tables that says what rides along with a row. */
export function includeOf(query: URLSearchParams): Include {
  const asked = query.get("includeObject");
  return asked === "None" || asked === "Object" ? asked : "Metadata";
}

/** What the `scale` subresource speaks. */
const SCALE = { group: "autoscaling", kind: "Scale" };

/** What of a target decides how its objects look. */
export type Faces = Pick<Target, "resource" | "spoken">;

/** A Table of stored objects. */
export function tableOf(
  { resource, spoken = resource }: Faces,
  objects: readonly KubeObject[],
  query: URLSearchParams,
  nowMs: number,
): Table {
  const shown = (object: KubeObject): KubeObject => spokenForm(spoken, object);
  return tableFor(resource, objects, { now: nowMs, includeObject: includeOf(query), shown });
}

/** Answers with one stored object in the asked form. */
export function sendObject(
  exchange: Exchange,
  code: number,
  of: Faces,
  object: KubeObject,
  format: Format,
  nowMs: number,
  warnings: readonly string[] = [],
): void {
  const headers = warningHeaders(warnings);
  const { resource, spoken = resource } = of;
  const isOfKind = object.kind === resource.kind;
  if (format === "table" && (isOfKind || object.kind === SCALE.kind)) {
    const table = isOfKind
      ? tableOf(of, [object], exchange.query, nowMs)
      : tableFor(SCALE, [object], { now: nowMs, includeObject: includeOf(exchange.query) });
    table.metadata = { resourceVersion: object.metadata.resourceVersion ?? "" };
    sendJson(exchange.response, code, table, headers);
    return;
  }
  const shown = spokenForm(spoken, object);
  sendJson(exchange.response, code, format === "metadata" && isOfKind ? partialOf(shown) : shown, headers);
}

/** Answers with a list in the asked form; as JSON it is put together from the objects' own bytes. */
export async function sendList(
  exchange: Exchange,
  of: Faces,
  result: ListResult,
  format: Format,
  nowMs: number,
): Promise<void> {
  const { resource, spoken = resource } = of;
  const metadata = {
    resourceVersion: String(result.revision),
    ...(result.continueToken === undefined ? {} : { continue: result.continueToken }),
    ...(result.remaining === undefined ? {} : { remainingItemCount: result.remaining }),
  };
  if (format === "table") {
    const objects = result.items.map((item) => item.object);
    const table = tableOf(of, objects, exchange.query, nowMs);
    table.metadata = metadata;
    sendJson(exchange.response, 200, table);
    return;
  }
  if (format === "metadata") {
    const items = result.items.map((item) => partialOf(spokenForm(spoken, item.object)));
    const list = { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items };
    sendJson(exchange.response, 200, list);
    return;
  }
  await sendPieces(exchange.response, piecesOf(spoken, metadata, result), exchange.signal);
}

/** The part of an object that `PartialObjectMetadata` carries. */
export function partialOf(object: KubeObject): KubeObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

const COMMA = Buffer.from(",");
const END = Buffer.from("]}\n");

function* piecesOf(resource: Resource, metadata: object, result: ListResult): Generator<Buffer> {
  const head = { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata, items: [] };
  yield Buffer.from(JSON.stringify(head).slice(0, -2));
  for (const [i, item] of result.items.entries()) {
    if (i > 0) yield COMMA;
    yield resource.conversion === undefined
      ? item.json
      : Buffer.from(JSON.stringify(spokenForm(resource, item.object)));
  }
  yield END;
}
