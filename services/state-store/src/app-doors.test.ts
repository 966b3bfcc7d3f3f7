import { request as httpsRequest } from "node:https";
import { Metadata, credentials } from "@grpc/grpc-js";
import { type KeyPair, issue } from "@trireme/pki";
import {
  CompactionRequest,
  PutRequest,
  type PutResponse,
  RangeRequest,
  type RangeResponse,
  WatchCreateRequest,
  type WatchResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import {
  type OpenResponse,
  type SessionRequest,
  type SessionResponse,
  SessionServiceClient,
} from "@trireme/proto/trireme/store/v1/session";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Clients, StoreHarness, call } from "./app-harness.ts";
import type { StoreApp } from "./app.ts";
import type { StoreConfig } from "./config.ts";

/*
 * Goal: what the doors promise beside etcd's own words (testdata): leases on the session, fragments, physical compaction, a
 * client that requires a leader, every metric that dashboards ask for. Method: one member over real sockets.
 */

const ADDRESS = "127.1.3.1";
const bytes = (value: string): Buffer => Buffer.from(value);

/** The names of stock etcd dashboards and alerts; a histogram by its buckets. */
const METRICS = [
  "etcd_server_has_leader",
  "etcd_server_leader_changes_seen_total",
  "etcd_server_proposals_failed_total",
  "etcd_server_proposals_committed_total",
  "etcd_server_proposals_applied_total",
  "etcd_server_proposals_pending",
  "etcd_disk_wal_fsync_duration_seconds",
  "etcd_disk_backend_commit_duration_seconds",
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_mvcc_db_total_size_in_use_in_bytes",
  "etcd_server_quota_backend_bytes",
  "etcd_network_peer_round_trip_time_seconds",
  "etcd_network_peer_sent_failures_total",
  "etcd_network_peer_sent_bytes_total",
  "etcd_network_peer_received_bytes_total",
  "etcd_network_client_grpc_sent_bytes_total",
  "etcd_network_client_grpc_received_bytes_total",
  "grpc_server_handled_total",
  "grpc_server_handling_seconds",
  "grpc_server_started_total",
];

let harness: StoreHarness;
let config: StoreConfig;
let app: StoreApp;
let operator: KeyPair;
let etcd: Clients;

const put = (key: string, value: Buffer): Promise<PutResponse> =>
  call((done) => etcd.kv.put(PutRequest.fromPartial({ key: bytes(key), value }), done));

beforeAll(async () => {
  harness = await StoreHarness.create();
  config = await harness.config("server1", ADDRESS);
  app = await harness.start(config);
  operator = await issue({ ca: harness.ca, cn: "operator", o: "trireme:operators", client: true });
  etcd = harness.clients(config);
});

afterAll(() => harness.close());

describe("the session", () => {
  it("grants, renews, describes and revokes leases among the other requests, by the same rules", async () => {
    const { ca, cert, key } = harness.files(operator);
    const client = new SessionServiceClient(`${ADDRESS}:${config.clientPort}`, credentials.createSsl(ca, key, cert));
    const stream = client.open();
    const answers = new Map<bigint, SessionResponse["response"]>();
    stream.on("data", ({ responses }: OpenResponse) => {
      for (const { id, response } of responses) answers.set(id, response);
    });
    stream.on("error", () => undefined);
    let id = 0n;
    const ask = async (...requests: NonNullable<SessionRequest["request"]>[]): Promise<unknown[]> => {
      const batch = requests.map((request) => ({ id: ++id, request }));
      stream.write({ requests: batch });
      await expect.poll(() => batch.every((each) => answers.has(each.id)), { timeout: 5000 }).toBe(true);
      return batch.map((each) => answers.get(each.id)!.value);
    };
    const attach = PutRequest.fromPartial({ key: bytes("s"), value: bytes("1"), lease: 9n });
    const notFound = { code: 5, message: "etcdserver: requested lease not found" };
    expect(await ask({ $case: "leaseGrant", value: { ID: 9n, TTL: 60n } })).toMatchObject([{ ID: 9n, TTL: 60n }]);
    await ask({ $case: "put", value: attach });
    expect(
      await ask(
        { $case: "leaseKeepAlive", value: { ID: 9n } },
        { $case: "leaseKeepAlive", value: { ID: 10n } },
        { $case: "leaseTimeToLive", value: { ID: 9n, keys: true } },
      ),
    ).toMatchObject([
      { ID: 9n, TTL: 60n },
      { ID: 10n, TTL: 0n },
      { grantedTTL: 60n, keys: [bytes("s")] },
    ]);
    // An operator's certificate does not reach the API's keys by a lease, here either.
    const api = await issue({ ca: harness.ca, cn: "apiserver:x", o: "trireme:apiservers", client: true });
    const mine = PutRequest.fromPartial({ key: bytes("/registry/s"), value: bytes("1"), lease: 9n });
    await call<PutResponse>((done) => harness.clients(config, api).kv.put(mine, done));
    expect(await ask({ $case: "leaseRevoke", value: { ID: 9n } })).toMatchObject([{ code: 7 }]);
    await call<PutResponse>((done) => harness.clients(config, api).kv.put({ ...mine, lease: 0n }, done));
    expect(await ask({ $case: "leaseRevoke", value: { ID: 9n } })).toMatchObject([{ header: {} }]);
    expect(await ask({ $case: "leaseRevoke", value: { ID: 9n } })).toMatchObject([notFound]);
    expect(app.replica.store.leases.size).toBe(0);
    stream.cancel();
    client.close();
  });
});

describe("a watch", () => {
  it("cuts what it has to say to who asked for fragments, at revisions or within", async () => {
    const first = (await put("big/0", Buffer.alloc(700_000))).header!.revision;
    for (let i = 1; i < 5; i++) await put(`big/${i}`, Buffer.alloc(700_000));
    const hear = async (fragment: boolean): Promise<WatchResponse[]> => {
      const stream = etcd.watch.watch();
      const heard: WatchResponse[] = [];
      stream.on("data", (response: WatchResponse) => heard.push(response));
      stream.on("error", () => undefined);
      const value = WatchCreateRequest.fromPartial({
        key: bytes("big/"),
        rangeEnd: bytes("big0"),
        startRevision: first,
        fragment,
      });
      stream.write({ requestUnion: { $case: "createRequest", value } });
      const events = (): number => heard.reduce((sum, each) => sum + each.events.length, 0);
      await expect.poll(events, { timeout: 5000 }).toBe(5);
      stream.cancel();
      return heard.slice(1);
    };
    expect((await hear(false)).map(({ events }) => events.length)).toEqual([5]);
    const cutUp = await hear(true);
    expect(cutUp.map(({ fragment, events }) => [fragment, events.length])).toEqual([
      [true, 2],
      [true, 2],
      [false, 1],
    ]);
  });
});

describe("a physical compaction", () => {
  it("answers when what it forgets has left memory, and waits for a snapshot that still reads it", async () => {
    const { store } = app.replica;
    for (let i = 0; i < 30; i++) await put("forget", bytes(String(i)));
    const revision = (await put("forget", bytes("last"))).header!.revision;
    const release = store.pin();
    let done = false;
    const compaction = call((answer) =>
      etcd.kv.compact(CompactionRequest.fromPartial({ revision, physical: true }), answer),
    ).then(() => (done = true));
    await expect.poll(() => store.compactRevision, { timeout: 5000 }).toBe(Number(revision));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([done, store.holdsCompacted]).toEqual([false, true]);
    release();
    await compaction;
    expect(store.holdsCompacted).toBe(false);
  });
});

describe("a member without a leader", () => {
  it("reads what it has for those who want that, and refuses those who require a leader", async () => {
    const lonely = await harness.config("server2", "127.1.3.2");
    const others = new Map([...lonely.initialCluster, ["a", "127.1.3.3:1"], ["b", "127.1.3.4:1"]]);
    await harness.start({ ...lonely, initialCluster: others });
    const { kv } = harness.clients(lonely);
    const request = RangeRequest.fromPartial({ key: bytes("x"), serializable: true });
    const required = new Metadata();
    required.set("hasleader", "true");
    expect(await call<RangeResponse>((done) => kv.range(request, done))).toMatchObject({ count: 0n });
    await expect(call<RangeResponse>((done) => kv.range(request, required, done))).rejects.toMatchObject({
      code: 14,
      details: "etcdserver: no leader",
    });
  });
});

describe("metrics", () => {
  it("have every name that etcd's dashboards and alerts ask for", async () => {
    const { ca, cert, key } = harness.files(operator);
    const text = await new Promise<string>((resolve, reject) => {
      const options = { host: ADDRESS, port: config.metricsPort, path: "/metrics", ca, cert, key };
      httpsRequest({ ...options, servername: "localhost" }, (response) => {
        let body = "";
        response.on("data", (data: Buffer) => (body += data.toString()));
        response.on("end", () => resolve(body));
      })
        .on("error", reject)
        .end();
    });
    expect(METRICS.filter((name) => !text.includes(`# TYPE ${name} `))).toEqual([]);
    expect(text).toMatch(/^etcd_server_has_leader 1$/m);
    expect(text).toMatch(/^grpc_server_handled_total\{.*grpc_method="Put".*grpc_code="OK".*\} [1-9]/m);
  });
});
