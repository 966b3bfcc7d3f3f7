import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { type Ca, type KeyPair, createCa, issue } from "@trireme/pki";
import { KVClient, type PutResponse } from "@trireme/proto/etcdserverpb/rpc";
import { type StoreClient, type WatchEvent, createStoreClient } from "@trireme/store-client";
import { createRegistry, silentLogger } from "@trireme/telemetry";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StoreApp, startStore } from "./app.ts";
import type { StoreConfig } from "./config.ts";

/*
 * Goal: one member does what its API says, over real sockets, TLS and files, and after a restart still does.
 * Method: a cluster of one, which elects itself at once; etcd's own semantics as the expectation. What needs three
 * members is tested in test/integration.
 */

const ADDRESS = "127.1.0.9";
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytes = (value: string): Buffer => Buffer.from(value);

let dir: string;
let ca: Ca;
let config: StoreConfig;
let app: StoreApp;
let server: KeyPair;
let apiserver: KeyPair;
let client: StoreClient;

const tls = (pair: KeyPair) => ({ ca: bytes(ca.cert), cert: bytes(pair.cert), key: bytes(pair.key) });

async function freePorts(): Promise<[number, number, number]> {
  const one = async (): Promise<number> =>
    new Promise((resolve) => {
      const probe = createServer();
      probe.listen(0, ADDRESS, () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
    });
  return [await one(), await one(), await one()];
}

async function start(): Promise<StoreApp> {
  return startStore({
    config,
    tls: { client: tls(server), peer: tls(server) },
    log: silentLogger,
    registry: createRegistry({ processMetrics: false }),
    onFatal: (error) => {
      throw error;
    },
  });
}

const connect = (pair: KeyPair): StoreClient =>
  createStoreClient({ endpoints: [`${ADDRESS}:${config.clientPort}`], ...tls(pair) });

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "store-"));
  ca = await createCa("store test CA");
  server = await issue({ ca, cn: "server1", sans: [ADDRESS, "localhost", "server1"], server: true, client: true });
  apiserver = await issue({ ca, cn: "apiserver:server1", o: "trireme:apiservers", client: true });
  const [clientPort, peerPort, metricsPort] = await freePorts();
  config = {
    name: "server1",
    dataDir: dir,
    address: ADDRESS,
    initialCluster: new Map([["server1", `${ADDRESS}:${peerPort}`]]),
    clusterToken: "test",
    pkiDir: "unused",
    heartbeatMs: 50,
    electionMs: 500,
    clientPort,
    peerPort,
    metricsPort,
    walSegmentBytes: 256 * 1024,
    snapshotBytes: 64 * 1024,
    trailingEntries: 5000,
    quotaBytes: 1024 * 1024,
    autoCompactMs: 0,
  };
  app = await start();
  client = connect(apiserver);
}, 30_000);

afterAll(async () => {
  await client.close();
  await app.stop();
  rmSync(dir, { recursive: true });
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
    const operator = connect(await issue({ ca, cn: "operator", o: "trireme:operators", client: true }));
    await client.put({ key: "/registry/b", value: bytes("x") });
    expect((await operator.range({ key: "/registry/b" })).count).toBe(1);
    await operator.put({ key: "elsewhere", value: bytes("x") });
    const denied = { code: "Forbidden", message: "etcdserver: permission denied" };
    await expect(operator.put({ key: "/registry/b", value: bytes("y") })).rejects.toMatchObject(denied);
    await expect(operator.deleteRange({ key: "\0", rangeEnd: "\0" })).rejects.toMatchObject(denied);
    await operator.close();
    const nobody = connect(await issue({ ca, cn: "node1", o: "system:nodes", client: true }));
    await expect(nobody.range({ key: "/registry/b" })).rejects.toMatchObject(denied);
    await nobody.close();
    const otherCa = await createCa("other CA");
    const forged = await issue({ ca: otherCa, cn: "apiserver:x", o: "trireme:apiservers", client: true });
    const kv = new KVClient(
      `${ADDRESS}:${config.clientPort}`,
      credentials.createSsl(bytes(ca.cert), bytes(forged.key), bytes(forged.cert)),
      { "grpc.ssl_target_name_override": "localhost" },
    );
    const answer = await new Promise<PutResponse | Error>((resolve) => {
      const request = {
        key: bytes("a"),
        value: bytes("b"),
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      };
      kv.put(request, (error, response) => resolve(error ?? response));
    });
    expect(answer).toBeInstanceOf(Error);
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
    await expect.poll(() => client.txn(txn), { timeout: 5000 }).toMatchObject({ succeeded: true });
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
    await app.stop();
    app = await start();
    for (const each of values.slice(300)) await client.put(each);
    const after = await client.range({ key: "/r/", rangeEnd: "/r0", revision: whole.revision });
    expect(after.kvs).toEqual(whole.kvs);
    await expect.poll(() => heard.length, { timeout: 5000 }).toBe(400);
    expect(heard).toEqual(Array.from({ length: 400 }, (_, i) => before + 1 + i));
    watch.close();
  }, 20_000);
});
