import { ManualClock } from "@trireme/base";
import { CONFIGMAPS, PODS, RESOURCES, SECRETS } from "@trireme/api";
import {
  type StreamMessage,
  createMemoryHub,
  eventSubject,
  judgeStreamMessage,
  podsOnNodeSubject,
  streamCodec,
} from "@trireme/bus";
import { silentLogger } from "@trireme/telemetry";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ADMIN, type Fixture, podNamed, startPipeline } from "../fixture.ts";
import { Relay } from "./relay.ts";

const hub = createMemoryHub();
let clock: ManualClock;
let fixture: Fixture;
const relays: Relay[] = [];

beforeEach(async () => {
  clock = new ManualClock(1_000_000);
  fixture = await startPipeline();
});
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.stop();
  await fixture.stop();
});

async function startRelay(name: string, on = fixture): Promise<Relay> {
  const { pipeline, cache } = on;
  const relay = new Relay({
    pipeline,
    cache,
    bus: hub.connect(),
    clock,
    log: silentLogger,
    name,
    resources: RESOURCES,
  });
  relays.push(relay);
  relay.start();
  return relay;
}

function listen(subject: string): StreamMessage[] {
  const heard: StreamMessage[] = [];
  hub.connect().subscribe(subject, (payload) => {
    const message = streamCodec.decode(payload);
    if (message !== undefined) heard.push(message);
  });
  return heard;
}

/** Waits, in real time, until the condition holds: elections and caches run on promises. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    hub.deliver();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(condition()).toBe(true);
}

const events = (heard: readonly StreamMessage[]) => heard.filter((one) => one.kind === "event");

describe("the relay", () => {
  it("publishes each change once, densely numbered, with its object", async () => {
    const pods = listen(eventSubject(PODS));
    await startRelay("server1");
    await until(() => pods.length > 0);
    await fixture.create(podNamed("a"));
    const merge = { type: "merge", body: { metadata: { labels: { x: "1" } } } } as const;
    const at = { resource: PODS as (typeof RESOURCES)[number], namespace: "default", name: "a" };
    await fixture.pipeline.patch(ADMIN, at, merge);
    await fixture.pipeline.delete(ADMIN, at, {});
    await until(() => events(pods).length === 3);
    expect(events(pods)).toMatchObject([
      { type: "ADDED", seq: 1, key: "default/a", object: { kind: "Pod", metadata: { name: "a" } } },
      { type: "MODIFIED", seq: 2, object: { metadata: { labels: { x: "1" } } } },
      { type: "DELETED", seq: 3, key: "default/a" },
    ]);
    clock.advance(1000);
    await until(() => pods.at(-1)?.kind === "bookmark");
    expect(pods.at(-1)).toMatchObject({ seq: 3, revision: events(pods).at(-1)!.revision, atRevision: 1 });
    let position = { epoch: pods[0]!.epoch, seq: pods[0]!.seq };
    for (const message of pods.slice(1)) {
      expect(["next", "current"]).toContain(judgeStreamMessage(position, message));
      position = { epoch: message.epoch, seq: message.seq };
    }
  });

  it("tells a node of its own pods alone, from the binding on", async () => {
    const mine = listen(podsOnNodeSubject("node1"));
    const other = listen(podsOnNodeSubject("node2"));
    await fixture.create({ apiVersion: "v1", kind: "Node", metadata: { name: "node1" } });
    await fixture.create({ apiVersion: "v1", kind: "Node", metadata: { name: "node2" } });
    await startRelay("server1");
    await until(() => mine.length > 0 && other.length > 0);
    await fixture.create(podNamed("p"));
    await fixture.pipeline.bindAll(ADMIN, [{ namespace: "default", pod: "p", uid: "", node: "node1" }]);
    await until(() => events(mine).length === 1);
    expect(events(mine)).toMatchObject([
      { type: "MODIFIED", key: "default/p", object: { spec: { nodeName: "node1" } } },
    ]);
    expect(events(other)).toEqual([]);
  });

  it("never publishes what a Secret holds", async () => {
    const secrets = listen(eventSubject(SECRETS));
    await startRelay("server1");
    await until(() => secrets.length > 0);
    await fixture.create({ apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, data: { a: "Yg==" } } as never);
    await until(() => events(secrets).length === 1);
    expect(events(secrets)[0]).not.toHaveProperty("object");
  });

  it("is one at a time; a successor's epoch is greater", async () => {
    const maps = listen(eventSubject(CONFIGMAPS));
    const first = await startRelay("server1");
    await until(() => maps.length > 0);
    const second = await startPipeline(fixture.store);
    await startRelay("server2", second);
    await fixture.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } });
    await until(() => events(maps).length === 1);
    await first.stop();
    const before = new Set(maps.map((one) => one.epoch));
    expect(before.size).toBe(1);
    for (let i = 0; i < 5; i++) {
      clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(() => new Set(maps.map((one) => one.epoch)).size === 2);
    expect(Number(maps.at(-1)!.epoch)).toBeGreaterThan(Number([...before][0]));
    for (const relay of relays.splice(0)) await relay.stop();
    second.cache.stop();
  });
});
