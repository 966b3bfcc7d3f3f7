/**
 * A typed client of the API that knows every apiserver and fails over.
 *
 * Callers' duties: one client per identity and process; `close()` it at the end. Errors carry the Status' reason as
 * `code`. `Unknown` means that a write was sent and no answer came: read before you repeat it. Only reads and requests
 * that were never sent are repeated here.
 */
export { type ClientOptions, createApiClient } from "./client.ts";
export { delegatedJudge } from "./delegated-judge.ts";
export { errorFromResponse, errorFromStatus } from "./status-error.ts";
export { type ClientTiming, DEFAULT_TIMING } from "./timing.ts";
export type {
  ApiClient,
  ApiList,
  ApiObject,
  DeleteOptions,
  ListOptions,
  PatchOptions,
  PatchType,
  RawOptions,
  RawResponse,
  ResourceClient,
  ResourceRef,
  ServerSwitch,
  WatchEvent,
  WatchOptions,
} from "./types.ts";
