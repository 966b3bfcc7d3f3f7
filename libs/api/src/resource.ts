import type { ObjectMeta } from "./schema/meta.ts";
import type { Message } from "./schema/notation.ts";

/** What every API object has. The typed kinds (Pod, Deployment, ...) are assignable to it. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A path under an object with a life of its own, such as `status`; `kind` is what its requests carry. */
export interface Subresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** One kind as the API serves it. `T` is the TypeScript type of its objects. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  /** The plural in paths, such as `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  readonly schema: Message;
  /** Set when this version is spoken but not stored. */
  readonly conversion?: Conversion;
  /** Carries the type of the objects; never set. */
  readonly phantom?: T;
}

/** How a version that is spoken but not stored becomes the stored one, and back. Nothing may be lost on the way. */
export interface Conversion {
  readonly stored: Resource;
  /** What comes out may hold values of any type where annotations were taken apart: decode it before it is used. */
  readonly toStored: (spoken: KubeObject) => KubeObject;
  readonly fromStored: (stored: KubeObject) => KubeObject;
}

/** `v1` for the core group, `apps/v1` for others. */
export function apiVersionOf(of: { readonly group: string; readonly version: string }): string {
  return of.group === "" ? of.version : `${of.group}/${of.version}`;
}
