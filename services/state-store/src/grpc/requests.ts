import { assert } from "@trireme/base";
import { type DoneResult, type OpResult, checkCommand, checkOp } from "@trireme/mvcc";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Request } from "../apply/command.ts";
import type { Cluster } from "../cluster.ts";
import type { Replica } from "../replica/replica.ts";
import { type Role, checkWrite } from "./access.ts";
import {
  fromDeleteRangeResult,
  fromPutResult,
  fromRangeResult,
  fromTxnResult,
  toCommand,
  toRangeOp,
} from "./convert.ts";

/** Key-value requests, however they arrived: by etcd's unary calls or on a session. */
export class Requests {
  readonly replica: Replica;
  readonly cluster: Cluster;

  constructor(replica: Replica, cluster: Cluster) {
    this.replica = replica;
    this.cluster = cluster;
  }

  header(revision = this.replica.store.revision): rpc.ResponseHeader {
    return {
      clusterId: this.cluster.id,
      memberId: this.cluster.self.id,
      revision: BigInt(revision),
      raftTerm: BigInt(this.replica.currentTerm),
    };
  }

  async range(request: rpc.RangeRequest): Promise<rpc.RangeResponse> {
    const op = toRangeOp(request);
    checkOp(op);
    if (!request.serializable) await this.replica.readBarrier();
    return fromRangeResult(this.replica.store.range(op), this.header());
  }

  /** The store's revision at some moment after the call. */
  async readRevision(): Promise<rpc.ResponseHeader> {
    await this.replica.readBarrier();
    return this.header();
  }

  async put(role: Role, value: rpc.PutRequest): Promise<rpc.PutResponse> {
    const { result, header } = await this.write(role, { $case: "put", value });
    assert(result.type === "put", "a put is answered by a put");
    return fromPutResult(result, header);
  }

  async deleteRange(role: Role, value: rpc.DeleteRangeRequest): Promise<rpc.DeleteRangeResponse> {
    const { result, header } = await this.write(role, { $case: "deleteRange", value });
    assert(result.type === "deleteRange", "a deletion is answered by a deletion");
    return fromDeleteRangeResult(result, header);
  }

  async txn(role: Role, value: rpc.TxnRequest): Promise<rpc.TxnResponse> {
    const { result, header } = await this.write(role, { $case: "txn", value });
    assert(result.type === "txn", "a transaction is answered by a transaction");
    return fromTxnResult(result, header);
  }

  async compact(role: Role, value: rpc.CompactionRequest): Promise<rpc.CompactionResponse> {
    const { header } = await this.write(role, { $case: "compact", value });
    return { header };
  }

  private async write(
    role: Role,
    request: Request,
  ): Promise<{ result: OpResult | DoneResult; header: rpc.ResponseHeader }> {
    checkWrite(role, request);
    // Refused before it enters the log: an entry that replicas cannot read would stop all of them.
    const command = toCommand(request);
    checkCommand(command);
    const outcome = await this.replica.propose(request);
    if (outcome.error !== undefined) throw outcome.error;
    return { result: outcome.result, header: this.header(outcome.revision) };
  }
}
