/**
 * Goal: a backup becomes a cluster of its own, with all that was acknowledged before it and nothing of the lost cluster's
 * members, revisions and offices. Method: real members over real sockets and files; every way to spoil a backup.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  type MemberListResponse,
  PutRequest,
  type PutResponse,
  RangeRequest,
  type RangeResponse,
  type SnapshotResponse,
} from "@trireme/proto/etcdserverpb/rpc";
import { silentLogger } from "@trireme/telemetry";
import { REBIRTH_REVISIONS } from "@trireme/mvcc";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Clients, StoreHarness, call } from "./app-harness.ts";
import type { StoreConfig } from "./config.ts";
import { restoreStore } from "./restore.ts";

const bytes = (value: string): Buffer => Buffer.from(value);
const put = (etcd: Clients, key: string, value: string): Promise<PutResponse> =>
  call((done) => etcd.kv.put(PutRequest.fromPartial({ key: bytes(key), value: bytes(value) }), done));
const get = (etcd: Clients, key: string, revision = 0n): Promise<RangeResponse> =>
  call((done) => etcd.kv.range(RangeRequest.fromPartial({ key: bytes(key), revision }), done));
let harness: StoreHarness;
let file: string;
let lastRevision: bigint;
let oldMembers: MemberListResponse;
beforeAll(async () => {
  harness = await StoreHarness.create();
  const config = await harness.config("one", "127.0.0.1");
  await harness.start(config);
  const etcd = harness.clients(config);
  for (let i = 0; i < 50; i++) await put(etcd, `k${i}`, `v${i}`);
  await put(etcd, "fences/relay", "held");
  await put(etcd, "host-one", "a member");
  const pieces: Uint8Array[] = [];
  let revision = 0n;
  for await (const piece of etcd.maintenance.snapshot({}) as AsyncIterable<SnapshotResponse>) {
    if (pieces.length === 0) revision = piece.header!.revision;
    pieces.push(piece.blob);
  }
  expect(revision).toBe((await get(etcd, "k0")).header!.revision);
  file = path.join(harness.dir, "backup");
  writeFileSync(file, Buffer.concat(pieces));
  await put(etcd, "after", "lost");
  lastRevision = (await get(etcd, "k0")).header!.revision;
  oldMembers = await call((done) => etcd.cluster.memberList({ linearizable: true }, done));
  await harness.stop("one");
});
afterAll(() => harness.close());

const restore = (config: StoreConfig, from = file): Promise<void> =>
  restoreStore({ config, file: from, leaveBehind: ["fences/", "host-{member}"], log: silentLogger });

describe("a restored store", () => {
  it("serves what was there before the backup, as another cluster, from a revision that nobody knows", async () => {
    const config = await harness.config("two", "127.0.0.1", { clusterToken: "restored" });
    await restore(config);
    expect(existsSync(`${config.dataDir}.restoring`)).toBe(false);
    // What it was born with lies in its folder: flags that have become old harm nobody.
    await harness.start({ ...config, clusterToken: "as always" });
    const etcd = harness.clients(config);
    for (let i = 0; i < 50; i++) expect((await get(etcd, `k${i}`)).kvs[0]!.value.toString()).toBe(`v${i}`);
    for (const key of ["after", "fences/relay", "host-one"]) expect((await get(etcd, key)).kvs).toEqual([]);
    const { header } = await put(etcd, "new", "1");
    expect(header!.revision).toBe(lastRevision - 1n + BigInt(REBIRTH_REVISIONS) + 1n);
    await expect(get(etcd, "k0", lastRevision)).rejects.toThrow("compacted");
    const members: MemberListResponse = await call((done) => etcd.cluster.memberList({ linearizable: true }, done));
    expect(members.members.map((member) => member.name)).toEqual(["two"]);
    expect(members.header!.clusterId).not.toBe(oldMembers.header!.clusterId);
    expect(members.members[0]!.ID).not.toBe(oldMembers.members[0]!.ID);
    // And after a restart, from its own log.
    await harness.stop("two");
    await harness.start(config);
    expect((await get(harness.clients(config), "new")).kvs[0]!.value.toString()).toBe("1");
  });

  it("is never laid over a log that is there", async () => {
    const config = await harness.config("one", "127.0.0.1");
    await expect(restore(config)).rejects.toThrow("holds a log already");
  });

  it("is refused when its backup is not whole to the last byte", async () => {
    const config = await harness.config("three", "127.0.0.1");
    const whole = readFileSync(file);
    const bent = Buffer.from(whole);
    bent[bent.length >> 1]! ^= 1;
    const spoilt = path.join(harness.dir, "spoilt");
    for (const content of [bent, whole.subarray(0, -1), whole.subarray(0, 100), Buffer.alloc(0), Buffer.alloc(700)]) {
      writeFileSync(spoilt, content);
      await expect(restore(config, spoilt)).rejects.toThrow();
      expect(existsSync(config.dataDir)).toBe(false);
    }
  });
});
