import { TriremeError } from "@trireme/base";
import { apiVersionOf, type KubeObject, type Resource } from "./resource.ts";
import { describeValue, readScalar } from "./scalar.ts";
import type { Field, Message, Need } from "./schema/notation.ts";
import { closest } from "./suggest.ts";

/** What to do with fields that the kind does not have (`fieldValidation`). */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** A typed object and what `Warn` found. */
export interface Decoded<T> {
  readonly object: T;
  readonly warnings: readonly string[];
}

/** Nesting beyond this is refused: no kind comes near it, and it keeps recursion far from the stack's end. */
const MAX_DEPTH = 100;
/** Problems listed in one answer; a body that is wrong everywhere is one mistake, not a thousand. */
const MAX_PROBLEMS = 20;
/** Names that reach an object's prototype. No Kubernetes field has them; in map keys they are refused as well. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor"]);

/**
 * Checks a parsed JSON value against a declared kind and returns a clean, detached copy of what the kind has. Throws
 * BadRequest that names every field of a wrong type, and with `Strict` every unknown field. Nulls are absent fields.
 */
export function decodeStrict<T extends KubeObject>(
  of: Resource<T> | Message,
  value: unknown,
  mode: FieldValidation = "Strict",
): Decoded<T> {
  const schema = "schema" in of ? of.schema : of;
  if (!isObject(value)) {
    throw new TriremeError("BadRequest", `the body must be a ${schema.name} object, got ${describeValue(value)}`);
  }
  checkKind(schema, value);
  const walk = new Walk();
  const object = walk.message(schema, value, "", 0);
  if (schema.kind !== undefined) {
    object["apiVersion"] = apiVersionOf(schema.kind);
    object["kind"] = schema.kind.kind;
  }
  const what = `${schema.name} in version "${schema.kind?.version ?? "v1"}" cannot be handled as a ${schema.name}`;
  if (walk.wrong.length > 0) {
    const list = walk.wrong.map(({ field, message }) => `${field}: ${message}`).join("; ");
    const causes = walk.wrong.map((w) => ({ reason: "FieldValueTypeInvalid", ...w }));
    throw new TriremeError("BadRequest", `${what}: ${list}`, { details: { causes } });
  }
  if (mode === "Strict" && walk.unknown.length > 0) {
    throw new TriremeError("BadRequest", `${what}: strict decoding error: ${walk.unknown.join(", ")}`);
  }
  return { object: object as unknown as T, warnings: mode === "Warn" ? walk.unknown : [] };
}

function checkKind(schema: Message, value: Record<string, unknown>): void {
  if (schema.kind === undefined) return;
  const expected = { apiVersion: apiVersionOf(schema.kind), kind: schema.kind.kind };
  for (const key of ["apiVersion", "kind"] as const) {
    const given = value[key];
    // As in Kubernetes, the address says what the body is when the body does not.
    if (given === undefined || given === null || given === "" || given === expected[key]) continue;
    // Options and Status bodies may carry the group-version of the resource that they are about.
    if (schema.package.endsWith("meta.v1") && key === "apiVersion") continue;
    const words = typeof given === "string" ? JSON.stringify(given) : describeValue(given);
    throw new TriremeError("BadRequest", `the ${key} in the data (${words}) is not the expected "${expected[key]}"`);
  }
}

class Walk {
  readonly wrong: { field: string; message: string }[] = [];
  readonly unknown: string[] = [];

  message(schema: Message, value: Record<string, unknown>, path: string, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const field = Object.hasOwn(schema.fields, key) ? schema.fields[key] : undefined;
      const fieldPath = path === "" ? key : `${path}.${key}`;
      if (field === undefined) {
        this.unknownField(schema, key, fieldPath);
        continue;
      }
      const given = value[key];
      if (given === null || given === undefined) continue;
      const read = this.field(field, given, fieldPath, depth + 1);
      if (read !== undefined) result[key] = read;
    }
    return result;
  }

  private unknownField(schema: Message, key: string, path: string): void {
    if (FORBIDDEN_KEYS.has(key)) {
      this.report(path, "this name is refused: it would reach the object's prototype");
      return;
    }
    if (this.unknown.length >= MAX_PROBLEMS) return;
    const meant = closest(key, Object.keys(schema.fields));
    this.unknown.push(
      `unknown field ${JSON.stringify(path)}${meant === undefined ? "" : ` (did you mean "${meant}"?)`}`,
    );
  }

  private field(field: Field<unknown, Need>, value: unknown, path: string, depth: number): unknown {
    const { shape, of } = field.facts;
    if (shape === "one") return this.value(of, value, path, depth);
    if (shape === "list") {
      if (!Array.isArray(value)) return this.report(path, `expected a list, got ${describeValue(value)}`);
      return value.map((item, index) => this.value(of, item, `${path}[${index}]`, depth + 1));
    }
    if (!isObject(value)) return this.report(path, `expected a map, got ${describeValue(value)}`);
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const itemPath = `${path}.${key}`;
      if (FORBIDDEN_KEYS.has(key)) this.report(itemPath, "this key is refused: it would reach the object's prototype");
      // As Go does: a key without a value is an empty string in a map of strings.
      else if (item === null && of === "string") result[key] = "";
      else result[key] = this.value(of, item, itemPath, depth + 1);
    }
    return result;
  }

  private value(of: Field<unknown>["facts"]["of"], value: unknown, path: string, depth: number): unknown {
    if (depth > MAX_DEPTH) return this.report(path, `nested deeper than ${MAX_DEPTH} levels`);
    if (of === "any") {
      if (!isObject(value)) return this.report(path, `expected an object, got ${describeValue(value)}`);
      return this.anything(value, path, depth);
    }
    if (typeof of === "string") {
      const read = readScalar(of, value);
      return "value" in read ? read.value : this.report(path, read.problem);
    }
    if (!isObject(value)) return this.report(path, `expected an object, got ${describeValue(value)}`);
    return this.message(of, value, path, depth);
  }

  private anything(value: unknown, path: string, depth: number): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (depth > MAX_DEPTH) return this.report(path, `nested deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(value)) return value.map((item, index) => this.anything(item, `${path}[${index}]`, depth + 1));
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const itemPath = `${path}.${key}`;
      if (FORBIDDEN_KEYS.has(key)) this.report(itemPath, "this key is refused: it would reach the object's prototype");
      else result[key] = this.anything(item, itemPath, depth + 1);
    }
    return result;
  }

  private report(field: string, message: string): undefined {
    if (this.wrong.length < MAX_PROBLEMS) this.wrong.push({ field, message });
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
