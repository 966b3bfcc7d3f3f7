import {
  AlarmType,
  type CompactionResponse,
  type HashKVResponse,
  type LeaseGrantResponse,
  type LeaseTimeToLiveResponse,
  type Member,
  type MemberAddResponse,
  type MemberListResponse,
  type MemberPromoteResponse,
  type MemberRemoveResponse,
  type MemberUpdateResponse,
  type MoveLeaderResponse,
  PutRequest,
  type PutResponse,
  RangeRequest,
  type RangeResponse,
  type StatusResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import { rangeOp } from "@trireme/mvcc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Clients, StoreHarness, call } from "./app-harness.ts";
import type { StoreConfig } from "./config.ts";

/*
 * Goal: a cluster grows from one member to three, shrinks, and finds a member whose data differ.
 * Method: members in this process, over real sockets, TLS and files; etcd's checks and texts as the expectation. The tests
 * tell one story and need each other's end. Kills and cut wires are in test/integration/store-members.
 */

const FAST = { heartbeatMs: 50, electionMs: 600 };

/** Everything that is waited for takes far less; a loaded machine gets more. */
const SOON = { timeout: 20_000 };
const url = (config: StoreConfig): string => `https://${config.address}:${config.peerPort}`;

let harness: StoreHarness;
const configs: StoreConfig[] = [];
const clients: Clients[] = [];

const list = async (at = 0): Promise<Member[]> =>
  (await call<MemberListResponse>((done) => clients[at]!.cluster.memberList({ linearizable: true }, done))).members;
const idOf = async (at: number): Promise<bigint> =>
  (await list()).find((member) => member.peerURLs.includes(url(configs[at]!)))!.ID;
const add = (peerURLs: string[], isLearner: boolean, at = 0): Promise<MemberAddResponse> =>
  call((done) => clients[at]!.cluster.memberAdd({ peerURLs, isLearner }, done));
const promote = (ID: bigint, at = 0): Promise<MemberPromoteResponse> =>
  call((done) => clients[at]!.cluster.memberPromote({ ID }, done));
const remove = (ID: bigint, at = 0): Promise<MemberRemoveResponse> =>
  call((done) => clients[at]!.cluster.memberRemove({ ID }, done));
const put = (key: string, value: string, at = 0): Promise<PutResponse> =>
  call((done) =>
    clients[at]!.kv.put(PutRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from(value) }), done),
  );
const get = async (key: string, at: number, serializable = false): Promise<string | undefined> => {
  const request = RangeRequest.fromPartial({ key: Buffer.from(key), serializable });
  const { kvs } = await call<RangeResponse>((done) => clients[at]!.kv.range(request, done));
  return kvs[0]?.value.toString();
};
const status = (at: number): Promise<StatusResponse> => call((done) => clients[at]!.maintenance.status({}, done));
const details = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "ok",
    (error: { code: number; details: string }) => `${error.code} ${error.details}`,
  );

/** The configuration of a member that joins those that run. */
async function joiner(name: string, address: string): Promise<StoreConfig> {
  const config = await harness.config(name, address, FAST);
  const known = configs.map((each): [string, string] => [each.name, `${each.address}:${each.peerPort}`]);
  const own: [string, string] = [name, `${address}:${config.peerPort}`];
  return { ...config, initialClusterState: "existing", initialCluster: new Map([...known, own]) };
}

beforeAll(async () => {
  harness = await StoreHarness.create();
  configs.push(await harness.config("one", "127.1.1.1", FAST));
  await harness.start(configs[0]!);
  clients.push(harness.clients(configs[0]!));
}, 90_000);

afterAll(() => harness.close());

describe("a cluster that grows and shrinks", () => {
  it("adds a learner that catches up by snapshot, serves nothing but old reads, and is promoted when it is ready", async () => {
    for (let i = 0; i < 20; i++) await put(`k${i}`, String(i));
    configs.push(await joiner("two", "127.1.1.2"));
    const { member, members } = await add([url(configs[1]!)], true);
    expect(member).toMatchObject({ name: "", peerURLs: [url(configs[1]!)], clientURLs: [], isLearner: true });
    expect(members).toHaveLength(2);
    expect(await details(add([url(configs[1]!)], false))).toBe("9 etcdserver: Peer URLs already exists");
    expect(await details(add(["https://127.1.1.9:2380"], true))).toBe(
      "9 etcdserver: too many learner members in cluster",
    );
    expect(await details(add(["ftp://x"], false))).toBe("3 etcdserver: given member URLs are invalid");
    const learner = member!.ID;
    expect(await details(promote(learner))).toBe(
      "9 etcdserver: can only promote a learner member which is in sync with leader",
    );
    expect(await details(promote(5n))).toBe("5 etcdserver: member not found");
    expect(await details(promote(await idOf(0)))).toBe("9 etcdserver: can only promote a learner member");

    await harness.start(configs[1]!);
    clients.push(harness.clients(configs[1]!));
    await expect.poll(() => get("k19", 1, true).catch(() => undefined), SOON).toBe("19");
    expect(await details(get("k19", 1))).toBe("14 etcdserver: rpc not supported for learner");
    expect(await details(put("x", "y", 1))).toBe("14 etcdserver: rpc not supported for learner");
    expect((await status(1)).isLearner).toBe(true);
    await expect.poll(() => details(promote(learner)), SOON).toBe("ok");
    await expect.poll(async () => (await list()).find(({ ID }) => ID === learner)?.name, SOON).toBe("two");
    expect(await put("by two", "1", 1).then(() => get("by two", 0))).toBe("1");
  }, 90_000);

  it("asks any member for changes, and refuses those that could cost the quorum", async () => {
    configs.push(await joiner("three", "127.1.1.3"));
    // Both voters have to be connected for a while first.
    await expect.poll(() => details(add([url(configs[2]!)], true, 1)), SOON).toBe("ok");
    await harness.start(configs[2]!);
    clients.push(harness.clients(configs[2]!));
    const id = await idOf(2);
    await expect.poll(() => details(promote(id, 1)), SOON).toBe("ok");
    await expect.poll(() => put("by three", "1", 2).then(() => get("by three", 1)), SOON).toBe("1");
    // A fourth that never starts may be added once all are healthy; a fifth not any more.
    await expect.poll(() => details(add(["https://127.1.1.8:2380"], false)), SOON).toBe("ok");
    expect(await details(add(["https://127.1.1.9:2380"], false))).toMatch(/unhealthy cluster/);
    const [one, two] = [await idOf(0), await idOf(1)];
    const fourth = (await list()).find(({ peerURLs }) => peerURLs[0]!.includes("127.1.1.8"))!.ID;
    expect(await details(remove(fourth))).toBe("ok");
    expect(await details(remove(fourth))).toBe("5 etcdserver: member not found");
    expect((await list()).map(({ ID }) => ID).sort()).toEqual([one, two, id].sort());
    // The third's first snapshot was older than the second, who must not have heard from it that it had been removed.
    expect(harness.removed).toEqual([]);
  }, 90_000);

  it("B21: a change of addresses promotes nobody, and addresses stay unique", async () => {
    const learner = await call<MemberAddResponse>((done) =>
      clients[0]!.cluster.memberAdd({ peerURLs: ["https://127.1.1.7:2380"], isLearner: true }, done),
    );
    const ID = learner.member!.ID;
    const update = (peerURLs: string[]): Promise<MemberUpdateResponse> =>
      call((done) => clients[1]!.cluster.memberUpdate({ ID, peerURLs }, done));
    expect(await details(update([url(configs[0]!)]))).toBe("9 etcdserver: Peer URLs already exists");
    expect(await details(update(["https://127.1.1.6:2380"]))).toBe("ok");
    expect((await list()).find((member) => member.ID === ID)).toMatchObject({
      peerURLs: ["https://127.1.1.6:2380"],
      isLearner: true,
    });
    await remove(ID);
  });

  it("moves the leader where it is told, and leases live on under the next one", async () => {
    const grant = { ID: 77n, TTL: 3n };
    await call<LeaseGrantResponse>((done) => clients[0]!.lease.leaseGrant(grant, done));
    const leader = (await status(0)).leader;
    const ids = [await idOf(0), await idOf(1), await idOf(2)];
    const at = ids.indexOf(leader);
    const next = (at + 1) % 3;
    const move = (from: number, targetID: bigint): Promise<MoveLeaderResponse> =>
      call((done) => clients[from]!.maintenance.moveLeader({ targetID }, done));
    expect(await details(move(next, ids[next]!))).toBe("9 etcdserver: not leader");
    expect(await details(move(at, 5n))).toBe("9 etcdserver: bad leader transferee");
    expect(await details(move(at, ids[next]!))).toBe("ok");
    await expect.poll(async () => (await status(at)).leader, SOON).toBe(ids[next]);
    // Every member answers for the leader; the new one has given the lease its whole time again.
    for (const each of clients) {
      const left = await call<LeaseTimeToLiveResponse>((done) =>
        each.lease.leaseTimeToLive({ ID: 77n, keys: false }, done),
      );
      expect(left).toMatchObject({ grantedTTL: 3n });
      expect(left.TTL).toBeGreaterThanOrEqual(2n);
    }
    await expect
      .poll(() => [...harness.apps.values()].map((app) => app.replica.store.leases.size), SOON)
      .toEqual([0, 0, 0]);
  }, 90_000);

  it("compares members at each compaction and raises an alarm against the one whose data differ", async () => {
    await put("same", "old");
    const { header } = await put("same", "new");
    const compact = (revision: bigint): Promise<CompactionResponse> =>
      call((done) => clients[0]!.kv.compact({ revision, physical: false }, done));
    const hash = async (at: number): Promise<string> => {
      const answer = await call<HashKVResponse>((done) =>
        clients[at]!.maintenance.hashKv({ revision: header!.revision }, done),
      );
      return `${answer.hash} ${answer.compactRevision}`;
    };
    await compact(header!.revision);
    await expect.poll(async () => new Set([await hash(0), await hash(1), await hash(2)]).size, SOON).toBe(1);
    const checkAll = async (): Promise<void> => {
      for (const app of harness.apps.values()) await app.corruption.check();
    };
    await checkAll();
    const alarms = (): unknown => harness.apps.get("one")!.replica.store.alarms.list();
    expect(alarms()).toEqual([]);

    // One bit, in one member's memory.
    const broken = harness.apps.get("three")!.replica.store;
    const value = broken.range(rangeOp("same")).kvs[0]!.value;
    value[0]! ^= 1;
    await compact((await put("other", "x")).header!.revision);
    await expect.poll(async () => checkAll().then(alarms), SOON).toEqual([{ member: await idOf(2), type: "corrupt" }]);
    expect(await details(put("x", "y"))).toBe("15 etcdserver: corrupt cluster");
    expect(await details(get("same", 0, true))).toBe("15 etcdserver: corrupt cluster");
    expect((await status(0)).errors).toEqual([`memberID:${await idOf(2)} alarm:CORRUPT `]);
    expect(AlarmType.CORRUPT).toBe(2);
    // Without the member its alarm is gone, too.
    await remove(await idOf(2));
    expect(await details(put("x", "y"))).toBe("ok");
    await expect.poll(() => harness.removed, SOON).toEqual(["three"]);
    await harness.stop("three");
  }, 90_000);

  it("shrinks to the member that is left, also when the leader is the one that goes", async () => {
    const ids = [await idOf(0), await idOf(1)];
    const leading = ids.indexOf((await status(0)).leader);
    const staying = 1 - leading;
    await expect.poll(() => details(remove(ids[leading]!, staying)), SOON).toBe("ok");
    expect((await list(staying)).map(({ ID }) => ID)).toEqual([ids[staying]]);
    expect(await details(put("alone", "1", staying))).toBe("ok");
    await expect.poll(() => harness.removed.length, SOON).toBe(2);
    expect(await details(remove(ids[staying]!, staying))).toBe(
      "9 etcdserver: re-configuration failed due to not enough started members",
    );
    const name = configs[leading]!.name;
    // It may come back as often as it likes: the others say what it is.
    await harness.stop(name);
    await harness.start(configs[leading]!);
    await expect.poll(() => harness.removed.length, SOON).toBe(3);
    expect(await details(put("alone", "2", staying))).toBe("ok");
  }, 90_000);
});
