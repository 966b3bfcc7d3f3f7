import { type ChannelCredentials, Metadata, type ServiceError, credentials } from "@grpc/grpc-js";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";

/** A member that comes back is wanted at once; one that vanished is noticed. */
const CHANNEL_OPTIONS = {
  "grpc.max_reconnect_backoff_ms": 200,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_receive_message_length": -1,
} as const;

/** How long a request waits for its answer, unless its caller says otherwise. */
const PATIENCE_MS = 3000;

/** A client's identity. */
export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

type Done<A> = (error: ServiceError | null, response: A) => void;
type Unary<Q, A> = (request: Q, metadata: Metadata, options: { deadline: number }, done: Done<A>) => unknown;

/** All that one member answers. */
export class Connection {
  readonly address: string;
  private readonly credentials: ChannelCredentials;
  private readonly clients = new Map<unknown, { close(): void }>();

  constructor(host: string, { ca, cert, key }: Identity) {
    this.address = `${host}:2379`;
    this.credentials = credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
  }

  private client<C extends { close(): void }>(
    type: new (address: string, credentials: ChannelCredentials, options: object) => C,
  ): C {
    let client = this.clients.get(type) as C | undefined;
    if (client === undefined) {
      client = new type(this.address, this.credentials, CHANNEL_OPTIONS);
      this.clients.set(type, client);
    }
    return client;
  }

  get kv(): rpc.KVClient {
    return this.client(rpc.KVClient);
  }
  get watch(): rpc.WatchClient {
    return this.client(rpc.WatchClient);
  }
  get lease(): rpc.LeaseClient {
    return this.client(rpc.LeaseClient);
  }
  get cluster(): rpc.ClusterClient {
    return this.client(rpc.ClusterClient);
  }
  get maintenance(): rpc.MaintenanceClient {
    return this.client(rpc.MaintenanceClient);
  }

  close(): void {
    for (const client of this.clients.values()) client.close();
    this.clients.clear();
  }

  put(
    key: string,
    value: string | Buffer,
    options: { lease?: bigint; timeoutMs?: number } = {},
  ): Promise<rpc.PutResponse> {
    const request = rpc.PutRequest.fromPartial({
      key: Buffer.from(key),
      value: Buffer.from(value),
      lease: options.lease ?? 0n,
    });
    return ask(this.kv, this.kv.put, request, options.timeoutMs);
  }

  range(
    key: string,
    options: { end?: string; serializable?: boolean; revision?: number; timeoutMs?: number } = {},
  ): Promise<rpc.RangeResponse> {
    const request = rpc.RangeRequest.fromPartial({
      key: Buffer.from(key),
      rangeEnd: Buffer.from(options.end ?? "", "latin1"),
      serializable: options.serializable ?? false,
      revision: BigInt(options.revision ?? 0),
    });
    return ask(this.kv, this.kv.range, request, options.timeoutMs);
  }

  remove(key: string, timeoutMs?: number): Promise<rpc.DeleteRangeResponse> {
    const request = rpc.DeleteRangeRequest.fromPartial({ key: Buffer.from(key) });
    return ask(this.kv, this.kv.deleteRange, request, timeoutMs);
  }

  txn(request: rpc.TxnRequest, timeoutMs?: number): Promise<rpc.TxnResponse> {
    return ask(this.kv, this.kv.txn, request, timeoutMs);
  }

  compact(revision: number): Promise<rpc.CompactionResponse> {
    return ask(this.kv, this.kv.compact, { revision: BigInt(revision), physical: false });
  }

  status(): Promise<rpc.StatusResponse> {
    return ask(this.maintenance, this.maintenance.status, {}, 1000);
  }

  hash(revision: number): Promise<rpc.HashKVResponse> {
    return ask(this.maintenance, this.maintenance.hashKv, { revision: BigInt(revision) }, 10_000);
  }

  moveLeader(target: bigint): Promise<rpc.MoveLeaderResponse> {
    return ask(this.maintenance, this.maintenance.moveLeader, { targetID: target }, 5000);
  }

  /** Writes a snapshot and lets go of the log behind it. */
  defragment(): Promise<rpc.DefragmentResponse> {
    return ask(this.maintenance, this.maintenance.defragment, {}, 20_000);
  }

  members(): Promise<rpc.MemberListResponse> {
    return ask(this.cluster, this.cluster.memberList, { linearizable: true });
  }

  addMember(peerUrl: string, isLearner: boolean): Promise<rpc.MemberAddResponse> {
    return ask(this.cluster, this.cluster.memberAdd, { peerURLs: [peerUrl], isLearner }, 8000);
  }

  removeMember(id: bigint): Promise<rpc.MemberRemoveResponse> {
    return ask(this.cluster, this.cluster.memberRemove, { ID: id }, 8000);
  }

  promoteMember(id: bigint): Promise<rpc.MemberPromoteResponse> {
    return ask(this.cluster, this.cluster.memberPromote, { ID: id }, 8000);
  }

  grant(id: bigint, ttl: number): Promise<rpc.LeaseGrantResponse> {
    return ask(this.lease, this.lease.leaseGrant, { ID: id, TTL: BigInt(ttl) });
  }

  revoke(id: bigint): Promise<rpc.LeaseRevokeResponse> {
    return ask(this.lease, this.lease.leaseRevoke, { ID: id });
  }

  async leases(): Promise<number> {
    return (await ask(this.lease, this.lease.leaseLeases, {}, 5000)).leases.length;
  }

  /** Seconds that the lease lives on from now, 0 when it has ended. */
  renew(id: bigint): Promise<number> {
    return new Promise((resolve, reject) => {
      const stream = this.lease.leaseKeepAlive(new Metadata(), { deadline: Date.now() + PATIENCE_MS });
      stream.on("data", ({ TTL }: rpc.LeaseKeepAliveResponse) => {
        resolve(Number(TTL));
        stream.end();
      });
      stream.on("error", reject);
      stream.write({ ID: id });
    });
  }
}

function ask<Q, A>(client: unknown, method: Unary<Q, A>, request: Q, timeoutMs = PATIENCE_MS): Promise<A> {
  return new Promise((resolve, reject) => {
    method.call(client, request, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
