import type { EndpointSlice, Node, Pod } from "@trireme/api";
import { ManualClock } from "@trireme/base";
import { ackCodec, ackSubject, createMemoryHub } from "@trireme/bus";
import type { Change } from "@trireme/controller";
import { silentLogger } from "@trireme/telemetry";
import { expect, it } from "vitest";
import { createDrainer } from "./drainer.ts";

/** The part of an informer that a drainer reads. */
function informerOf<T extends Node | EndpointSlice>(objects: T[]) {
  const listeners = new Set<(change: Change<T>) => void>();
  return {
    hasSynced: true,
    list: () => objects,
    get: (_: string, name: string) => objects.find((one) => one.metadata.name === name),
    onChange: (listener: (change: Change<T>) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    put(object: T) {
      objects.splice(0, objects.length, ...objects.filter((one) => one.metadata.name !== object.metadata.name), object);
      for (const listener of listeners) listener({ type: "modified", key: "", object });
    },
  };
}

const node = (name: string): Node => ({
  metadata: { name },
  status: { conditions: [{ type: "Ready", status: "True" }] },
});
const slice = (revision: number, terminating: boolean): EndpointSlice => ({
  metadata: { name: "web-1", namespace: "default", resourceVersion: String(revision) },
  addressType: "IPv4",
  endpoints: [{ addresses: ["10.0.0.1"], conditions: { terminating }, targetRef: { kind: "Pod", uid: "u" } }],
});
/** The API's acknowledgements, in memory. */
function acksOf(node: string) {
  const followers = new Set<(from: string, applied: Readonly<Record<string, number>>) => void>();
  const written: Readonly<Record<string, number>>[] = [];
  return {
    written,
    followers,
    write: (applied: Readonly<Record<string, number>>) => {
      written.push(applied);
      for (const follower of followers) follower(node, applied);
    },
    follow: (onAck: (from: string, applied: Readonly<Record<string, number>>) => void) => {
      followers.add(onAck);
      return () => followers.delete(onAck);
    },
    stop: () => undefined,
  };
}

const pod: Pod = { metadata: { name: "p", namespace: "default", uid: "u" }, spec: { containers: [] } };

it("lets a pod end once both nodes have acknowledged; without the other's word after two seconds", async () => {
  const clock = new ManualClock();
  const hub = createMemoryHub();
  const slices = informerOf([slice(5, false)]);
  const nodes = informerOf([node("n1"), node("n2")]);
  const ends: string[] = [];
  const drainer = createDrainer({
    node: "n1",
    slices,
    nodes,
    bus: hub.connect(),
    acks: acksOf("n1"),
    clock,
    log: silentLogger,
    onDrained: (seconds, why) => void ends.push(`${why} ${seconds}`),
  });
  const other = hub.connect();
  const ack = (revision: number): void => {
    const applied = { "default/web-1": revision };
    other.publish(ackSubject("proxy", "n2"), ackCodec.encode({ v: 1, node: "n2", applied }));
  };
  drainer.applied(slices.list());
  ack(5);
  await other.flush();

  const first = drainer.drain(pod);
  slices.put(slice(6, true));
  drainer.applied(slices.list());
  expect(ends).toEqual([]);
  // What one node says of another is not believed.
  other.publish(ackSubject("proxy", "n3"), ackCodec.encode({ v: 1, node: "n2", applied: { "default/web-1": 6 } }));
  await other.flush();
  expect(ends).toEqual([]);
  ack(6);
  await other.flush();
  await first;
  expect(ends).toEqual(["acknowledged 0"]);

  slices.put(slice(7, true));
  const second = drainer.drain(pod);
  drainer.applied(slices.list());
  clock.advance(1999);
  expect(ends).toHaveLength(1);
  clock.advance(1);
  await second;
  expect(ends).toEqual(["acknowledged 0", "late 2"]);
  drainer.stop();
});

it("hears of the other node by the API while the bus is away, and writes there only what somebody may wait for", async () => {
  const clock = new ManualClock();
  const hub = createMemoryHub();
  const slices = informerOf([slice(5, false)]);
  const nodes = informerOf([node("n1"), node("n2")]);
  const acks = acksOf("n1");
  const ends: string[] = [];
  const drainer = createDrainer({
    node: "n1",
    slices,
    nodes,
    bus: hub.connect(),
    acks,
    clock,
    log: silentLogger,
    onDrained: (seconds, why) => void ends.push(`${why} ${seconds}`),
  });
  drainer.applied(slices.list());
  slices.put(slice(6, true));
  drainer.applied(slices.list());
  expect(acks.written).toEqual([]);
  // What was published last may be lost with the bus, and is said again.
  hub.setUp(false);
  expect(acks.written).toEqual([{ "default/web-1": 6 }]);
  slices.put(slice(7, false));
  drainer.applied(slices.list());
  slices.put(slice(8, false));
  drainer.applied(slices.list());
  expect(acks.written).toEqual([{ "default/web-1": 6 }, { "default/web-1": 7 }]);

  expect(acks.followers.size).toBe(0);
  const done = drainer.drain(pod);
  slices.put(slice(9, true));
  drainer.applied(slices.list());
  clock.advance(150);
  const [say] = acks.followers;
  say!("n2", { "default/web-1": 8 });
  say!("n3", { "default/web-1": 9 });
  expect(ends).toEqual([]);
  say!("n2", { "default/web-1": 9 });
  await done;
  expect(ends).toEqual(["acknowledged 0.15"]);
  expect(acks.followers.size).toBe(0);
  drainer.stop();
});
