/**
 * Goal: what the store holds of a Secret tells nothing without a ring, whatever happens to the bytes is noticed, and a key
 * is replaced under writers without a moment in which a Secret cannot be read. Method: the real layers over a store in memory,
 * two servers with rings of their own; every byte flipped once; rotations broken off at each step.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@trireme/base";
import { type KubeObject, SECRETS, type Resource } from "@trireme/api";
import { createSealingKey, parseSealingRing, renderSealingRing, sealingKeyId, writePrivateFile } from "@trireme/pki";
import { type StoreClient, createMemoryStore } from "@trireme/store-client";
import { silentLogger } from "@trireme/telemetry";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, startPipeline } from "../fixture.ts";
import { SEALING_OVERHEAD, sealValue, sealingKeyOf, wrapDataKey } from "./envelope.ts";
import type { RingChange, SealingPeers } from "./peers.ts";
import { parseChange, renderChange } from "./peers.ts";
import { readRingFile } from "./ring-file.ts";
import { decideRotation } from "./rotation.ts";
import { Rotator } from "./rotator.ts";
import { Sealer } from "./sealer.ts";
import { sealedStore } from "./sealed-store.ts";
import { SealingKeys } from "./sealing-keys.ts";

const key = (created = "2026-01-01T00:00:00Z") => createSealingKey(created);
const open = (text: string): Uint8Array => Buffer.concat([Buffer.from([1, 0]), Buffer.from(text)]);
const PATH = "/registry/core/secrets/default/s";
const secrets = { resource: SECRETS as Resource, namespace: "default" };
const secretNamed = (name: string, value: string): KubeObject =>
  ({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { value } }) as KubeObject;

describe("an envelope", () => {
  it("opens to what was sealed, under its own path alone", () => {
    const sealer = new Sealer({ keys: [key()] });
    const id = sealer.keys.keys[0]!.id;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), fc.string(), (body, path, other) => {
        const value = Buffer.concat([Buffer.from([1, 0]), body]);
        const sealed = sealer.seal(path, value, id)!;
        expect(sealed.length).toBe(value.length + SEALING_OVERHEAD);
        expect(sealingKeyOf(sealed)).toBe(id);
        expect(sealer.unseal(path, sealed)).toEqual({ value });
        if (other !== path) expect(() => sealer.unseal(other, sealed)).toThrow("does not open");
      }),
    );
  });

  it("notices every changed bit and every cut", () => {
    const sealer = new Sealer({ keys: [key()] });
    const sealed = sealer.seal(PATH, open("hello"), sealer.keys.keys[0]!.id)!;
    for (let bit = 16; bit < sealed.length * 8; bit++) {
      const bent = Uint8Array.from(sealed);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      // A bent id is the id of a key that nobody has; all else fails to open.
      if (bit < 80) expect(sealer.unseal(PATH, bent)).toEqual({ missing: sealingKeyOf(bent) });
      else expect(() => sealer.unseal(PATH, bent), `bit ${bit}`).toThrow("does not open");
    }
    for (let length = 10; length < sealed.length; length++) {
      expect(() => sealer.unseal(PATH, sealed.subarray(0, length)), `length ${length}`).toThrow("does not open");
    }
  });

  it("never has the same bytes twice, and shares a data key until its bound", () => {
    const sealer = new Sealer({ keys: [key()] });
    const id = sealer.keys.keys[0]!.id;
    const sealed = Array.from({ length: 50 }, () => Buffer.from(sealer.seal(PATH, open("same"), id)!));
    expect(new Set(sealed.map((one) => one.toString("hex"))).size).toBe(50);
    expect(new Set(sealed.map((one) => one.subarray(10, 70).toString("hex"))).size).toBe(1);
    (sealer as unknown as { current: { left: number } }).current.left = 0;
    const next = Buffer.from(sealer.seal(PATH, open("same"), id)!);
    expect(next.subarray(10, 70)).not.toEqual(sealed[0]!.subarray(10, 70));
    expect(sealer.unseal(PATH, next)).toEqual({ value: open("same") });
  });

  it("with a data key of another ring's key does not open", () => {
    const one = key();
    const two = key();
    // Two's data key under one's name: as if somebody had swapped the id.
    const dataKey = wrapDataKey(one.id, two.secret, Buffer.alloc(32, 7), Buffer.alloc(12, 1));
    const sealed = sealValue(PATH, open("x"), dataKey, Buffer.alloc(12, 2));
    expect(() => new Sealer({ keys: [one, two] }).unseal(PATH, sealed)).toThrow("was not wrapped by key");
  });
});

describe("a ring", () => {
  it("is read as it was written", () => {
    const ring = { keys: [key("a"), key("b")] };
    expect(parseSealingRing(renderSealingRing(ring), "f")).toEqual(ring);
    expect(parseChange(JSON.parse(renderChange({ add: ring, drop: ["x"] })))).toEqual({ add: ring, drop: ["x"] });
  });

  it.each([
    ["", "is not JSON"],
    ["[]", "version undefined"],
    ["null", "no object"],
    ['{"version":2,"keys":[]}', "version 2"],
    ['{"version":1,"keys":[]}', "no keys"],
    ['{"version":1,"keys":[{"id":"x","created":"t","key":"AAAA"}]}', "not the base64 of 32 bytes"],
    [
      `{"version":1,"keys":[{"id":"x","created":"t","key":"${Buffer.alloc(32).toString("base64")}"}]}`,
      "changed by hand",
    ],
  ])("that is none is refused: %s", (text, why) => {
    expect(() => parseSealingRing(text, "/pki/sealing.json")).toThrow(why);
    expect(() => parseSealingRing(text, "/pki/sealing.json")).toThrow("/pki/sealing.json");
  });

  it("names keys by what they are", () => {
    const one = key();
    expect(one.id).toBe(sealingKeyId(one.secret));
    expect(one.id).not.toBe(key().id);
  });
});

describe("a rotation's plan", () => {
  const named = (id: string) => ({ id, created: id });

  it.each([
    ["a clean ring begins", "a", [["a"], ["a"]], { type: "begin", drop: ["a"] }],
    ["a key that was handed to some goes on", "a", [["a", "b"], ["a"]], { type: "finish", key: "b", drop: ["a"] }],
    ["a writer beside an old key ends it", "b", [["a", "b"], ["b"]], { type: "finish", key: "b", drop: ["a"] }],
    ["a server without the writer is given it", "a", [["a"], ["a"], []], { type: "finish", key: "a", drop: [] }],
    [
      "of several new keys the newest",
      "a",
      [
        ["a", "b"],
        ["a", "c"],
      ],
      { type: "finish", key: "c", drop: ["a", "b"] },
    ],
  ])("%s", (_, writer, rings, plan) => {
    expect(decideRotation({ writer, rings: rings.map((ring) => ring.map(named)) })).toEqual(plan);
  });

  it("never drops what it puts into office, and comes to an end", () => {
    const ring = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(ring, { minLength: 1, maxLength: 4 }), fc.nat(), (ids, pick) => {
        const writer = ids[0]![pick % ids[0]!.length]!;
        const plan = decideRotation({ writer, rings: ids.map((one) => one.map(named)) });
        if (plan.type === "begin") return;
        expect(plan.drop).not.toContain(plan.key);
        const after = ids.map((one) => [...new Set([...one, plan.key])].filter((id) => !plan.drop.includes(id)));
        const next = decideRotation({ writer: plan.key, rings: after.map((one) => one.map(named)) });
        expect(next.type).toBe("begin");
      }),
    );
  });
});

/** Servers that share a store and reach each other's rings, as over the wire. */
class World {
  readonly dir = mkdtempSync(join(tmpdir(), "sealing-"));
  readonly store = createMemoryStore();
  readonly servers: { keys: SealingKeys; sealed: StoreClient; rotator: Rotator; file: string; away: boolean }[] = [];

  add(ring: string): World["servers"][number] {
    const own = String(this.servers.length);
    const file = join(this.dir, `${own}.json`);
    writePrivateFile(file, ring);
    const others = () => this.servers.filter((_, i) => String(i) !== own);
    const reach = (address: string) => {
      const server = this.servers[Number(address)]!;
      if (server.away) throw Object.assign(new Error(`server ${address} does not answer`));
      return server;
    };
    const peers = {
      others: async () => others().map((one) => String(this.servers.indexOf(one))),
      ring: async (address: string) => parseSealingRing(readFileSync(reach(address).file, "utf8"), address),
      change: async (address: string, change: RingChange) => {
        const { keys } = reach(address);
        if (change.add !== undefined) keys.add(change.add.keys);
        if (change.drop !== undefined) await keys.drop(change.drop);
        return keys.sealer.keys;
      },
      keys: async () => others().flatMap((one) => (one.away ? [] : readRingFile(one.file).keys)),
    } as unknown as SealingPeers;
    const keys = new SealingKeys(file, this.store, silentLogger, () => peers.keys());
    const sealed = sealedStore(this.store, keys);
    const parts = { keys, peers, store: this.store, sealed, own, clock: systemClock, log: silentLogger };
    const server = { keys, sealed, rotator: new Rotator(parts), file, away: false };
    this.servers.push(server);
    return server;
  }

  async bytesOf(path: string): Promise<Uint8Array> {
    return (await this.store.range({ key: path })).kvs[0]!.value;
  }

  async keysInUse(): Promise<string[]> {
    return [...(await this.servers[0]!.keys.usage()).keys()];
  }
}

describe("a sealed store", () => {
  let world: World;
  const ring = renderSealingRing({ keys: [key()] });
  const signal = new AbortController().signal;
  beforeEach(() => {
    world = new World();
  });
  afterEach(async () => {
    await world.store.close();
    rmSync(world.dir, { recursive: true });
  });

  it("keeps the plaintext out of the store and in the answers, by every way of reading", async () => {
    const one = world.add(ring);
    const two = world.add(ring);
    const first = await startPipeline(one.sealed);
    const second = await startPipeline(two.sealed);
    const session = await first.pipeline.watch(ADMIN, secrets, {});
    for (const name of ["a", "b", "c"]) await first.create(secretNamed(name, "plainly-seen"));
    for (const name of ["a", "b", "c"]) {
      const bytes = Buffer.from(await world.bytesOf(`/registry/core/secrets/default/${name}`));
      expect(bytes.includes("plainly-seen")).toBe(false);
      expect(bytes.includes(Buffer.from("plainly-seen").toString("base64"))).toBe(false);
      const got = await second.pipeline.get(ADMIN, { ...secrets, name });
      expect((got.object as { data?: object }).data).toEqual({ value: Buffer.from("plainly-seen").toString("base64") });
    }
    const page = await second.pipeline.list(ADMIN, secrets, { limit: 1 });
    await first.pipeline.patch(
      ADMIN,
      { ...secrets, name: "b" },
      { type: "merge", body: { stringData: { value: "x" } } },
    );
    const rest = await second.pipeline.list(ADMIN, secrets, { limit: 5, continueToken: page.continueToken });
    expect(JSON.stringify(rest.items[0]!.object)).toContain(Buffer.from("plainly-seen").toString("base64"));
    const items = await session.next();
    expect(items!.length).toBeGreaterThan(0);
    for (const server of [first, second]) server.cache.stop();
  });

  it("reads what was written before sealing, and seals it when it is written", async () => {
    const old = await startPipeline(world.store);
    await old.create(secretNamed("old", "from before"));
    old.cache.stop();
    const server = await startPipeline(world.add(ring).sealed);
    const target = { ...secrets, name: "old" };
    expect((await server.pipeline.get(ADMIN, target)).object.metadata.name).toBe("old");
    expect(sealingKeyOf(await world.bytesOf(`${PATH.slice(0, -1)}old`))).toBeUndefined();
    await server.pipeline.patch(ADMIN, target, { type: "merge", body: { metadata: { labels: { a: "b" } } } });
    expect(sealingKeyOf(await world.bytesOf(`${PATH.slice(0, -1)}old`))).toBeDefined();
    server.cache.stop();
  });

  it("does not start with a ring that lacks a key, and names the file and the way out", async () => {
    const one = world.add(ring);
    await one.keys.begin(signal);
    await one.sealed.put({ key: PATH, value: open("x") });
    one.away = true;
    const stranger = world.add(renderSealingRing({ keys: [key()] }));
    await expect(stranger.keys.begin(signal)).rejects.toThrow(stranger.file);
    await expect(stranger.keys.begin(signal)).rejects.toThrow("Copy the file from a server that has the key");
    await expect(stranger.sealed.range({ key: PATH })).rejects.toThrow("does not hold it");
    // With the other server there it gets the key from it, and keeps it.
    one.away = false;
    await stranger.keys.begin(signal);
    expect((await stranger.sealed.range({ key: PATH })).kvs[0]!.value).toEqual(Buffer.from(open("x")));
    expect(readRingFile(stranger.file).keys).toHaveLength(2);
  });

  it("does not start without a ring, or with one that others may read", () => {
    expect(() => readRingFile(join(world.dir, "none.json"))).toThrow("none.json cannot be read");
    const file = join(world.dir, "open.json");
    writeFileSync(file, ring, { mode: 0o644 });
    expect(() => readRingFile(file)).toThrow("can be read by others than its owner (mode 644)");
  });

  it("changes its key under writers, and nothing is unreadable at any moment", async () => {
    const servers = [world.add(ring), world.add(ring), world.add(ring)];
    for (const { keys } of servers) await keys.begin(signal);
    const old = parseSealingRing(ring, "").keys[0]!.id;
    const put = (i: number, text: string) => servers[i % 3]!.sealed.put({ key: `${PATH}${i}`, value: open(text) });
    for (let i = 0; i < 40; i++) await put(i, `before ${i}`);
    await world.store.put({ key: `${PATH}plain`, value: open("never sealed") });
    let done = false;
    let writes = 0;
    const writer = async (): Promise<void> => {
      for (let i = 0; !done; i++, writes++) {
        await put(i % 40, `during ${i}`);
        await servers[(i + 1) % 3]!.sealed.range({ key: `${PATH}${i % 40}` });
      }
    };
    const work = Promise.all([writer(), writer()]);
    const report = await servers[0]!.rotator.rotate();
    done = true;
    await work;
    expect(report).toMatchObject({ resumed: false, dropped: [old], stillHeldBy: [] });
    expect(writes).toBeGreaterThan(3);
    expect(await world.keysInUse()).toEqual([report.key]);
    for (const { file } of servers) expect(readRingFile(file).keys.map((one) => one.id)).toEqual([report.key]);
    for (const { sealed } of servers) {
      const { kvs } = await sealed.range({ key: PATH, rangeEnd: `${PATH}~` });
      expect(kvs).toHaveLength(41);
    }
    const again = await servers[1]!.rotator.rotate();
    expect(again).toMatchObject({ resumed: false, dropped: [report.key], rewritten: 41 });
  });

  it("leaves no history that only the old key opens, so that a server that starts later reads all it replays", async () => {
    const [one, two] = [world.add(ring), world.add(ring)];
    await one.keys.begin(signal);
    const first = await startPipeline(one.sealed);
    for (let i = 0; i < 3; i++) await first.create(secretNamed(`s${i}`, "kept"));
    const before = first.cache.revision;
    await two.rotator.rotate();
    await expect(one.sealed.range({ key: PATH, revision: before })).rejects.toMatchObject({ code: "Expired" });
    const late = await startPipeline(world.add(readFileSync(two.file, "utf8")).sealed);
    expect((await late.pipeline.list(ADMIN, secrets, {})).items).toHaveLength(3);
    for (const server of [first, late]) server.cache.stop();
  });

  it("finishes a rotation that broke off, wherever it did", async () => {
    // Each step's call fails once: handing the key out, the writer's change, a rewrite, the history, the dropping.
    for (const step of ["change", "promote", "rewriteOne", "forgetHistory", "drop"] as const) {
      const place = new World();
      const [one, two] = [place.add(ring), place.add(ring)];
      await one.keys.begin(signal);
      for (let i = 0; i < 5; i++) await one.sealed.put({ key: `${PATH}${i}`, value: open(`${i}`) });
      const parts = (one.rotator as unknown as { parts: { peers: SealingPeers } }).parts;
      const broken = step === "change" ? parts.peers : one.rotator;
      const real = (broken as unknown as Record<string, unknown>)[step];
      (broken as unknown as Record<string, unknown>)[step] = () => Promise.reject(new Error(`broke at ${step}`));
      await expect(one.rotator.rotate(), step).rejects.toThrow(`broke at ${step}`);
      (broken as unknown as Record<string, unknown>)[step] = real;
      for (const server of [one, two]) {
        await server.sealed.put({ key: `${PATH}9`, value: open("between") });
        expect((await server.sealed.range({ key: PATH, rangeEnd: `${PATH}~` })).kvs).toHaveLength(6);
      }
      const report = await two.rotator.rotate();
      expect(report.resumed, step).toBe(true);
      expect(await place.keysInUse(), step).toEqual([report.key]);
      for (const { file } of [one, two]) expect(readRingFile(file).keys.map((k) => k.id)).toEqual([report.key]);
      await place.store.close();
      rmSync(place.dir, { recursive: true });
    }
  });

  it("refuses to rotate while a server does not answer, and touches nothing", async () => {
    const [one, two] = [world.add(ring), world.add(ring)];
    await one.keys.begin(signal);
    two.away = true;
    await expect(one.rotator.rotate()).rejects.toThrow("no Secret was touched");
    expect(readRingFile(one.file).keys).toHaveLength(1);
  });

  it("lets a server that slept through a rotation neither write with the old key nor stay blind", async () => {
    const [one, sleeper] = [world.add(ring), world.add(ring)];
    await one.keys.begin(signal);
    await sleeper.sealed.put({ key: PATH, value: open("1") });
    const asleep = readFileSync(sleeper.file);
    const { key: now } = await one.rotator.rotate();
    // It wakes with the ring of before, in memory and on disk, and believes that the old key writes.
    writeFileSync(sleeper.file, asleep);
    const woken = world.add(asleep.toString());
    (woken.keys as unknown as { known: object }).known = { keyId: parseSealingRing(ring, "").keys[0]!.id, revision: 1 };
    await woken.sealed.put({ key: PATH, value: open("2") });
    expect(sealingKeyOf(await world.bytesOf(PATH))).toBe(now);
    expect((await woken.sealed.range({ key: PATH })).kvs[0]!.value).toEqual(Buffer.from(open("2")));
  });
});
