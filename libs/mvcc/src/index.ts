/**
 * The replicated state machine of the store: keys with their history, transactions, watches, leases, alarms, members.
 * Pure: no clock, no randomness, no I/O; the same commands in the same order give the same state on every replica.
 *
 * Callers' duties, in this order, for each batch of committed entries:
 * 1. `store.apply(index, command)` for every entry, without a gap;
 * 2. `hub.publish()`, so that watchers hear of it before anything else happens;
 * 3. now and then `store.trim(n)`, in slices, to let compacted history go.
 * The leader's shell also owns a `Lessor`: `promote` and `demote` it with the office, tell it of applied grants and
 * revocations, and propose a revocation for each lease that `due` hands out.
 * Keys are byte strings (one character per byte); convert at the border with latin1.
 */
export { type Alarm, type AlarmType, Alarms } from "./alarms.ts";
export { compareBytes, inRange } from "./bytes.ts";
export { ERROR_TEXT, storeError } from "./errors.ts";
export { type Lease, Leases, MAX_LEASE_TTL_SECONDS } from "./leases.ts";
export { CHECKPOINT_MS, Lessor, MAX_EXPIRIES_PER_SECOND } from "./lessor.ts";
export { type MemberInfo, Members } from "./members.ts";
export { RangeSlices } from "./range-slices.ts";
export { REBIRTH_REVISIONS, type Rebirth, reborn } from "./rebirth.ts";
export { type FrameSource, SnapshotReader, type StoreSnapshot, keyFrames, takeSnapshot } from "./snapshot.ts";
export { MvccStore, type Outcome } from "./store.ts";
export { MAX_TXN_OPS, addsData, checkCommand, checkOp } from "./txn.ts";
export {
  type Command,
  type CompactOp,
  type Compare,
  type CompareResult,
  type DeleteRangeOp,
  type DeleteRangeResult,
  type DoneResult,
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
  type WriteOp,
  putOp,
  rangeOp,
} from "./types.ts";
export { type WatchBatch, type WatchEvent, WatchHub, type WatchSpec, type Watcher } from "./watch-hub.ts";
