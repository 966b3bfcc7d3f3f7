import { credentials } from "@grpc/grpc-js";
import { type KeyPair, createCa, issue } from "@trireme/pki";
import {
  type AlarmRequest,
  AlarmRequest_AlarmAction,
  type AlarmResponse,
  AlarmType,
  KVClient,
  type LeaseGrantResponse,
  type LeaseKeepAliveResponse,
  type LeaseLeasesResponse,
  type LeaseRevokeResponse,
  type LeaseTimeToLiveResponse,
  PutRequest,
  type PutResponse,
  type SnapshotResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import { type StoreClient, type WatchEvent, createStoreClient } from "@trireme/store-client";
import { SnapshotReader } from "@trireme/mvcc";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Clients, StoreHarness, call } from "./app-harness.ts";
import type { StoreApp } from "./app.ts";
import type { StoreConfig } from "./config.ts";
import { SnapshotParser } from "./snapshot/snapshot-file.ts";

/*
 * Goal: one member does what its API says, over real sockets, TLS and files, and after a restart still does.
 * Method: a cluster of one, which elects itself at once; etcd's own semantics as the expectation. What needs three
 * members is tested in app-cluster.test.ts and in test/integration.
 */

const ADDRESS = "127.1.0.9";
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (value: string): Buffer => Buffer.from(value);

let harness: StoreHarness;
let config: StoreConfig;
let app: StoreApp;
let apiserver: KeyPair;
let client: StoreClient;
let etcd: Clients;

const connect = (pair: KeyPair): StoreClient =>
  createStoreClient({ endpoints: [`${ADDRESS}:${config.clientPort}`], tls: harness.files(pair) });

beforeAll(async () => {
  harness = await StoreHarness.create();
  config = await harness.config("server1", ADDRESS, { quotaBytes: 1024 * 1024 });
  app = await harness.start(config);
  apiserver = await issue({ ca: harness.ca, cn: "apiserver:server1", o: "trireme:apiservers", client: true });
  client = connect(apiserver);
  etcd = harness.clients(config);
}, 30_000);

afterAll(async () => {
  await client.close();
  await harness.close();
});

describe("a member of one", () => {
  it("puts, reads, compares, deletes", async () => {
    const put = await client.put({ key: "/registry/a", value: bytes("1") });
    const compare = [{ key: "/registry/a", target: "mod", result: "=", value: put.revision } as const];
    const update = { put: { key: "/registry/a", value: bytes("2") } };
    const won = await client.txn({ compare, success: [update] });
    const lost = await client.txn({ compare, success: [update], failure: [{ range: { key: "/registry/a" } }] });
    expect([won.succeeded, won.revision, lost.succeeded]).toEqual([true, put.revision + 1, false]);
    expect(lost.responses[0]).toMatchObject({
      range: { count: 1, kvs: [{ version: 2, createRevision: put.revision }] },
    });
    expect(await client.readRevision()).toBe(won.revision);
    const old = await client.range({ key: "/registry/a", revision: put.revision });
    expect(text(old.kvs[0]!.value)).toBe("1");
    expect(await client.deleteRange({ key: "/registry/a", prevKv: true })).toMatchObject({ deleted: 1 });
  });

  it("refuses by name", async () => {
    await expect(client.range({ key: "a", revision: 1_000_000 })).rejects.toMatchObject({ code: "BadRequest" });
    await expect(client.put({ key: "", value: bytes("") })).rejects.toThrow("etcdserver: key is not provided");
    const huge = client.put({ key: "a", value: Buffer.alloc(2_000_000) });
    await expect(huge).rejects.toMatchObject({ code: "RequestEntityTooLarge" });
  });

  it("gives each certificate what is its own", async () => {
    const operator = connect(await issue({ ca: harness.ca, cn: "operator", o: "trireme:operators", client: true }));
    await client.put({ key: "/registry/b", value: bytes("x") });
    expect((await operator.range({ key: "/registry/b" })).count).toBe(1);
    await operator.put({ key: "elsewhere", value: bytes("x") });
    const denied = { code: "Forbidden", message: "etcdserver: permission denied" };
    await expect(operator.put({ key: "/registry/b", value: bytes("y") })).rejects.toMatchObject(denied);
    await expect(operator.deleteRange({ key: "\0", rangeEnd: "\0" })).rejects.toMatchObject(denied);
    await operator.close();
    const nobody = connect(await issue({ ca: harness.ca, cn: "node1", o: "system:nodes", client: true }));
    await expect(nobody.range({ key: "/registry/b" })).rejects.toMatchObject(denied);
    await nobody.close();
    const otherCa = await createCa("other CA");
    const forged = await issue({ ca: otherCa, cn: "apiserver:x", o: "trireme:apiservers", client: true });
    const kv = new KVClient(
      `${ADDRESS}:${config.clientPort}`,
      credentials.createSsl(bytes(harness.ca.cert), bytes(forged.key), bytes(forged.cert)),
      { "grpc.ssl_target_name_override": "localhost" },
    );
    const request = PutRequest.fromPartial({ key: bytes("a"), value: bytes("b") });
    await expect(call<PutResponse>((done) => kv.put(request, done))).rejects.toBeInstanceOf(Error);
    kv.close();
  });

  it("tells watchers everything once, in order, whole revisions at a time, and how far it got", async () => {
    const start = await client.readRevision();
    const heard: string[] = [];
    const batches: number[][] = [];
    const progress = await new Promise<number>((resolve, reject) => {
      const watch = client.watch(
        { key: "/w/", rangeEnd: "/w0", startRevision: start + 1, prevKv: true, progressNotify: true },
        {
          onEvents(events: readonly WatchEvent[]) {
            heard.push(...events.map((event) => `${event.type} ${event.kv.key} ${event.prevKv?.modRevision ?? "-"}`));
            batches.push(events.map((event) => event.kv.modRevision));
          },
          onProgress(revision) {
            if (heard.length < 4) return;
            watch.close();
            resolve(revision);
          },
          onEnd: (end) => reject(new Error(end.message)),
        },
      );
      const puts = ["/w/a", "/w/b"].map((key) => ({ put: { key, value: bytes("1") } }));
      client
        .txn({ compare: [], success: puts })
        .then(() => client.deleteRange({ key: "/w/a" }))
        .then(() => client.put({ key: "/w/b", value: bytes("2") }))
        .then(() => watch.requestProgress(), reject);
    });
    const first = start + 1;
    expect(heard).toEqual([`put /w/a -`, `put /w/b -`, `delete /w/a ${first}`, `put /w/b ${first}`]);
    expect(batches.filter((batch) => batch.includes(first))).toEqual([expect.arrayContaining([first, first])]);
    expect(progress).toBeGreaterThanOrEqual(first + 2);
  });

  it("ends a watch whose history is gone, with the revision to list from", async () => {
    const { revision } = await client.put({ key: "/c", value: bytes("1") });
    await client.compact(revision);
    const end = await new Promise((resolve) => {
      client.watch({ key: "/c", startRevision: 2 }, { onEvents: () => undefined, onEnd: resolve });
    });
    expect(end).toMatchObject({ code: "Expired", compactRevision: revision });
    await expect(client.range({ key: "/c", revision: 2 })).rejects.toMatchObject({ code: "Expired" });
  });

  it("adds nothing over its quota, and there is a way back", async () => {
    await client.put({ key: "/q/a", value: Buffer.alloc(1_300_000) });
    const full = { code: "TooManyRequests", message: "etcdserver: mvcc: database space exceeded" };
    await expect(client.put({ key: "/q/b", value: bytes("x") })).rejects.toMatchObject(full);
    const txn = { compare: [], success: [{ put: { key: "/q/b", value: bytes("x") } }] };
    await expect(client.txn(txn)).rejects.toMatchObject(full);
    const { revision } = await client.deleteRange({ key: "/q/a" });
    await client.compact(revision);
    await expect.poll(() => app.replica.store.sizeBytes, { timeout: 5000 }).toBeLessThan(1_000_000);
    // The alarm stays on until somebody has seen it.
    await expect(client.txn(txn)).rejects.toMatchObject(full);
    const alarm: AlarmRequest = { action: AlarmRequest_AlarmAction.GET, memberID: 0n, alarm: AlarmType.NONE };
    const ask = (request: AlarmRequest): Promise<AlarmResponse> =>
      call((done) => etcd.maintenance.alarm(request, done));
    const { alarms } = await ask(alarm);
    expect(alarms).toEqual([{ memberID: app.replica.status().id, alarm: AlarmType.NOSPACE }]);
    const disarm = { ...alarms[0]!, action: AlarmRequest_AlarmAction.DEACTIVATE };
    expect((await ask(disarm)).alarms).toEqual(alarms);
    expect(await client.txn(txn)).toMatchObject({ succeeded: true });
  });

  it("grants leases, keeps them alive as long as asked, and lets them go with their keys", async () => {
    const grant = (ID: bigint, TTL: bigint): Promise<LeaseGrantResponse> =>
      call((done) => etcd.lease.leaseGrant({ ID, TTL }, done));
    const left = (ID: bigint, keys = false): Promise<LeaseTimeToLiveResponse> =>
      call((done) => etcd.lease.leaseTimeToLive({ ID, keys }, done));
    const attach = (key: string, lease: bigint): Promise<PutResponse> =>
      call((done) => etcd.kv.put(PutRequest.fromPartial({ key: bytes(key), value: bytes("x"), lease }), done));

    expect(await grant(7n, 60n)).toMatchObject({ ID: 7n, TTL: 60n });
    await expect(grant(7n, 60n)).rejects.toMatchObject({ code: 9, details: "etcdserver: lease already exists" });
    await expect(grant(0n, 9_000_000_001n)).rejects.toMatchObject({ code: 11 });
    await expect(attach("/l/a", 8n)).rejects.toMatchObject({ code: 5, details: /requested lease not found/ });
    // Shorter than an election could last: raised to one and a half.
    const raised = await grant(0n, 0n);
    expect(raised.ID).toBeGreaterThan(0n);
    expect(raised.TTL).toBe(1n);
    await expect.poll(() => app.replica.store.leases.has(raised.ID), { timeout: 5000 }).toBe(false);
    const short = await grant(0n, 2n);
    await attach("/l/a", 7n);
    await attach("/l/b", short.ID);
    expect(await left(7n, true)).toMatchObject({ grantedTTL: 60n, keys: [bytes("/l/a")] });
    expect((await left(7n)).TTL).toBeGreaterThan(57n);
    expect(await left(99n)).toMatchObject({ ID: 99n, TTL: -1n, grantedTTL: 0n });
    const all = await call<LeaseLeasesResponse>((done) => etcd.lease.leaseLeases({}, done));
    expect(all.leases.map(({ ID }) => ID).sort()).toEqual([7n, short.ID].sort());

    const stream = etcd.lease.leaseKeepAlive();
    const answers: LeaseKeepAliveResponse[] = [];
    stream.on("data", (answer: LeaseKeepAliveResponse) => answers.push(answer));
    stream.on("error", () => undefined);
    const started = performance.now();
    while (performance.now() - started < 2500) {
      const heard = answers.length;
      stream.write({ ID: short.ID });
      await expect.poll(() => answers.length, { timeout: 2000 }).toBeGreaterThan(heard);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(new Set(answers.map(({ TTL }) => TTL))).toEqual(new Set([2n]));
    expect((await client.range({ key: "/l/b" })).count).toBe(1);
    await expect.poll(async () => (await client.range({ key: "/l/b" })).count, { timeout: 8000 }).toBe(0);
    // B19: what has ended is not renewed.
    answers.length = 0;
    stream.write({ ID: short.ID });
    await expect.poll(() => answers[0]?.TTL, { timeout: 2000 }).toBe(0n);
    stream.cancel();
    await call<LeaseRevokeResponse>((done) => etcd.lease.leaseRevoke({ ID: 7n }, done));
    expect((await client.range({ key: "/l/", rangeEnd: "/l0" })).count).toBe(0);
    const again = call<LeaseRevokeResponse>((done) => etcd.lease.leaseRevoke({ ID: 7n }, done));
    await expect(again).rejects.toMatchObject({ code: 5, details: "etcdserver: requested lease not found" });
  }, 20_000);

  it("lets no operator delete the API's objects by their lease (A37)", async () => {
    await call<LeaseGrantResponse>((done) => etcd.lease.leaseGrant({ ID: 11n, TTL: 60n }, done));
    const api = harness.clients(config, apiserver);
    const request = PutRequest.fromPartial({ key: bytes("/registry/l"), value: bytes("x"), lease: 11n });
    await call<PutResponse>((done) => api.kv.put(request, done));
    const denied = call<LeaseRevokeResponse>((done) => etcd.lease.leaseRevoke({ ID: 11n }, done));
    await expect(denied).rejects.toMatchObject({ code: 7, details: "etcdserver: permission denied" });
    await call<LeaseRevokeResponse>((done) => api.lease.leaseRevoke({ ID: 11n }, done));
    expect((await client.range({ key: "/registry/l" })).count).toBe(0);
  });

  it("streams a backup that ends as etcd's tools expect and holds the whole state", async () => {
    await client.put({ key: "/backup", value: Buffer.alloc(200_000, 7) });
    const { revision } = await client.put({ key: "/backup2", value: bytes("x") });
    const pieces: Buffer[] = [];
    const stream = etcd.maintenance.snapshot({});
    for await (const piece of stream as AsyncIterable<SnapshotResponse>) pieces.push(piece.blob);
    const file = Buffer.concat(pieces);
    expect(file.length % 512).toBe(32);
    const body = file.subarray(0, -32);
    expect(createHash("sha256").update(body).digest().equals(file.subarray(-32))).toBe(true);
    const reader = new SnapshotReader();
    const parser = new SnapshotParser((frame) => reader.push(frame));
    parser.push(body);
    expect(parser.finish(true)).toMatchObject({ conf: { voters: [app.replica.status().id] } });
    expect(reader.finish().revision).toBe(revision);
    await client.deleteRange({ key: "/backup" });
    await client.compact((await client.deleteRange({ key: "/backup2" })).revision);
  });

  it("is the same after a restart, from snapshot and log, and watchers go on where they were", async () => {
    const values = Array.from({ length: 400 }, (_, i) => ({ key: `/r/${i % 50}`, value: Buffer.alloc(300, i) }));
    const before = await client.readRevision();
    const heard: number[] = [];
    const watch = client.watch(
      { key: "/r/", rangeEnd: "/r0", startRevision: before + 1 },
      { onEvents: (events) => heard.push(...events.map((event) => event.kv.modRevision)), onEnd: () => undefined },
    );
    await Promise.all(values.slice(0, 300).map((each) => client.put(each)));
    const whole = await client.range({ key: "/r/", rangeEnd: "/r0" });
    await harness.stop("server1");
    app = await harness.start(config);
    for (const each of values.slice(300)) await client.put(each);
    const after = await client.range({ key: "/r/", rangeEnd: "/r0", revision: whole.revision });
    expect(after.kvs).toEqual(whole.kvs);
    await expect.poll(() => heard.length, { timeout: 5000 }).toBe(400);
    expect(heard).toEqual(Array.from({ length: 400 }, (_, i) => before + 1 + i));
    watch.close();
  }, 20_000);
});
