import type { Event, KubeObject } from "@trireme/api";
import { ManualClock, TriremeError } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { silentLogger } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { createEventRecorder } from "./event-recorder.ts";

const POD: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "ns", uid: "u", resourceVersion: "7" },
};

function world() {
  const clock = new ManualClock(Date.parse("2026-11-22T10:00:00Z"));
  const created: Event[] = [];
  const patched: [string, unknown][] = [];
  const state = { broken: false };
  const resource = () => ({
    create: async (event: Event) => {
      if (state.broken) throw new TriremeError("ServiceUnavailable", "away");
      created.push(event);
    },
    patch: async (name: string, { body }: { body: unknown }) => void patched.push([name, body]),
  });
  const client = { resource } as unknown as ApiClient;
  const recorder = createEventRecorder({ client, component: "test", host: "h", clock, log: silentLogger });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      clock.advance(200);
      for (let turn = 0; turn < 200; turn++) await Promise.resolve();
    }
  };
  return { clock, created, patched, recorder, settle, state };
}

describe("the event recorder", () => {
  it("writes what Kubernetes' tools read", async () => {
    const { created, recorder, settle } = world();
    recorder.normal(POD, "Scheduled", "Successfully assigned ns/a to n1");
    await settle();
    expect(created).toMatchObject([
      {
        metadata: { namespace: "ns" },
        involvedObject: { kind: "Pod", name: "a", namespace: "ns", uid: "u", apiVersion: "v1", resourceVersion: "7" },
        type: "Normal",
        reason: "Scheduled",
        message: "Successfully assigned ns/a to n1",
        source: { component: "test", host: "h" },
        firstTimestamp: "2026-11-22T10:00:00Z",
        lastTimestamp: "2026-11-22T10:00:00Z",
        count: 1,
      },
    ]);
    expect(created[0]!.metadata.name).toMatch(/^a\.[0-9a-f]+$/);
  });

  it("counts a repetition instead of writing it anew", async () => {
    const { created, patched, recorder, settle } = world();
    for (let i = 0; i < 3; i++) {
      recorder.warning(POD, "FailedScheduling", "no room");
      await settle();
    }
    recorder.warning(POD, "FailedScheduling", "other words");
    await settle();
    expect(created).toHaveLength(2);
    expect(patched.map(([name, body]) => [name, (body as { count: number }).count])).toEqual([
      [created[0]!.metadata.name, 2],
      [created[0]!.metadata.name, 3],
    ]);
  });

  it("lets no object flood the store, and others still speak", async () => {
    const { created, recorder, settle } = world();
    for (let i = 0; i < 200; i++) recorder.normal(POD, "Loop", `turn ${i}`);
    recorder.normal({ ...POD, metadata: { name: "b", namespace: "ns", uid: "other" } }, "Quiet", "once");
    await settle();
    expect(created.filter((event) => event.reason === "Loop")).toHaveLength(25);
    expect(created.filter((event) => event.reason === "Quiet")).toHaveLength(1);
  });

  it("never fails, and cuts what is too long", async () => {
    const { created, recorder, settle, state } = world();
    state.broken = true;
    recorder.normal(POD, "Lost", "while the API is away");
    await settle();
    state.broken = false;
    recorder.normal(POD, "Long", "x".repeat(5000));
    await settle();
    expect(created.map((event) => [event.reason, event.message!.length])).toEqual([["Long", 1024]]);
  });

  it("writes an event again whose first writing failed, when it is repeated", async () => {
    const { created, patched, recorder, settle, state } = world();
    state.broken = true;
    recorder.normal(POD, "Again", "words");
    await settle();
    state.broken = false;
    recorder.normal(POD, "Again", "words");
    await settle();
    expect([created.length, patched.length]).toEqual([1, 0]);
  });
});
