import { type KubeObject, type Resource, RESOURCES, apiVersionOf, decodeStrict, resourceForKind } from "@trireme/api";
import { TriremeError, errorFrom } from "@trireme/base";
import { LineCounter, parseAllDocuments } from "yaml";

/** One object of a manifest file, checked against its kind. */
export interface ManifestObject {
  readonly resource: Resource;
  /** As written: defaults are the server's business. */
  readonly object: KubeObject;
  /** `file:line`, for messages. */
  readonly place: string;
}

/**
 * Reads every object of one file, YAML or JSON, Lists opened. Throws one error that names file, line and field for
 * everything that is wrong with it, so that nothing of a bad file is sent.
 */
export function parseManifests(file: string, text: string): ManifestObject[] {
  const lines = new LineCounter();
  // YAML 1.1 as kubectl reads it: `yes` is true and 017 is 15.
  const documents = parseAllDocuments(text, { version: "1.1", merge: true, lineCounter: lines, prettyErrors: false });
  const problems: string[] = [];
  const found: ManifestObject[] = [];
  if (!("empty" in documents)) {
    for (const document of documents) {
      const line = lines.linePos(document.contents?.range?.[0] ?? document.range[0]).line;
      for (const error of document.errors) {
        const at = lines.linePos(error.pos[0]);
        problems.push(`${file}:${at.line}:${at.col}: ${error.message}`);
      }
      if (document.errors.length > 0) continue;
      for (const value of openList(document.toJS({ maxAliasCount: MAX_ALIASES }))) {
        try {
          found.push(checkObject(value, `${file}:${line}`));
        } catch (thrown) {
          problems.push(`${file}:${line}: ${errorFrom(thrown).message}`);
        }
      }
    }
  }
  if (problems.length > 0) throw new TriremeError("BadRequest", problems.join("\n"));
  if (found.length === 0) throw new TriremeError("BadRequest", `${file}: there is no object in this file`);
  return found;
}

/** Uses of anchors: manifests have a handful, an attack has millions. */
const MAX_ALIASES = 1_000;

function openList(value: unknown): unknown[] {
  if (value === null || value === undefined) return [];
  const list = value as { kind?: unknown; items?: unknown };
  if (list.kind === "List" && Array.isArray(list.items)) return list.items as unknown[];
  return [value];
}

function checkObject(value: unknown, place: string): ManifestObject {
  const { apiVersion, kind, metadata } = (value ?? {}) as Record<string, unknown>;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw new TriremeError(
      "BadRequest",
      "an object needs apiVersion and kind, for example apiVersion: v1, kind: Service",
    );
  }
  const resource = resourceForKind(apiVersion, kind);
  if (resource === undefined) {
    const same = RESOURCES.find((known) => known.kind.toLowerCase() === kind.toLowerCase());
    const hint = same === undefined ? "" : `; there is ${same.kind} in ${apiVersionOf(same)}`;
    throw new TriremeError("BadRequest", `no kind "${kind}" in version "${apiVersion}"${hint}`);
  }
  const { name } = (metadata ?? {}) as Record<string, unknown>;
  if (typeof name !== "string" || name === "") throw new TriremeError("BadRequest", `${kind}: metadata.name: required`);
  try {
    decodeStrict(resource, value, "Strict");
  } catch (thrown) {
    const error = errorFrom(thrown);
    throw new TriremeError("BadRequest", `${kind} "${name}": ${error.message}`, { cause: thrown });
  }
  return { resource, object: value as KubeObject, place };
}
