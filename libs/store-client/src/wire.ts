import { TriremeError } from "@trireme/base";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type * as kv from "@trireme/proto/mvccpb/kv";
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResult,
  KeyValue,
  PutRequest,
  PutResult,
  RangeRequest,
  RangeResult,
  TxnOp,
  TxnOpResult,
  TxnRequest,
  TxnResult,
  WatchEvent,
} from "./types.ts";

const RESULTS = {
  "=": rpc.Compare_CompareResult.EQUAL,
  "!=": rpc.Compare_CompareResult.NOT_EQUAL,
  ">": rpc.Compare_CompareResult.GREATER,
  "<": rpc.Compare_CompareResult.LESS,
} as const;

const bytes = (text: string | undefined): Buffer => Buffer.from(text ?? "", "utf8");

export function toRange(request: RangeRequest): rpc.RangeRequest {
  return {
    key: bytes(request.key),
    rangeEnd: bytes(request.rangeEnd),
    limit: BigInt(request.limit ?? 0),
    revision: BigInt(request.revision ?? 0),
    sortOrder: rpc.RangeRequest_SortOrder.NONE,
    sortTarget: rpc.RangeRequest_SortTarget.KEY,
    serializable: request.serializable ?? false,
    keysOnly: request.keysOnly ?? false,
    countOnly: request.countOnly ?? false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
  };
}

export function toPut(request: PutRequest): rpc.PutRequest {
  return {
    key: bytes(request.key),
    value: request.value as Buffer,
    lease: 0n,
    prevKv: request.prevKv ?? false,
    ignoreValue: false,
    ignoreLease: false,
  };
}

export function toDeleteRange(request: DeleteRangeRequest): rpc.DeleteRangeRequest {
  return { key: bytes(request.key), rangeEnd: bytes(request.rangeEnd), prevKv: request.prevKv ?? false };
}

export function toTxn(request: TxnRequest): rpc.TxnRequest {
  return {
    compare: request.compare.map(toCompare),
    success: request.success.map(toOp),
    failure: (request.failure ?? []).map(toOp),
  };
}

function toOp(op: TxnOp): rpc.RequestOp {
  if ("range" in op) return { request: { $case: "requestRange", value: toRange(op.range) } };
  if ("put" in op) return { request: { $case: "requestPut", value: toPut(op.put) } };
  return { request: { $case: "requestDeleteRange", value: toDeleteRange(op.deleteRange) } };
}

function toCompare(compare: Compare): rpc.Compare {
  const base = { key: bytes(compare.key), rangeEnd: Buffer.alloc(0), result: RESULTS[compare.result] };
  switch (compare.target) {
    case "version": {
      const targetUnion = { $case: "version", value: BigInt(compare.value) } as const;
      return { ...base, target: rpc.Compare_CompareTarget.VERSION, targetUnion };
    }
    case "create": {
      const targetUnion = { $case: "createRevision", value: BigInt(compare.value) } as const;
      return { ...base, target: rpc.Compare_CompareTarget.CREATE, targetUnion };
    }
    case "mod": {
      const targetUnion = { $case: "modRevision", value: BigInt(compare.value) } as const;
      return { ...base, target: rpc.Compare_CompareTarget.MOD, targetUnion };
    }
    case "value": {
      const targetUnion = { $case: "value", value: compare.value as Buffer } as const;
      return { ...base, target: rpc.Compare_CompareTarget.VALUE, targetUnion };
    }
  }
}

/** The revision of an answer; every answer has a header. */
export function revisionOf(header: rpc.ResponseHeader | undefined): number {
  if (header === undefined) throw new TriremeError("InternalError", "the store answered without a header");
  return Number(header.revision);
}

export function fromKeyValue(pair: kv.KeyValue): KeyValue {
  return {
    key: pair.key.toString("utf8"),
    value: pair.value,
    createRevision: Number(pair.createRevision),
    modRevision: Number(pair.modRevision),
    version: Number(pair.version),
  };
}

export function fromRange(response: rpc.RangeResponse): RangeResult {
  return {
    revision: revisionOf(response.header),
    kvs: response.kvs.map(fromKeyValue),
    more: response.more,
    count: Number(response.count),
  };
}

export function fromPut(response: rpc.PutResponse): PutResult {
  const revision = revisionOf(response.header);
  return response.prevKv === undefined ? { revision } : { revision, prevKv: fromKeyValue(response.prevKv) };
}

export function fromDeleteRange(response: rpc.DeleteRangeResponse): DeleteRangeResult {
  return {
    revision: revisionOf(response.header),
    deleted: Number(response.deleted),
    prevKvs: response.prevKvs.map(fromKeyValue),
  };
}

export function fromTxn(response: rpc.TxnResponse): TxnResult {
  return {
    revision: revisionOf(response.header),
    succeeded: response.succeeded,
    responses: response.responses.map(fromOp),
  };
}

function fromOp({ response }: rpc.ResponseOp): TxnOpResult {
  switch (response?.$case) {
    case "responseRange":
      return { range: fromRange(response.value) };
    case "responsePut":
      return { put: fromPut(response.value) };
    case "responseDeleteRange":
      return { deleteRange: fromDeleteRange(response.value) };
    case "responseTxn":
    case undefined:
      throw new TriremeError("InternalError", "the store answered with an operation that was not asked for");
  }
}

export function fromEvent(event: kv.Event): WatchEvent {
  if (event.kv === undefined) throw new TriremeError("InternalError", "the store sent an event without its key");
  return {
    type: event.type === 0 ? "put" : "delete",
    kv: fromKeyValue(event.kv),
    ...(event.prevKv === undefined ? {} : { prevKv: fromKeyValue(event.prevKv) }),
  };
}
