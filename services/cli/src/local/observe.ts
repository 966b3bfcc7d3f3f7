import { readFileSync } from "node:fs";
import type { Lease } from "@trireme/api";
import { type ClusterPlan, type HostPlan, PORTS } from "../plan/cluster-plan.ts";
import { adminClient, tryGet } from "./api.ts";
import { hostPid } from "./keeper.ts";
import type { Observed } from "./status.ts";

/** A member that does not answer in this time is not asked again: status is for people who wait. */
const ANSWER_WITHIN_MS = 1_000;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const ELECTION_PREFIX = "trireme-";

/** Asks the running parts what only they know. */
export async function observe(plan: ClusterPlan): Promise<Observed> {
  const [leaders, elections] = await Promise.all([findLeaders(plan), findElections(plan)]);
  return { leaders, elections };
}

interface MemberStatus {
  readonly name: string;
  readonly isLeader: boolean;
  readonly term: bigint;
}

async function findLeaders(plan: ClusterPlan): Promise<ReadonlySet<string>> {
  const running = plan.servers.filter((host) => hostPid(host, "store") !== undefined);
  if (running.length === 0) return new Set();
  const members = (await Promise.all(running.map((host) => memberStatus(plan, host)))).filter((it) => it !== undefined);
  // A leader that was cut off may still believe in itself, in an older term.
  const term = members.reduce((highest, member) => (member.term > highest ? member.term : highest), 0n);
  return new Set(members.filter((member) => member.isLeader && member.term === term).map((member) => member.name));
}

async function memberStatus(plan: ClusterPlan, host: HostPlan): Promise<MemberStatus | undefined> {
  const [{ Metadata, credentials }, { MaintenanceClient }] = await Promise.all([
    import("@grpc/grpc-js"),
    import("@trireme/proto/etcdserverpb/rpc"),
  ]);
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

async function findElections(plan: ClusterPlan): Promise<Readonly<Record<string, string>>> {
  const client = adminClient(plan);
  try {
    const leases = await tryGet<{ items: Lease[] }>(client, LEASES);
    const held = (leases?.items ?? []).flatMap((lease) => {
      const name = lease.metadata?.name ?? "";
      const holder = lease.spec?.holderIdentity ?? "";
      return name.startsWith(ELECTION_PREFIX) && holder !== "" ? [[name.slice(ELECTION_PREFIX.length), holder]] : [];
    });
    return Object.fromEntries(held) as Record<string, string>;
  } finally {
    client.close();
  }
}
