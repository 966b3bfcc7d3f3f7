import { readFileSync } from "node:fs";
import { Metadata, credentials } from "@grpc/grpc-js";
import { MaintenanceClient } from "@trireme/proto/etcdserverpb/rpc";
import { type ClusterPlan, type HostPlan, PORTS } from "../plan/cluster-plan.ts";

/** A member that does not answer in this time is not asked again: status is for people who wait. */
const ANSWER_WITHIN_MS = 1_000;

/** What a member of the store says of itself. */
export interface MemberStatus {
  readonly name: string;
  readonly isLeader: boolean;
  readonly term: bigint;
}

/** Asks a member of the store who leads; undefined when it does not answer in time. */
export async function memberStatus(plan: ClusterPlan, host: HostPlan): Promise<MemberStatus | undefined> {
  const read = (file: string): Buffer => readFileSync(`${plan.dir}/pki/${file}`);
  const tls = credentials.createSsl(read("store-ca.crt"), read("operator.key"), read("operator.crt"));
  // By address there is no server name to send in TLS; every store's certificate carries this one.
  const options = { "grpc.ssl_target_name_override": "localhost" };
  const client = new MaintenanceClient(`${host.address}:${PORTS.storeClient}`, tls, options);
  try {
    return await new Promise((resolve) => {
      client.status({}, new Metadata(), { deadline: Date.now() + ANSWER_WITHIN_MS }, (error, status) => {
        if (error !== null) resolve(undefined);
        else {
          const isLeader = status.leader !== 0n && status.leader === status.header?.memberId;
          resolve({ name: host.name, isLeader, term: status.raftTerm });
        }
      });
    });
  } finally {
    client.close();
  }
}
