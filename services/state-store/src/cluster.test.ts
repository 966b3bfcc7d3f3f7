import { type MemberInfo, MvccStore } from "@trireme/mvcc";
import { describe, expect, it } from "vitest";
import { Cluster, foundCluster, newMemberId } from "./cluster.ts";
import { findSelf, refuseSecondBirth } from "./membership/join.ts";

const member = (id: bigint, name = `m${id}`): MemberInfo => ({
  id,
  name,
  peerUrls: [`https://m${id}:2380`],
  clientUrls: [],
});

function clusterOf(told: readonly MemberInfo[] = []): { store: MvccStore; cluster: Cluster; ids: () => bigint[] } {
  const store = MvccStore.empty(1, [member(1n)]);
  const cluster = new Cluster({ id: 9n, self: 3n, name: "m3", peerUrls: ["https://m3:2380"], store, told });
  return { store, cluster, ids: () => cluster.peers().map(({ id }) => id) };
}

describe("the peers of a member", () => {
  it("are also those that its state does not know yet, but never one that was removed", () => {
    const { store, cluster, ids } = clusterOf([member(1n), member(2n), member(3n)]);
    expect(ids()).toEqual([1n, 2n]);
    // A leader that was added after everything that is applied here.
    cluster.introduce(member(4n));
    expect([ids(), cluster.peer(4n)?.name, cluster.members().length]).toEqual([[1n, 2n, 4n], "m4", 1]);
    store.apply(2, { type: "memberAdd", member: member(4n, "") });
    store.apply(3, { type: "memberAdd", member: member(2n) });
    store.apply(4, { type: "memberRemove", id: 2n });
    expect([ids(), cluster.peer(4n)?.name, cluster.peer(2n)]).toEqual([[1n, 4n], "", undefined]);
    cluster.introduce(member(2n));
    expect(ids()).toEqual([1n, 4n]);
  });

  it("stay few, whoever introduces himself", () => {
    const { cluster, ids } = clusterOf();
    for (let id = 10n; id < 100n; id++) cluster.introduce(member(id));
    expect(ids()).toHaveLength(17);
  });
});

describe("the first start", () => {
  const founding = foundCluster({
    name: "b",
    token: "t",
    initialCluster: new Map([
      ["b", "10.0.0.2:2380"],
      ["a", "10.0.0.1:2380"],
    ]),
  });

  it("gives every founder the same ids, and another token others", () => {
    const again = foundCluster({
      name: "a",
      token: "t",
      initialCluster: new Map([
        ["a", "10.0.0.1:2380"],
        ["b", "10.0.0.2:2380"],
      ]),
    });
    expect(again).toMatchObject({ clusterId: founding.clusterId, members: founding.members });
    const other = foundCluster({ name: "a", token: "u", initialCluster: new Map([["a", "10.0.0.1:2380"]]) });
    expect(other.clusterId).not.toBe(founding.clusterId);
    const wrong = { name: "x", token: "t", initialCluster: new Map([["a", "10.0.0.1:2380"]]) };
    expect(() => foundCluster(wrong)).toThrow("--name=x is not in --initial-cluster, which has a");
  });

  it("is refused where the cluster runs already and knows this member as one that has started or was removed", () => {
    const { clusterId, self, members } = founding;
    const running = (clientUrls: string[], removed: bigint[] = []) => [
      { clusterId, members: members.map((each) => ({ ...each, clientUrls })), removed },
    ];
    expect(() => refuseSecondBirth(founding, [])).not.toThrow();
    expect(() => refuseSecondBirth(founding, running([]))).not.toThrow();
    expect(() => refuseSecondBirth(founding, running(["https://x:2379"]))).toThrow("has already been bootstrapped");
    expect(() => refuseSecondBirth(founding, running([], [self]))).toThrow("permanently removed");
    const another = running(["https://x:2379"]).map((each) => ({ ...each, clusterId: 1n }));
    expect(() => refuseSecondBirth(founding, another)).not.toThrow();
  });

  it("of a joiner finds the place that was made for its address, under an id that was never used", () => {
    const { clusterId, members } = founding;
    const running = [
      { clusterId, members: [], removed: [] },
      { clusterId, members, removed: [] },
    ];
    expect(findSelf(running, "10.0.0.1:2380")).toMatchObject({ clusterId, self: members[0]!.id });
    expect(() => findSelf(running, "10.0.0.3:2380")).toThrow("member add NAME --peer-urls=https://10.0.0.3:2380");
    expect(() => findSelf([], "10.0.0.3:2380")).toThrow("no member of the existing cluster answers");
    const urls = ["https://10.0.0.1:2380"];
    expect(newMemberId(clusterId, urls, "1")).not.toBe(newMemberId(clusterId, urls, "2"));
  });
});
