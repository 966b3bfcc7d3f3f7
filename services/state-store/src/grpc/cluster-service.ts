import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Requests } from "./requests.ts";
import { hashKeys } from "./state-hash.ts";
import type { Unary } from "./unary.ts";

/** The etcd release whose API this is; etcd's clients read it to know what they may ask. */
const API_VERSION = "3.5.0";

/** etcd's Cluster service. */
export function clusterService(requests: Requests, unary: Unary): UntypedServiceImplementation {
  const { replica, cluster } = requests;
  return {
    memberList: unary("etcdserverpb.Cluster", "MemberList", async (request: rpc.MemberListRequest) => {
      if (request.linearizable) await replica.readBarrier();
      const members = [...cluster.members.values()].map((member) => ({
        ID: member.id,
        name: member.name,
        peerURLs: [`https://${member.peerAddress}`],
        clientURLs: [`https://${member.clientAddress}`],
        isLearner: replica.status().conf.learners.includes(member.id),
      }));
      return { header: requests.header(), members };
    }),
  };
}

/** etcd's Maintenance service, the part that makes sense here. */
export function maintenanceService(requests: Requests, unary: Unary): UntypedServiceImplementation {
  const { replica, cluster } = requests;
  const name = "etcdserverpb.Maintenance";
  return {
    status: unary(name, "Status", async (): Promise<rpc.StatusResponse> => {
      const { leader, commit, term, applied, conf } = replica.status();
      const size = BigInt(replica.store.sizeBytes);
      await Promise.resolve();
      return {
        header: requests.header(),
        version: API_VERSION,
        dbSize: size,
        leader,
        raftIndex: BigInt(commit),
        raftTerm: BigInt(term),
        raftAppliedIndex: BigInt(applied),
        errors: leader === 0n ? ["etcdserver: no leader"] : [],
        dbSizeInUse: size,
        isLearner: conf.learners.includes(cluster.self.id),
      };
    }),
    alarm: unary(name, "Alarm", async (request: rpc.AlarmRequest): Promise<rpc.AlarmResponse> => {
      await Promise.resolve();
      if (request.action !== rpc.AlarmRequest_AlarmAction.GET) {
        throw new TriremeError("BadRequest", "alarms can be listed, not set");
      }
      return { header: requests.header(), alarms: [] };
    }),
    // The state lives in memory and the log is dropped by segments: there is nothing to defragment.
    defragment: unary(name, "Defragment", async () => {
      await Promise.resolve();
      return { header: requests.header() };
    }),
    hashKv: unary(name, "HashKV", async (request: rpc.HashKVRequest): Promise<rpc.HashKVResponse> => {
      const { hash, revision, compactRevision } = await hashKeys(replica.store, Number(request.revision));
      return {
        header: requests.header(),
        hash,
        compactRevision: BigInt(compactRevision),
        hashRevision: BigInt(revision),
      };
    }),
    moveLeader: unary(name, "MoveLeader", async (request: rpc.MoveLeaderRequest) => {
      await Promise.resolve();
      if (replica.currentLeader !== cluster.self.id) throw new TriremeError("BadRequest", "etcdserver: not leader");
      if (!cluster.members.has(request.targetID)) {
        throw new TriremeError("BadRequest", "etcdserver: bad leader transferee");
      }
      replica.moveLeader(request.targetID);
      return { header: requests.header() };
    }),
  };
}
