import { TriremeError, assert } from "@trireme/base";
import * as mvcc from "@trireme/mvcc";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type * as kv from "@trireme/proto/mvccpb/kv";
import type { Request } from "../apply/command.ts";

const SORT_TARGETS: Record<rpc.RangeRequest_SortTarget, mvcc.SortTarget> = {
  [rpc.RangeRequest_SortTarget.KEY]: "key",
  [rpc.RangeRequest_SortTarget.VERSION]: "version",
  [rpc.RangeRequest_SortTarget.CREATE]: "create",
  [rpc.RangeRequest_SortTarget.MOD]: "mod",
  [rpc.RangeRequest_SortTarget.VALUE]: "value",
};
const SORT_ORDERS: Record<rpc.RangeRequest_SortOrder, mvcc.RangeOp["sortOrder"]> = {
  [rpc.RangeRequest_SortOrder.NONE]: "none",
  [rpc.RangeRequest_SortOrder.ASCEND]: "ascend",
  [rpc.RangeRequest_SortOrder.DESCEND]: "descend",
};
const COMPARE_RESULTS: Record<rpc.Compare_CompareResult, mvcc.CompareResult> = {
  [rpc.Compare_CompareResult.EQUAL]: "=",
  [rpc.Compare_CompareResult.GREATER]: ">",
  [rpc.Compare_CompareResult.LESS]: "<",
  [rpc.Compare_CompareResult.NOT_EQUAL]: "!=",
};

const ALARM_TYPES: Record<rpc.AlarmType, mvcc.AlarmType | undefined> = {
  [rpc.AlarmType.NONE]: undefined,
  [rpc.AlarmType.NOSPACE]: "noSpace",
  [rpc.AlarmType.CORRUPT]: "corrupt",
};

/** Where the API's objects are: written by apiservers alone, for only they admit, validate and audit. */
export const API_KEYS = { key: "/registry/", rangeEnd: "/registry0" } as const;

/** Bytes as the state machine's key strings. */
export function toKey(bytes: Uint8Array): string {
  return Buffer.isBuffer(bytes) ? bytes.toString("latin1") : Buffer.from(bytes).toString("latin1");
}

/** A key string as bytes. */
export function fromKey(key: string): Buffer {
  return Buffer.from(key, "latin1");
}

/** Revisions and limits: what is beyond 2^53 is beyond any revision that exists. */
export function toNumber(value: bigint): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

/** An enumeration's value that this release does not know is refused, not guessed. */
function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new TriremeError("BadRequest", `etcdserver: unknown ${what}`);
  return value;
}

function sortOption<T>(value: T | undefined): T {
  if (value === undefined) throw new TriremeError("BadRequest", "etcdserver: invalid sort option");
  return value;
}

export function toRangeOp(request: rpc.RangeRequest): mvcc.RangeOp {
  return {
    type: "range",
    key: toKey(request.key),
    rangeEnd: toKey(request.rangeEnd),
    limit: toNumber(request.limit),
    revision: toNumber(request.revision),
    keysOnly: request.keysOnly,
    countOnly: request.countOnly,
    sortOrder: sortOption(SORT_ORDERS[request.sortOrder]),
    sortTarget: sortOption(SORT_TARGETS[request.sortTarget]),
    minModRevision: toNumber(request.minModRevision),
    maxModRevision: toNumber(request.maxModRevision),
    minCreateRevision: toNumber(request.minCreateRevision),
    maxCreateRevision: toNumber(request.maxCreateRevision),
  };
}

function toPutOp(request: rpc.PutRequest): mvcc.PutOp {
  const { value, lease, prevKv, ignoreValue, ignoreLease } = request;
  return { type: "put", key: toKey(request.key), value, lease, prevKv, ignoreValue, ignoreLease };
}

function toDeleteRangeOp(request: rpc.DeleteRangeRequest): mvcc.DeleteRangeOp {
  const { prevKv } = request;
  return { type: "deleteRange", key: toKey(request.key), rangeEnd: toKey(request.rangeEnd), prevKv };
}

function toTxnOp(request: rpc.TxnRequest): mvcc.TxnOp {
  return {
    type: "txn",
    compare: request.compare.map(toCompare),
    success: request.success.map(toOp),
    failure: request.failure.map(toOp),
  };
}

function toOp(op: rpc.RequestOp): mvcc.Op {
  const { request } = op;
  switch (request?.$case) {
    case "requestRange":
      return toRangeOp(request.value);
    case "requestPut":
      return toPutOp(request.value);
    case "requestDeleteRange":
      return toDeleteRangeOp(request.value);
    case "requestTxn":
      return toTxnOp(request.value);
    case undefined:
      // An operation of no kind: etcd says of it that its key was not found.
      throw mvcc.storeError("keyNotFound");
  }
}

function toCompare(compare: rpc.Compare): mvcc.Compare {
  const base = {
    key: toKey(compare.key),
    rangeEnd: toKey(compare.rangeEnd),
    result: known(COMPARE_RESULTS[compare.result], "compare result"),
  };
  const operand = compare.targetUnion;
  const integer = (wanted: string): bigint =>
    operand !== undefined && operand.$case !== "value" && operand.$case === wanted ? operand.value : 0n;
  switch (compare.target) {
    case rpc.Compare_CompareTarget.VERSION:
      return { ...base, target: "version", value: integer("version") };
    case rpc.Compare_CompareTarget.CREATE:
      return { ...base, target: "create", value: integer("createRevision") };
    case rpc.Compare_CompareTarget.MOD:
      return { ...base, target: "mod", value: integer("modRevision") };
    case rpc.Compare_CompareTarget.LEASE:
      return { ...base, target: "lease", value: integer("lease") };
    case rpc.Compare_CompareTarget.VALUE:
      return { ...base, target: "value", value: operand?.$case === "value" ? operand.value : new Uint8Array(0) };
    default:
      throw new TriremeError("BadRequest", "etcdserver: unknown compare target");
  }
}

/** A client's request as the state machine's command. */
export function toCommand(request: Request): mvcc.Command {
  switch (request.$case) {
    case "put":
      return toPutOp(request.value);
    case "deleteRange":
      return toDeleteRangeOp(request.value);
    case "txn":
      return toTxnOp(request.value);
    case "compact":
      return { type: "compact", revision: toNumber(request.value.revision) };
    case "leaseGrant":
      return { type: "leaseGrant", id: request.value.ID, ttl: toNumber(request.value.TTL) };
    case "leaseRevoke": {
      const { id, spareApiKeys } = request.value;
      return { type: "leaseRevoke", id, ...(spareApiKeys ? { except: API_KEYS } : {}) };
    }
    case "leaseCheckpoint": {
      const leases = request.value.leases.map(({ id, remaining }) => ({ id, remaining: toNumber(remaining) }));
      return { type: "leaseCheckpoint", leases };
    }
    case "alarm":
      return {
        type: "alarm",
        alarm: { member: request.value.memberID, type: known(ALARM_TYPES[request.value.alarm], "alarm") },
        on: request.value.action === rpc.AlarmRequest_AlarmAction.ACTIVATE,
      };
    case "memberAdd": {
      const { member } = request.value;
      assert(member !== undefined, "a member that is added is described");
      return { type: "memberAdd", member: toMemberInfo(member) };
    }
    case "memberRemove":
      return { type: "memberRemove", id: request.value.id };
    case "memberUpdate": {
      const { id, peerUrls, name, clientUrls } = request.value;
      const said = name === "" ? {} : { name, clientUrls };
      return { type: "memberUpdate", id, change: { ...(peerUrls.length > 0 ? { peerUrls } : {}), ...said } };
    }
  }
}

/** A member as the state machine knows it; whether it votes is Raft's to say. */
export function toMemberInfo(member: rpc.Member): mvcc.MemberInfo {
  return { id: member.ID, name: member.name, peerUrls: member.peerURLs, clientUrls: member.clientURLs };
}

/** A member as etcd's API shows it. */
export function fromMemberInfo(member: mvcc.MemberInfo, isLearner: boolean): rpc.Member {
  const { id, name, peerUrls, clientUrls } = member;
  return { ID: id, name, peerURLs: [...peerUrls], clientURLs: [...clientUrls], isLearner };
}

/** An alarm as etcd's API shows it. */
export function fromAlarm(alarm: mvcc.Alarm): rpc.AlarmMember {
  const types = { noSpace: rpc.AlarmType.NOSPACE, corrupt: rpc.AlarmType.CORRUPT };
  return { memberID: alarm.member, alarm: types[alarm.type] };
}

export function fromKeyValue(pair: mvcc.KeyValue): kv.KeyValue {
  return {
    key: fromKey(pair.key),
    createRevision: BigInt(pair.createRevision),
    modRevision: BigInt(pair.modRevision),
    version: BigInt(pair.version),
    value: pair.value as Buffer,
    lease: pair.lease,
  };
}

export function fromRangeResult(result: mvcc.RangeResult, header: rpc.ResponseHeader): rpc.RangeResponse {
  return { header, kvs: result.kvs.map(fromKeyValue), more: result.more, count: BigInt(result.count) };
}

export function fromPutResult(result: mvcc.PutResult, header: rpc.ResponseHeader): rpc.PutResponse {
  return { header, prevKv: result.prevKv === undefined ? undefined : fromKeyValue(result.prevKv) };
}

export function fromDeleteRangeResult(
  result: mvcc.DeleteRangeResult,
  header: rpc.ResponseHeader,
): rpc.DeleteRangeResponse {
  return { header, deleted: BigInt(result.deleted), prevKvs: result.prevKvs.map(fromKeyValue) };
}

/** As etcd does, operations inside a transaction carry the revision alone, and a nested transaction not even that. */
const NO_HEADER: rpc.ResponseHeader = { clusterId: 0n, memberId: 0n, raftTerm: 0n, revision: 0n };

export function fromTxnResult(
  result: mvcc.TxnResult,
  header: rpc.ResponseHeader,
  own: rpc.ResponseHeader = header,
): rpc.TxnResponse {
  const inner: rpc.ResponseHeader = { ...NO_HEADER, revision: header.revision };
  const responses = result.responses.map((each) => fromOpResult(each, inner));
  return { header: own, succeeded: result.succeeded, responses };
}

function fromOpResult(result: mvcc.OpResult, header: rpc.ResponseHeader): rpc.ResponseOp {
  switch (result.type) {
    case "range":
      return { response: { $case: "responseRange", value: fromRangeResult(result, header) } };
    case "put":
      return { response: { $case: "responsePut", value: fromPutResult(result, header) } };
    case "deleteRange":
      return { response: { $case: "responseDeleteRange", value: fromDeleteRangeResult(result, header) } };
    case "txn":
      return { response: { $case: "responseTxn", value: fromTxnResult(result, header, NO_HEADER) } };
  }
}

/** An event as a watch response carries it; a deletion has nothing but its key and revision. */
export function fromWatchEvent(event: mvcc.WatchEvent): kv.Event {
  return {
    type: event.type === "put" ? 0 : 1,
    kv: fromKeyValue(event.kv),
    prevKv: event.prevKv === undefined ? undefined : fromKeyValue(event.prevKv),
  };
}
