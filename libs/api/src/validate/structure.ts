import type { Message } from "../schema/notation.ts";
import type { Problems } from "./field-error.ts";

/**
 * What the declarations alone can tell: required fields that are missing or empty, and values outside of a closed set.
 * Lists count as present when they are empty: each kind says itself which of its lists must not be.
 */
export function checkStructure(schema: Message, value: object, path: string, problems: Problems): void {
  const object = value as Record<string, unknown>;
  for (const [name, field] of Object.entries(schema.fields)) {
    const { shape, of, values, explicit } = field.facts;
    const given = object[name];
    const fieldPath = path === "" ? name : `${path}.${name}`;
    if (given === undefined || (given === "" && !explicit)) {
      if (field.need === "required" && shape !== "list") problems.required(fieldPath);
      continue;
    }
    if (values !== undefined && given !== "" && !values.includes(given as string)) {
      problems.notSupported(fieldPath, given, values);
    }
    if (typeof of === "string") continue;
    if (shape === "one") checkStructure(of, given as object, fieldPath, problems);
    else if (shape === "list") {
      for (const [index, item] of (given as object[]).entries()) {
        checkStructure(of, item, `${fieldPath}[${index}]`, problems);
      }
    } else {
      for (const [key, item] of Object.entries(given as object)) {
        checkStructure(of, item as object, `${fieldPath}[${key}]`, problems);
      }
    }
  }
}
