import type { Lease } from "@trireme/api";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { adminClient, tryGet } from "./api.ts";
import { hostPid } from "./keeper.ts";
import { memberStatus } from "./member-status.ts";
import type { Observed } from "./status.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const ELECTION_PREFIX = "trireme-";

/** Asks the running parts what only they know. */
export async function observe(plan: ClusterPlan): Promise<Observed> {
  const [leaders, elections] = await Promise.all([findLeaders(plan), findElections(plan)]);
  return { leaders, elections };
}

async function findLeaders(plan: ClusterPlan): Promise<ReadonlySet<string>> {
  const running = plan.servers.filter((host) => hostPid(host, "store") !== undefined);
  if (running.length === 0) return new Set();
  const members = (await Promise.all(running.map((host) => memberStatus(plan, host)))).filter((it) => it !== undefined);
  // A leader that was cut off may still believe in itself, in an older term.
  const term = members.reduce((highest, member) => (member.term > highest ? member.term : highest), 0n);
  return new Set(members.filter((member) => member.isLeader && member.term === term).map((member) => member.name));
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
