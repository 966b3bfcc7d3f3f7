/**
 * The store for its clients, above all the apiserver.
 *
 * Callers' duties: branch on the error's `code`; treat `Unknown` as "read, then decide"; put every belief about the
 * state into a transaction's compares; keep watch handlers quick and never let them throw; close what was opened.
 */
export { createStoreClient } from "./client.ts";
export { createMemoryStore } from "./memory.ts";
export {
  type Compare,
  type DeleteRangeRequest,
  type DeleteRangeResult,
  type KeyValue,
  type PutRequest,
  type PutResult,
  type RangeRequest,
  type RangeResult,
  type StoreClient,
  type StoreClientOptions,
  type StoreStatus,
  type StoreWatchEnd,
  type TxnOp,
  type TxnOpResult,
  type TxnRequest,
  type TxnResult,
  type Watch,
  type WatchEvent,
  type WatchHandlers,
  type WatchRequest,
  prefixEnd,
} from "./types.ts";
