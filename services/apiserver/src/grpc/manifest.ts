import { TriremeError, errorFrom } from "@trireme/base";
import { type KubeObject, type Resource, apiVersionOf, decodeStrict, resourceForKind } from "@trireme/api";
import { parseAllDocuments } from "yaml";

/** Aliases a manifest may expand: enough for hand-written anchors, too few for a bomb. */
const MAX_YAML_ALIASES = 100;

/** Objects in one manifest: more than any hand-made one, and few enough for one call. */
const MAX_OBJECTS = 1000;

/** One object of a manifest, checked against its kind. */
export interface ManifestObject {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly body: KubeObject;
}

/**
 * Reads a manifest, YAML or JSON, of one or more documents; a `List` is taken apart. Everything is checked before
 * anything is answered: a typo in the last document leaves the first unwritten.
 */
export function readManifest(text: string, defaultNamespace: string): ManifestObject[] {
  const documents = parseAllDocuments(text, { version: "1.1", prettyErrors: true });
  const values = "empty" in documents ? [] : documents;
  const objects: unknown[] = [];
  for (const [i, document] of values.entries()) {
    const broken = document.errors[0];
    if (broken !== undefined) throw new TriremeError("BadRequest", `document ${i + 1}: ${broken.message}`);
    const value: unknown = toValue(document, i);
    if (value === null || value === undefined) continue;
    const { kind, items } = value as { kind?: unknown; items?: unknown };
    if (kind === "List" && Array.isArray(items)) objects.push(...(items as unknown[]));
    else objects.push(value);
  }
  if (objects.length === 0) throw new TriremeError("BadRequest", "the manifest holds no object");
  if (objects.length > MAX_OBJECTS) {
    throw new TriremeError(
      "BadRequest",
      `the manifest holds ${objects.length} objects; at most ${MAX_OBJECTS} go at once`,
    );
  }
  return objects.map((value, i) => check(value, i, defaultNamespace));
}

function toValue(document: { toJS(options: { maxAliasCount: number }): unknown }, i: number): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_YAML_ALIASES });
  } catch (thrown) {
    throw new TriremeError("BadRequest", `document ${i + 1}: ${errorFrom(thrown).message}`, { cause: thrown });
  }
}

function check(value: unknown, i: number, defaultNamespace: string): ManifestObject {
  const where = `object ${i + 1}`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TriremeError("BadRequest", `${where} is not a map of fields`);
  }
  const { apiVersion, kind, metadata } = value as { apiVersion?: unknown; kind?: unknown; metadata?: unknown };
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw new TriremeError("BadRequest", `${where} names no apiVersion and kind`);
  }
  const resource = resourceForKind(apiVersion, kind);
  if (resource === undefined) {
    throw new TriremeError("BadRequest", `${where}: no matches for kind "${kind}" in version "${apiVersion}"`);
  }
  const { name, namespace } = (metadata ?? {}) as { name?: unknown; namespace?: unknown };
  if (typeof name !== "string" || name === "") {
    throw new TriremeError("BadRequest", `${where} (${kind}): metadata.name: Required value: apply needs a name`);
  }
  try {
    const { object } = decodeStrict(resource, value, "Strict");
    const scope = resource.namespaced ? ((namespace as string | undefined) ?? defaultNamespace) : undefined;
    return { resource, namespace: scope, name, body: object };
  } catch (thrown) {
    const error = errorFrom(thrown);
    const message = `${kind} "${name}" (${apiVersionOf(resource)}, ${where}): ${error.message}`;
    throw new TriremeError(error.code, message, { details: error.details, cause: thrown });
  }
}
