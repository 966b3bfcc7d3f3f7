/**
 * The state machine's words. Keys are byte strings: one character (0..255) per byte, so that JavaScript's string order
 * is the byte order that etcd defines.
 */

import type { Alarm } from "./alarms.ts";
import type { MemberInfo } from "./members.ts";

/** One key as of some revision. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Number of writes in this life of the key; 0 marks a deletion. */
  readonly version: number;
  readonly lease: bigint;
}

/** The whole key space from `key` on, as `rangeEnd`. */
export const END_OF_KEYS = "\0";

export type SortTarget = "key" | "version" | "create" | "mod" | "value";

export interface RangeOp {
  readonly type: "range";
  readonly key: string;
  /** "" means the single key. */
  readonly rangeEnd: string;
  /** 0: no limit. */
  readonly limit: number;
  /** 0: newest. */
  readonly revision: number;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly sortOrder: "none" | "ascend" | "descend";
  readonly sortTarget: SortTarget;
  /** Bounds on revisions of the keys found, 0: none. */
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

export interface PutOp {
  readonly type: "put";
  readonly key: string;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export interface DeleteRangeOp {
  readonly type: "deleteRange";
  readonly key: string;
  readonly rangeEnd: string;
  readonly prevKv: boolean;
}

export type CompareResult = "=" | "!=" | ">" | "<";

/** Holds for every key of the range; a single key that does not exist compares as zero, and never by value. */
export type Compare =
  | {
      readonly target: "version" | "create" | "mod" | "lease";
      readonly key: string;
      readonly rangeEnd: string;
      readonly result: CompareResult;
      readonly value: bigint;
    }
  | {
      readonly target: "value";
      readonly key: string;
      readonly rangeEnd: string;
      readonly result: CompareResult;
      readonly value: Uint8Array;
    };

export interface TxnOp {
  readonly type: "txn";
  readonly compare: readonly Compare[];
  readonly success: readonly Op[];
  readonly failure: readonly Op[];
}

export type Op = RangeOp | PutOp | DeleteRangeOp | TxnOp;

export interface CompactOp {
  readonly type: "compact";
  readonly revision: number;
}

/** A new lease under an id that nobody has. */
export interface LeaseGrantOp {
  readonly type: "leaseGrant";
  readonly id: bigint;
  /** Seconds. */
  readonly ttl: number;
}

/** Ends a lease and deletes its keys, all at one revision. */
export interface LeaseRevokeOp {
  readonly type: "leaseRevoke";
  readonly id: bigint;
  /** Keys that the one who asks may not delete: with one of them attached the request is refused. */
  readonly except?: { readonly key: string; readonly rangeEnd: string };
}

/** What is left of leases, so that a change of leader does not give each its whole time again for ever. */
export interface LeaseCheckpointOp {
  readonly type: "leaseCheckpoint";
  /** Seconds; 0: the lease was renewed and has its whole time. */
  readonly leases: readonly { readonly id: bigint; readonly remaining: number }[];
}

export interface AlarmOp {
  readonly type: "alarm";
  readonly alarm: Alarm;
  readonly on: boolean;
}

/** Comes in the log entry that adds the member to Raft's configuration. */
export interface MemberAddOp {
  readonly type: "memberAdd";
  readonly member: MemberInfo;
}

/** Comes in the log entry that removes the member from Raft's configuration. */
export interface MemberRemoveOp {
  readonly type: "memberRemove";
  readonly id: bigint;
}

/** Changes what is known of a member: its addresses, or the name and client addresses that it says of itself. */
export interface MemberUpdateOp {
  readonly type: "memberUpdate";
  readonly id: bigint;
  readonly change: Partial<Omit<MemberInfo, "id">>;
}

/** What changes keys. */
export type WriteOp = PutOp | DeleteRangeOp | TxnOp;

/** What a log entry asks of the state machine. */
export type Command =
  | WriteOp
  | CompactOp
  | LeaseGrantOp
  | LeaseRevokeOp
  | LeaseCheckpointOp
  | AlarmOp
  | MemberAddOp
  | MemberRemoveOp
  | MemberUpdateOp;

export interface RangeResult {
  readonly type: "range";
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export interface PutResult {
  readonly type: "put";
  readonly prevKv: KeyValue | undefined;
}

export interface DeleteRangeResult {
  readonly type: "deleteRange";
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export interface TxnResult {
  readonly type: "txn";
  readonly succeeded: boolean;
  readonly responses: readonly OpResult[];
}

export type OpResult = RangeResult | PutResult | DeleteRangeResult | TxnResult;

/** The command was carried out and there is nothing more to say. */
export interface DoneResult {
  readonly type: "done";
}

/** A range with etcd's usual defaults. */
export function rangeOp(key: string, rangeEnd = "", options: Partial<RangeOp> = {}): RangeOp {
  return {
    type: "range",
    key,
    rangeEnd,
    limit: 0,
    revision: 0,
    keysOnly: false,
    countOnly: false,
    sortOrder: "none",
    sortTarget: "key",
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...options,
  };
}

/** A put with etcd's usual defaults. */
export function putOp(key: string, value: Uint8Array, options: Partial<PutOp> = {}): PutOp {
  return { type: "put", key, value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false, ...options };
}
