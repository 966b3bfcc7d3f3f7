/**
 * Goal: informers follow the relay's streams over a real NATS cluster and the API when that is gone, and identities end
 * and are renewed, all without a restart.
 * Method: three nats-servers with TLS and JWTs, an apiserver over a store in memory whose relay publishes on them, real
 * clients; servers are killed, frozen and started again while objects are written.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFIGMAPS, type ConfigMap, NAMESPACES, type Namespace } from "@trireme/api";
import { type Apiserver, createApiserver } from "@trireme/apiserver";
import { sleep } from "@trireme/base";
import { type Bus, type BusStatus, controllersPermissions, createNatsBus, relayPermissions } from "@trireme/bus";
import { type ApiClient, createApiClient } from "@trireme/client";
import { type Informer, createInformerFactory } from "@trireme/controller";
import {
  createCa,
  createSealingRing,
  createSigningKey,
  issue,
  SEALING_FILE,
  writeKeyPair,
  writePrivateFile,
} from "@trireme/pki";
import { createMemoryStore } from "@trireme/store-client";
import { silentLogger } from "@trireme/telemetry";
import { type NatsCluster, startNatsCluster } from "@trireme/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const ADDRESS = `127.72.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
const NATS_PORT = 24_050;
const dir = mkdtempSync(join(tmpdir(), "bus-"));
let nats: NatsCluster;
let apiserver: Apiserver;
let client: ApiClient;
let informer: Informer<Namespace>;
const buses: Bus[] = [];
let stopInformers: () => void = () => {};

async function eventually(what: string, look: () => boolean, withinMs = 10_000): Promise<number> {
  const since = performance.now();
  while (!look()) {
    if (performance.now() - since > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(2);
  }
  return performance.now() - since;
}

const namespaces = () => client.resource<Namespace>(NAMESPACES);
const create = (name: string) => namespaces().create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
const shown = (name: string): boolean => informer.get("", name) !== undefined;

beforeAll(async () => {
  nats = await startNatsCluster(3, NATS_PORT);
  const ca = await createCa("test");
  writePrivateFile(join(dir, "ca.crt"), ca.cert);
  writePrivateFile(join(dir, "shared", SEALING_FILE), createSealingRing());
  writePrivateFile(join(dir, "shared/sa.key"), await createSigningKey());
  const server = await issue({ ca, cn: "kube-apiserver", sans: [ADDRESS], server: true });
  writeKeyPair(dir, "apiserver", server);
  writeKeyPair(
    dir,
    "apiserver-client",
    await issue({ ca, cn: "system:apiserver:s1", o: "system:apiservers", client: true }),
  );
  const relay = nats.connect(relayPermissions());
  buses.push(relay);
  apiserver = await createApiserver(
    {
      name: "s1",
      address: ADDRESS,
      pkiDir: dir,
      storeEndpoints: [],
      apiServers: [`${ADDRESS}:6443`],
      serversFile: undefined,
      natsUrls: [],
      serviceCidr: "10.96.0.0/16",
      podCidr: "10.244.0.0/16",
      nodePortRange: "30000-32767",
      clusterName: "test",
      restPort: 6443,
      grpcPort: 6444,
      metricsPort: 6445,
    },
    { store: createMemoryStore(), bus: relay, log: silentLogger },
  );
  await apiserver.start();
  const admin = await issue({ ca, cn: "admin", o: "system:masters", client: true });
  // One thread serves everybody here; a stall is not a dead server.
  const timing = { connectMs: 10_000, silenceMs: 10_000 };
  client = createApiClient({ servers: [`${ADDRESS}:6443`], ca: ca.cert, ...admin, userAgent: "test", timing });
  const bus = nats.connect(controllersPermissions());
  buses.push(bus);
  const factory = createInformerFactory({ client, bus });
  informer = factory.informer<Namespace>(NAMESPACES);
  factory.start();
  stopInformers = () => factory.stop();
  await factory.synced();
});

afterAll(async () => {
  stopInformers();
  client?.close();
  await apiserver?.stop();
  await Promise.all(buses.map((bus) => bus.close()));
  await nats?.stop();
  rmSync(dir, { recursive: true, force: true });
});

describe("client and apiserver", () => {
  it("agree on errors, patches, lists, deletes and watches", async () => {
    const maps = client.resource<ConfigMap>(CONFIGMAPS, "default");
    const wanted: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { x: "1" } };
    const made = await maps.create(wanted);
    await expect(maps.create(wanted)).rejects.toMatchObject({ code: "AlreadyExists" });
    await expect(maps.get("b")).rejects.toMatchObject({ code: "NotFound", details: { name: "b" } });
    const seen: string[] = [];
    const stop = new AbortController();
    const { resourceVersion } = await maps.list();
    const watching = maps.watch({ resourceVersion, signal: stop.signal }, (e) => seen.push(e.type));
    const patched = await maps.patch("a", { type: "merge", body: { data: { x: "2" } } });
    expect(patched.data).toEqual({ x: "2" });
    await expect(maps.update({ ...made, data: {} })).rejects.toMatchObject({ code: "Conflict" });
    await maps.delete("a", { preconditions: { uid: made.metadata.uid ?? "" } });
    await eventually("both events", () => seen.includes("MODIFIED") && seen.includes("DELETED"));
    stop.abort();
    await watching;
    expect((await maps.list({ fieldSelector: "metadata.name=a" })).items).toEqual([]);
  });
});

describe("informer over a real bus", () => {
  it("follows the stream, and shows an event within milliseconds", async () => {
    await eventually("stream mode", () => informer.mode === "stream");
    await create("first");
    expect(await eventually("the event", () => shown("first"))).toBeLessThan(500);
    expect(informer.mode).toBe("stream");
  });

  it("loses nothing while each server is killed in turn, and is back on the stream within seconds", async () => {
    for (const index of [0, 1, 2]) {
      await nats.kill(index);
      await create(`killed-${index}`);
      await eventually("the event", () => shown(`killed-${index}`));
      await eventually("stream mode", () => informer.mode === "stream");
      await nats.start(index);
    }
    await create("after-kills");
    await eventually("the event", () => shown("after-kills"));
  });

  it("works without any server, slower, and returns to the stream when they come back", async () => {
    for (const index of [0, 1, 2]) await nats.kill(index);
    await create("no-bus");
    await eventually("the event", () => shown("no-bus"));
    await eventually("watch mode", () => informer.mode === "watch");
    await create("no-bus-2");
    expect(await eventually("the event", () => shown("no-bus-2"))).toBeLessThan(500);
    for (const index of [0, 1, 2]) await nats.start(index);
    await eventually("stream mode", () => informer.mode === "stream");
  });

  it("leaves a frozen server within seconds", async () => {
    const bus = nats.connect(controllersPermissions(), { servers: [nats.servers[0]!, nats.servers[1]!] });
    buses.push(bus);
    await eventually("connected", () => bus.status() === "connected");
    const changes: BusStatus[] = [];
    bus.onStatus((status) => changes.push(status));
    nats.signal(0, "SIGSTOP");
    await eventually("another server", () => changes.length === 2, 6000);
    nats.signal(0, "SIGCONT");
    expect(changes).toEqual(["disconnected", "connected"]);
  });
});

describe("bus identities", () => {
  it("reconnects in milliseconds to another server when its own is killed", async () => {
    const bus = nats.connect(controllersPermissions());
    buses.push(bus);
    await eventually("connected", () => bus.status() === "connected");
    const times: number[] = [];
    bus.onStatus(() => times.push(performance.now()));
    await nats.kill(0);
    await eventually("reconnected", () => times.length === 2);
    expect(times[1]! - times[0]!).toBeLessThan(300);
    await nats.start(0);
  });

  it("is cut when its claims expire, and goes on with renewed ones", async () => {
    const expires = Math.floor(Date.now() / 1000) + 2;
    let credentials = nats.credentials(controllersPermissions(), expires);
    const bus = createNatsBus({
      servers: nats.servers,
      tls: () => nats.tls,
      credentials: () => credentials,
      name: "short-lived",
    });
    buses.push(bus);
    await eventually("connected", () => bus.status() === "connected");
    await eventually("cut", () => bus.status() === "disconnected");
    // Claims end with a whole second: until it is over, whoever was cut may be let in again, and is cut again.
    await sleep((expires + 1) * 1000 - Date.now() + 100);
    const seen: BusStatus[] = [bus.status()];
    bus.onStatus((status) => seen.push(status));
    await sleep(400);
    expect(seen).toEqual(["disconnected"]);
    credentials = nats.credentials(controllersPermissions());
    await eventually("connected again", () => bus.status() === "connected");
  });
});
