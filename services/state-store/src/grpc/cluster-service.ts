import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { assert } from "@trireme/base";
import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Membership, MembershipAnswer, MembershipQuestion } from "../membership/membership.ts";
import type { Requests } from "./requests.ts";
import type { Unary } from "./unary.ts";

const SERVICE = "etcdserverpb.Cluster";

/** etcd's Cluster service. */
export function clusterService(requests: Requests, membership: Membership, unary: Unary): UntypedServiceImplementation {
  const run = async <C extends MembershipQuestion["$case"]>(
    question: Extract<MembershipQuestion, { $case: C }>,
  ): Promise<Extract<MembershipAnswer, { $case: C }>["value"]> => {
    const answer = await membership.change(question);
    assert(answer.$case === question.$case, "a change is answered in its own words");
    return { ...answer.value, header: requests.header() } as Extract<MembershipAnswer, { $case: C }>["value"];
  };
  return {
    memberAdd: unary(SERVICE, "MemberAdd", (value: rpc.MemberAddRequest) => run({ $case: "memberAdd", value })),
    memberRemove: unary(SERVICE, "MemberRemove", (value: rpc.MemberRemoveRequest) =>
      run({ $case: "memberRemove", value }),
    ),
    memberUpdate: unary(SERVICE, "MemberUpdate", (value: rpc.MemberUpdateRequest) =>
      run({ $case: "memberUpdate", value }),
    ),
    memberPromote: unary(SERVICE, "MemberPromote", (value: rpc.MemberPromoteRequest) =>
      run({ $case: "memberPromote", value }),
    ),
    memberList: unary(SERVICE, "MemberList", async (request: rpc.MemberListRequest) => {
      if (request.linearizable) await requests.replica.readBarrier();
      return { header: requests.header(), members: membership.list() };
    }),
  };
}
