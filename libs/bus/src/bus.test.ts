import { type NatsCluster, startNatsCluster } from "@trireme/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bus, type BusPermissions, type MemoryHub, createMemoryHub, createNatsBus } from "./index.ts";

const ALL_PERMITTED: BusPermissions = { pub: ["t.>"], sub: ["t.>"] };
const BASE_PORT = 24_000;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

/** Waits for a state of the world that is on its way; bounded by the test's own timeout. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function connected(bus: Bus): Promise<Bus> {
  await until(() => bus.status() === "connected");
  return bus;
}

let nats: NatsCluster;
let hub: MemoryHub;
beforeAll(async () => {
  hub = createMemoryHub();
  nats = await startNatsCluster(1, BASE_PORT);
});
afterAll(() => nats.stop());

const adapters = [
  { name: "memory", open: async (permissions: BusPermissions) => hub.connect(permissions) },
  { name: "nats", open: async (permissions: BusPermissions) => connected(nats.connect(permissions)) },
];

describe.each(adapters)("bus compliance: $name", ({ open }) => {
  it("delivers to matching subscriptions only, in the order of the publisher, also to the publisher itself", async () => {
    const a = await open(ALL_PERMITTED);
    const b = await open(ALL_PERMITTED);
    const exact: string[] = [];
    const star: string[] = [];
    const rest: string[] = [];
    b.subscribe("t.one.x", (payload, subject) => exact.push(`${subject}=${text(payload)}`));
    b.subscribe("t.*.x", (payload) => star.push(text(payload)));
    a.subscribe("t.>", (payload) => rest.push(text(payload)));
    await Promise.all([a.flush(), b.flush()]);
    for (let i = 0; i < 100; i++) a.publish("t.one.x", bytes(String(i)));
    a.publish("t.two.x", bytes("two"));
    a.publish("t.two", bytes("short"));
    a.publish("t.end", bytes("end"));
    await until(() => rest.includes("end") && star.length === 101 && exact.length === 100);
    const numbers = Array.from({ length: 100 }, (_, i) => String(i));
    expect(exact).toEqual(numbers.map((n) => `t.one.x=${n}`));
    expect(star).toEqual([...numbers, "two"]);
    expect(rest).toEqual([...numbers, "two", "short", "end"]);
    await Promise.all([a.close(), b.close()]);
  });

  it("stops delivering after unsubscribe", async () => {
    const a = await open(ALL_PERMITTED);
    const gone: string[] = [];
    const here: string[] = [];
    const subscription = a.subscribe("t.u", (payload) => gone.push(text(payload)));
    a.subscribe("t.u", (payload) => here.push(text(payload)));
    await a.flush();
    a.publish("t.u", bytes("1"));
    await until(() => here.length === 1);
    subscription.unsubscribe();
    a.publish("t.u", bytes("2"));
    await until(() => here.length === 2);
    expect(gone).toEqual(["1"]);
    await a.close();
  });

  it("refuses what the identity may not publish or subscribe, by name, and delivers nothing of it", async () => {
    const node1 = await open({ pub: ["t.heartbeat.node1"], sub: ["t.event.pods.on.node1"] });
    const all = await open(ALL_PERMITTED);
    const refused: string[] = [];
    const heard: string[] = [];
    const leaked: string[] = [];
    node1.onRefused((refusal) => refused.push(`${refusal.operation} ${refusal.subject}`));
    for (const subject of ["t.event.pods.on.node2", "t.event.>", "t.event.pods.on.*"]) {
      node1.subscribe(subject, (payload) => leaked.push(text(payload)), {
        onRefused: (refusal) => refused.push(`${refusal.operation} ${refusal.subject}`),
      });
    }
    node1.subscribe("t.event.pods.on.node1", (payload) => heard.push(text(payload)));
    all.subscribe("t.heartbeat.>", (_, subject) => heard.push(subject));
    await Promise.all([node1.flush(), all.flush()]);
    all.publish("t.event.pods.on.node2", bytes("not for you"));
    all.publish("t.event.pods.on.node1", bytes("for you"));
    node1.publish("t.heartbeat.node2", bytes("forged"));
    node1.publish("t.heartbeat.node1", bytes("own"));
    await until(() => heard.length === 2 && refused.length === 4);
    expect(heard.toSorted()).toEqual(["for you", "t.heartbeat.node1"]);
    expect(leaked).toEqual([]);
    expect(refused.toSorted()).toEqual([
      "publish t.heartbeat.node2",
      "subscribe t.event.>",
      "subscribe t.event.pods.on.*",
      "subscribe t.event.pods.on.node2",
    ]);
    await Promise.all([node1.close(), all.close()]);
  });

  it("an empty permission list permits nothing", async () => {
    const mute = await open({ pub: [], sub: ["t.>"] });
    const refused: string[] = [];
    mute.onRefused((refusal) => refused.push(refusal.subject));
    mute.publish("t.x", bytes("x"));
    await until(() => refused.length === 1);
    const deaf = await open({ pub: ["t.>"], sub: [] });
    deaf.subscribe("t.x", () => {}, { onRefused: (refusal) => refused.push(refusal.operation) });
    await until(() => refused.length === 2);
    expect(refused).toEqual(["t.x", "subscribe"]);
    await Promise.all([mute.close(), deaf.close()]);
  });

  it("drops what is too large and goes on", async () => {
    const a = await open(ALL_PERMITTED);
    const sizes: number[] = [];
    a.subscribe("t.size", (payload) => sizes.push(payload.length));
    await a.flush();
    a.publish("t.size", new Uint8Array(256 * 1024 + 1));
    a.publish("t.size", new Uint8Array(256 * 1024));
    await until(() => sizes.length === 1);
    expect(sizes).toEqual([256 * 1024]);
    await a.close();
  });

  it("is silent after close, and closing twice is harmless", async () => {
    const a = await open(ALL_PERMITTED);
    const statuses: string[] = [];
    a.onStatus((status) => statuses.push(status));
    await a.close();
    await a.close();
    a.publish("t.x", bytes("late"));
    expect([a.status(), statuses]).toEqual(["disconnected", ["disconnected"]]);
    await expect(a.flush()).rejects.toMatchObject({ code: "ServiceUnavailable" });
  });
});

describe("nats: trust", () => {
  const cases = [
    {
      name: "another CA's certificate",
      tls: () => nats.foreignTls,
      credentials: () => nats.credentials(ALL_PERMITTED),
    },
    { name: "an unknown account", tls: () => nats.tls, credentials: () => nats.foreignCredentials(ALL_PERMITTED) },
    {
      name: "a server that is not the cluster's",
      tls: () => ({ ...nats.tls, ca: nats.foreignTls.cert }),
      credentials: () => nats.credentials(ALL_PERMITTED),
    },
  ];
  it.each(cases)("never connects with $name, says why and keeps trying", async ({ tls, credentials }) => {
    const reasons: unknown[] = [];
    const quiet = {
      debug() {},
      info() {},
      error() {},
      child: () => quiet,
      warn: (_: string, keys = {}) => reasons.push(keys),
    };
    const bus = createNatsBus({ servers: nats.servers, tls, credentials, name: "intruder", log: quiet });
    await until(() => reasons.length > 0);
    expect(bus.status()).toBe("disconnected");
    await bus.close();
    expect(reasons[0]).toMatchObject({ server: nats.servers[0], err: expect.any(Error) });
  });
});

describe("nats: reconnect", () => {
  it("starts without a server, connects when one comes, resubscribes after each loss", async () => {
    const lone = await startNatsCluster(1, BASE_PORT + 10);
    await lone.kill(0);
    const bus = lone.connect(ALL_PERMITTED);
    const heard: string[] = [];
    const statuses: string[] = [];
    bus.onStatus((status) => statuses.push(status));
    bus.subscribe("t.x", (payload) => heard.push(text(payload)));
    bus.publish("t.x", bytes("dropped"));
    expect(bus.status()).toBe("disconnected");
    await lone.start(0);
    await connected(bus);
    bus.publish("t.x", bytes("1"));
    await until(() => heard.length === 1);
    await lone.kill(0);
    await until(() => bus.status() === "disconnected");
    bus.publish("t.x", bytes("dropped too"));
    await lone.start(0);
    await connected(bus);
    bus.publish("t.x", bytes("2"));
    await until(() => heard.length === 2);
    expect(heard).toEqual(["1", "2"]);
    expect(statuses).toEqual(["connected", "disconnected", "connected"]);
    await bus.close();
    await lone.stop();
  });
});
