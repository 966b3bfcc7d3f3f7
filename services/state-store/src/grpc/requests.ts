import { assert, sleep } from "@trireme/base";
import {
  type DoneResult,
  type OpResult,
  type RangeOp,
  addsData,
  checkCommand,
  checkOp,
  storeError,
} from "@trireme/mvcc";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import { AlarmRequest_AlarmAction, AlarmType } from "@trireme/proto/etcdserverpb/rpc";
import type { Request } from "../apply/command.ts";
import type { Cluster } from "../cluster.ts";
import { FAILURE } from "../replica/failures.ts";
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
import { encodeRange } from "./encode-range.ts";
import type { Pieces } from "./pieces.ts";

/** History steps that one slice of a physical compaction takes, and the pause in which others have their turn. */
const TRIM_STEPS = 1000;
const TRIM_PAUSE_MS = 1;

/** A snapshot that is written takes seconds. Who waits longer is told that it takes effect later. */
const TRIM_PAUSES = 60_000;

/** Key-value requests, however they arrived: by etcd's unary calls or on a session. */
export class Requests {
  readonly replica: Replica;
  readonly cluster: Cluster;
  private readonly quotaBytes: number;
  private raising: Promise<unknown> | undefined;

  constructor(replica: Replica, cluster: Cluster, quotaBytes: number) {
    this.replica = replica;
    this.cluster = cluster;
    this.quotaBytes = quotaBytes;
  }

  /** Throws when this member is a learner: it may be far behind, and serves nobody yet. */
  refuseLearner(): void {
    if (this.replica.isLearner) throw FAILURE.notForLearners();
  }

  header(revision = this.replica.store.revision): rpc.ResponseHeader {
    return {
      clusterId: this.cluster.id,
      memberId: this.cluster.self,
      revision: BigInt(revision),
      raftTerm: BigInt(this.replica.currentTerm),
    };
  }

  /** A read whose result is small, or bounded by its limit: it is answered in one turn of the event loop. */
  async range(request: rpc.RangeRequest): Promise<rpc.RangeResponse> {
    const op = await this.readable(request);
    return fromRangeResult(this.replica.store.range(op), this.header());
  }

  /** A read of any size, encoded as a RangeResponse. */
  async encodedRange(request: rpc.RangeRequest): Promise<Pieces> {
    const op = await this.readable(request);
    return encodeRange(this.replica.store, op, this.header());
  }

  /** The read, checked, once the state is as new as it must be. */
  private async readable(request: rpc.RangeRequest): Promise<RangeOp> {
    const op = toRangeOp(request);
    checkOp(op);
    if (!request.serializable) await this.replica.readBarrier();
    if (this.replica.store.alarms.isOn("corrupt")) throw storeError("corrupt");
    return op;
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
    if (value.physical) await this.forgotten();
    return { header };
  }

  /** Resolves when compacted history has left memory; a snapshot that is being written holds it for a while. */
  private async forgotten(): Promise<void> {
    const { store } = this.replica;
    for (let pauses = 0; store.trim(TRIM_STEPS) || store.holdsCompacted; pauses += 1) {
      if (this.replica.isStopped) throw FAILURE.stopped();
      if (pauses === TRIM_PAUSES) throw FAILURE.timeout();
      await sleep(TRIM_PAUSE_MS);
    }
  }

  async leaseGrant(role: Role, value: rpc.LeaseGrantRequest): Promise<rpc.LeaseGrantResponse> {
    const { header } = await this.write(role, { $case: "leaseGrant", value });
    return { header, ID: value.ID, TTL: value.TTL, error: "" };
  }

  async leaseRevoke(role: Role, { ID }: rpc.LeaseRevokeRequest): Promise<rpc.LeaseRevokeResponse> {
    const value = { id: ID, expiredInTerm: 0n, spareApiKeys: role !== "apiserver" };
    const { header } = await this.write(role, { $case: "leaseRevoke", value });
    return { header };
  }

  /** Switches an alarm on or off; answers whether anything changed. */
  async setAlarm(value: rpc.AlarmRequest): Promise<boolean> {
    const { store } = this.replica;
    const before = store.alarms.list().length;
    const outcome = await this.replica.propose({ $case: "alarm", value }, true);
    if (outcome.error !== undefined) throw outcome.error;
    return store.alarms.list().length !== before;
  }

  /**
   * Over the quota this member raises the alarm that stops writes everywhere, until somebody has made room and disarms it.
   * Reads, deletions and compaction go on, so that there is a way back.
   */
  private async refuseOverQuota(): Promise<never> {
    const { store } = this.replica;
    const alarm = { member: this.cluster.self, type: "noSpace" } as const;
    if (!store.alarms.has(alarm)) {
      const action = AlarmRequest_AlarmAction.ACTIVATE;
      this.raising ??= this.setAlarm({ action, memberID: alarm.member, alarm: AlarmType.NOSPACE }).finally(() => {
        this.raising = undefined;
      });
      await this.raising;
    }
    throw storeError("noSpace");
  }

  private async write(
    role: Role,
    request: Request,
  ): Promise<{ result: OpResult | DoneResult; header: rpc.ResponseHeader }> {
    checkWrite(role, request);
    // Refused before it enters the log: an entry that replicas cannot read would stop all of them.
    const command = toCommand(request);
    checkCommand(command);
    if (this.replica.store.sizeBytes >= this.quotaBytes && addsData(command)) await this.refuseOverQuota();
    const outcome = await this.replica.propose(request);
    if (outcome.error !== undefined) throw outcome.error;
    return { result: outcome.result, header: this.header(outcome.revision) };
  }
}
