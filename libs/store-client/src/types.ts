/**
 * The store as its clients see it. Keys are strings (UTF-8 on the wire; ours are ASCII paths), values are bytes,
 * revisions are safe integers. Semantics are etcd's v3 API's.
 */

/** One key as of some revision. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  /** Number of writes in this life of the key, 1 for a fresh one. */
  readonly version: number;
}

/** Reads `[key, rangeEnd)`; without `rangeEnd` the single key. See {@link prefixEnd} for prefixes. */
export interface RangeRequest {
  readonly key: string;
  readonly rangeEnd?: string;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  /** Absent or 0: newest. A compacted revision fails with `Expired`. */
  readonly revision?: number;
  /** Answered from one member's own state, perhaps old. Default: linearizable. */
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
}

/** What a range read found; `revision` is the store's at that moment, also when an older one was asked for. */
export interface RangeResult {
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** The limit left keys out. */
  readonly more: boolean;
  /** All keys in the range, whatever the limit. */
  readonly count: number;
}

export interface PutRequest {
  readonly key: string;
  readonly value: Uint8Array;
  readonly prevKv?: boolean;
}

export interface PutResult {
  readonly revision: number;
  readonly prevKv?: KeyValue;
}

export interface DeleteRangeRequest {
  readonly key: string;
  readonly rangeEnd?: string;
  readonly prevKv?: boolean;
}

export interface DeleteRangeResult {
  readonly revision: number;
  readonly deleted: number;
  /** Only with `prevKv`. */
  readonly prevKvs: readonly KeyValue[];
}

/** One condition of a transaction. A key that does not exist has version, create and mod revision 0 and no value. */
export type Compare =
  | {
      readonly key: string;
      readonly target: "version" | "create" | "mod";
      readonly result: "=" | "!=" | ">" | "<";
      readonly value: number;
    }
  | { readonly key: string; readonly target: "value"; readonly result: "=" | "!="; readonly value: Uint8Array };

export type TxnOp =
  | { readonly range: RangeRequest }
  | { readonly put: PutRequest }
  | { readonly deleteRange: DeleteRangeRequest };

/** If every compare holds then `success` else `failure`, in order, as one revision. At most 128 operations each. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly TxnOp[];
  readonly failure?: readonly TxnOp[];
}

export type TxnOpResult =
  | { readonly range: RangeResult }
  | { readonly put: PutResult }
  | { readonly deleteRange: DeleteRangeResult };

export interface TxnResult {
  /** The transaction's own revision when it wrote, else the store's. */
  readonly revision: number;
  readonly succeeded: boolean;
  readonly responses: readonly TxnOpResult[];
}

export interface WatchEvent {
  readonly type: "put" | "delete";
  /** For a deletion: key and `modRevision` (the deletion's); the value is empty. */
  readonly kv: KeyValue;
  /** With `prevKv`: the pair before, unless it did not exist or history has lost it. */
  readonly prevKv?: KeyValue;
}

export interface WatchRequest {
  readonly key: string;
  readonly rangeEnd?: string;
  /** Inclusive. Absent or 0: from the moment the watch is created. */
  readonly startRevision?: number;
  /** Also call `onProgress` when nothing happens (about each second). */
  readonly progressNotify?: boolean;
  readonly prevKv?: boolean;
}

/** Called in order of revision, never twice for one event, also over a change of members. */
export interface WatchHandlers {
  /** The watch is in place (again, after a change of members); everything after `revision` will come as events. */
  onCreated?(revision: number): void;
  /** All events of one or more whole revisions, oldest first; the last is at `revision`. */
  onEvents(events: readonly WatchEvent[], revision: number): void;
  /** Every event up to and including `revision` has been delivered. */
  onProgress?(revision: number): void;
  /**
   * The watch is over and will not resume: `Expired` when the start revision was compacted (the message names the
   * compact revision: list again), `Forbidden`, `BadRequest`; `ServiceUnavailable` from a layer that cannot read what came.
   * Loss of a member is no end: the client resumes.
   */
  onEnd(error: StoreWatchEnd): void;
}

export interface StoreWatchEnd {
  readonly code: "Expired" | "Forbidden" | "BadRequest" | "ServiceUnavailable";
  readonly message: string;
  readonly compactRevision?: number;
}

export interface Watch {
  /** Asks for an `onProgress` as soon as everything up to now has been delivered. */
  requestProgress(): void;
  /** No handler is called after it. */
  close(): void;
}

export interface StoreStatus {
  readonly endpoint: string;
  readonly memberId: string;
  /** "0" when the member knows no leader. */
  readonly leader: string;
  readonly revision: number;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly dbSize: number;
  readonly version: string;
}

/**
 * A connection to the store. Every call settles within its bound (about 8 s). Rejections are `TriremeError`:
 * - `ServiceUnavailable`: certainly not applied (no member reachable, or no leader known); try again later.
 * - `Timeout`: a read that found no quorum in time.
 * - `Unknown`: a write that was sent and may or may not have been applied; never retried here.
 * - `Expired`: the revision was compacted. `BadRequest`, `Forbidden`, `TooManyRequests`, `RequestEntityTooLarge`.
 */
export interface StoreClient {
  range(request: RangeRequest): Promise<RangeResult>;
  put(request: PutRequest): Promise<PutResult>;
  deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResult>;
  txn(request: TxnRequest): Promise<TxnResult>;
  /** The store's revision, linearizable: a cache that has applied it is as new as any write acknowledged before. */
  readRevision(): Promise<number>;
  /** Forgets history before `revision`; readers and watchers below it get `Expired`. */
  compact(revision: number): Promise<void>;
  watch(request: WatchRequest, handlers: WatchHandlers): Watch;
  /** Of the member that is in use. */
  status(): Promise<StoreStatus>;
  close(): Promise<void>;
}

/** How to reach the store; `endpoints` are host:port, the own member first. */
export interface StoreClientOptions {
  readonly endpoints: readonly string[];
  /** Its fields may change: each new connection is made with what they are then. */
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
}

/** The `rangeEnd` that makes a range of every key that starts with `prefix` (ASCII prefixes). */
export function prefixEnd(prefix: string): string {
  if (prefix === "") return "\0";
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
