import type { FieldError } from "./field-error.ts";
import type { KubeObject, Resource } from "./resources.ts";

/** What is wrong with a new object, after defaulting; empty when it may be stored. */
export function validateCreate<T extends KubeObject>(resource: Resource<T>, object: T): FieldError[] {
  void resource;
  void object;
  return [];
}

/** What is wrong with a change from `old` to `object`, immutable fields included. */
export function validateUpdate<T extends KubeObject>(resource: Resource<T>, object: T, old: T): FieldError[] {
  void old;
  return validateCreate(resource, object);
}
