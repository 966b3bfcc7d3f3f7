import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { KVService } from "@trireme/proto/etcdserverpb/rpc";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Pieces } from "./pieces.ts";
import type { Requests } from "./requests.ts";
import type { Unary } from "./unary.ts";

/** etcd's KV service, whose ranges are encoded by their handler, in turns, and not by grpc-js at one go. */
export const KV_DEFINITION = {
  ...KVService,
  range: { ...KVService.range, responseSerialize: (response: Pieces): Buffer => response.asMessage() },
};

/** etcd's KV service. */
export function kvService(requests: Requests, unary: Unary): UntypedServiceImplementation {
  const name = "etcdserverpb.KV";
  return {
    range: unary(name, "Range", (request: rpc.RangeRequest) => requests.encodedRange(request), {
      forLearners: (request) => request.serializable,
    }),
    put: unary(name, "Put", (request: rpc.PutRequest, role) => requests.put(role, request)),
    deleteRange: unary(name, "DeleteRange", (request: rpc.DeleteRangeRequest, role) =>
      requests.deleteRange(role, request),
    ),
    txn: unary(name, "Txn", (request: rpc.TxnRequest, role) => requests.txn(role, request)),
    compact: unary(name, "Compact", (request: rpc.CompactionRequest, role) => requests.compact(role, request)),
  };
}
