import { type FieldValidation, type KubeObject, type Resource, storedResource } from "@trireme/api";
import type { User } from "../auth/user.ts";
import type { StoredObject } from "../storage/stored-object.ts";

/** The fence that an elected actor shows: its write happens only while the election is still its own. */
export interface Fence {
  readonly election: string;
  readonly revision: number;
}

/** Who asks, by whichever door. */
export interface Caller {
  readonly user: User;
  /** Who acts as `user`, where that is another: whose fence is shown is decided by who somebody is. */
  readonly actor?: User | undefined;
  readonly fence?: Fence | undefined;
  /** Names the field manager of writes that give none. */
  readonly userAgent?: string | undefined;
}

/** What is asked about. */
export interface Target {
  /** As it is stored. */
  readonly resource: Resource;
  /** The version that bodies are written in, when it is not the stored one. */
  readonly spoken?: Resource | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** The two faces of a served resource: what is stored, and what is spoken. */
export function facesOf(served: Resource): Pick<Target, "resource" | "spoken"> {
  return served.conversion === undefined ? { resource: served } : { resource: storedResource(served), spoken: served };
}

/** A target with a name. */
export interface NamedTarget extends Target {
  readonly name: string;
}

/** How a write is to be done. */
export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string | undefined;
  readonly fieldValidation?: FieldValidation;
}

/** The four ways to say what changes. */
export type PatchType = "json" | "merge" | "strategic" | "apply";

/** A patch and how to apply it; `body` is parsed JSON. */
export interface PatchOptions extends WriteOptions {
  readonly type: PatchType;
  readonly body: unknown;
  /** Apply only: take over fields of other managers. */
  readonly force?: boolean;
}

/** How to delete; as `meta/v1 DeleteOptions`. */
export interface DeletionOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly dryRun?: boolean;
}

/** What to read of many. */
export interface ListOptions {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly limit?: number | undefined;
  readonly continueToken?: string | undefined;
}

/** What to follow. */
export interface WatchOptions {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly allowBookmarks?: boolean;
  /** Undefined: as Kubernetes does without the parameter (initial ADDED events unless a version is given). */
  readonly sendInitialEvents?: boolean | undefined;
}

/** A list as of one revision. */
export interface ListResult {
  readonly revision: number;
  readonly items: readonly StoredObject[];
  readonly continueToken?: string;
  readonly remaining?: number;
}

/** The outcome of a write. */
export interface Written {
  readonly object: KubeObject;
  readonly created: boolean;
  readonly warnings: readonly string[];
}

/** The outcome of a delete: whether the object is gone, and its last state. */
export interface Deleted {
  readonly object: KubeObject;
  readonly gone: boolean;
}
