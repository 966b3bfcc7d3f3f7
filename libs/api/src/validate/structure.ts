import type { Field, Message, Need } from "../schema/notation.ts";
import type { Problems } from "./field-error.ts";

/** What there is to check in a message: most fields need no look at all. */
interface Checks {
  readonly required: readonly string[];
  readonly fields: ReadonlyMap<string, Field<unknown, Need>>;
}

const checksByMessage = new WeakMap<Message, Checks>();

function checksOf(message: Message): Checks {
  const known = checksByMessage.get(message);
  if (known !== undefined) return known;
  const entries = Object.entries(message.fields);
  const checks = {
    required: entries.filter(([, f]) => f.need === "required" && f.facts.shape !== "list").map(([name]) => name),
    fields: new Map(entries.filter(([, { facts }]) => facts.values !== undefined || typeof facts.of !== "string")),
  };
  checksByMessage.set(message, checks);
  return checks;
}

/**
 * What the declarations alone can tell: required fields that are missing or empty, and values outside of a closed set.
 * Lists count as present when they are empty: each kind says itself which of its lists must not be. `skip` names
 * fields of the root that are not looked at.
 */
export function checkStructure(schema: Message, value: object, path: string, problems: Problems, skip?: string): void {
  const object = value as Record<string, unknown>;
  const { required, fields } = checksOf(schema);
  const prefix = path === "" ? "" : `${path}.`;
  for (const name of required) {
    const given = object[name];
    if (given === undefined || (given === "" && !schema.fields[name]!.facts.explicit)) {
      problems.required(prefix + name);
    }
  }
  for (const name of Object.keys(object)) {
    const field = fields.get(name);
    if (field !== undefined && name !== skip) checkField(field, object[name], prefix + name, problems);
  }
}

function checkField({ facts }: Field<unknown, Need>, given: unknown, path: string, problems: Problems): void {
  const { shape, of, values } = facts;
  if (values !== undefined && given !== "" && !values.includes(given as string)) {
    problems.notSupported(path, given, values);
  }
  if (typeof of === "string" || given === undefined) return;
  if (shape === "one") {
    checkStructure(of, given as object, path, problems);
  } else if (shape === "list") {
    for (const [index, item] of (given as object[]).entries()) {
      checkStructure(of, item, `${path}[${index}]`, problems);
    }
  } else {
    for (const [key, item] of Object.entries(given as object)) checkStructure(of, item, `${path}[${key}]`, problems);
  }
}
