/**
 * The replicated state machine of the store: keys with their history, transactions, watches. Pure: no clock, no
 * randomness, no I/O; the same commands in the same order give the same state on every replica.
 *
 * Callers' duties, in this order, for each batch of committed entries:
 * 1. `store.apply(index, command)` for every entry, without a gap;
 * 2. `hub.publish()`, so that watchers hear of it before anything else happens;
 * 3. now and then `store.trim(n)`, in slices, to let compacted history go.
 * Keys are byte strings (one character per byte); convert at the border with latin1.
 */
export { compareBytes, inRange } from "./bytes.ts";
export { ERROR_TEXT, storeError } from "./errors.ts";
export { SnapshotReader, type StoreSnapshot, takeSnapshot } from "./snapshot.ts";
export { MvccStore, type Outcome } from "./store.ts";
export { MAX_TXN_OPS, checkOp } from "./txn.ts";
export {
  type Command,
  type CompactOp,
  type CompactResult,
  type Compare,
  type CompareResult,
  type DeleteRangeOp,
  type DeleteRangeResult,
  END_OF_KEYS,
  type KeyValue,
  type Op,
  type OpResult,
  type PutOp,
  type PutResult,
  type RangeOp,
  type RangeResult,
  type SortTarget,
  type TxnOp,
  type TxnResult,
  putOp,
  rangeOp,
} from "./types.ts";
export { type WatchBatch, type WatchEvent, WatchHub, type WatchSpec, type Watcher } from "./watch-hub.ts";
