import type { MvccStore } from "@trireme/mvcc";
import type { Cluster } from "../cluster.ts";
import { fromKey, toNumber } from "../grpc/convert.ts";
import type { LeaseKeeper } from "../leases/lease-keeper.ts";
import type { Membership } from "../membership/membership.ts";
import type { CorruptionCheck } from "../replica/corruption.ts";
import type { Answerer } from "./transport.ts";

/** Answers what other members ask; what only the leader can do is refused with "not leader" elsewhere. */
export function answerPeers(parts: {
  readonly cluster: Cluster;
  readonly store: MvccStore;
  readonly leases: LeaseKeeper;
  readonly membership: Membership;
  readonly corruption: CorruptionCheck;
}): Answerer {
  const { cluster, store, leases, membership, corruption } = parts;
  const header = undefined;
  return async (question) => {
    switch (question.$case) {
      case "ping":
        return { $case: "ping", value: {} };
      case "listMembers": {
        const value = { clusterId: cluster.id, members: membership.list(), removed: store.members.removed() };
        return { $case: "listMembers", value };
      }
      case "renewLease": {
        const { ID } = question.value;
        return { $case: "renewLease", value: { header, ID, TTL: BigInt(await leases.renewHere(ID)) } };
      }
      case "leaseTimeToLive": {
        const { ID, keys } = question.value;
        const left = await leases.timeToLiveHere(ID, keys);
        const numbers = { TTL: BigInt(left.ttl), grantedTTL: BigInt(left.grantedTtl) };
        return { $case: "leaseTimeToLive", value: { header, ID, ...numbers, keys: left.keys.map(fromKey) } };
      }
      case "compactionHash": {
        const hash = corruption.hashAt(toNumber(question.value.revision));
        return { $case: "compactionHash", value: { known: hash !== undefined, hash: hash ?? 0 } };
      }
      case "keysHash": {
        const { revision, compactRevision } = question.value;
        const hash = await corruption.hashBetween(toNumber(revision), toNumber(compactRevision));
        return { $case: "compactionHash", value: { known: hash !== undefined, hash: hash ?? 0 } };
      }
      default:
        return membership.changeHere(question);
    }
  };
}
