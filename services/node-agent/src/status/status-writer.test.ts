import type { Pod, PodStatus } from "@trireme/api";
import { TriremeError, systemClock } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { silentLogger } from "@trireme/telemetry";
import { describe, expect, it } from "vitest";
import { apiStatusSink } from "./status-writer.ts";

const pod = (resourceVersion: string, status: PodStatus = {}): Pod => ({
  metadata: { name: "p", namespace: "default", uid: "u", resourceVersion },
  spec: { containers: [] },
  status,
});
const ready = (status: string): PodStatus => ({ phase: "Running", conditions: [{ type: "Ready", status }] });

/** An API with one pod, which counts writes and can fail them. */
class OnePod {
  now = pod("1", { phase: "Running", conditions: [{ type: "PodScheduled", status: "True" }] });
  writes: PodStatus[] = [];
  fail: TriremeError[] = [];
  readonly client = {
    resource: () => ({
      get: async () => this.now,
      updateStatus: async (object: Pod) => {
        const failure = this.fail.shift();
        if (failure !== undefined) throw failure;
        if (object.metadata.resourceVersion !== this.now.metadata.resourceVersion) {
          throw new TriremeError("Conflict", "modified");
        }
        this.writes.push(object.status!);
        this.now = pod(String(Number(this.now.metadata.resourceVersion) + 1), object.status);
        return this.now;
      },
    }),
  } as unknown as ApiClient;

  sink(seen: () => Pod | undefined = () => this.now) {
    return apiStatusSink({ client: this.client, lookup: seen, clock: systemClock, log: silentLogger });
  }

  async until(count: number): Promise<void> {
    for (let i = 0; i < 200 && this.writes.length < count; i++) await new Promise((r) => setTimeout(r, 5));
    expect(this.writes).toHaveLength(count);
  }
}

describe("apiStatusSink", () => {
  it("writes readiness at once, keeps others' conditions, and writes a burst once", async () => {
    const api = new OnePod();
    const sink = api.sink();
    sink.report(api.now, ready("True"));
    await api.until(1);
    expect(api.writes[0]!.conditions!.map((c) => c.type)).toEqual(["Ready", "PodScheduled"]);
    sink.report(api.now, { ...ready("True"), podIP: "10.0.0.1" });
    sink.report(api.now, { ...ready("True"), podIP: "10.0.0.2" });
    sink.report(api.now, { ...ready("False"), podIP: "10.0.0.3" });
    await api.until(2);
    expect(api.writes[1]!.podIP).toBe("10.0.0.3");
  });

  it("starts again from the object as it is after a conflict, and tries on while the API is away", async () => {
    const api = new OnePod();
    const stale = pod("0");
    api.fail = [new TriremeError("ServiceUnavailable", "away"), new TriremeError("Conflict", "modified")];
    api.sink(() => stale).report(stale, ready("True"));
    await api.until(1);
  });

  it("never writes to another pod of the same name", async () => {
    const api = new OnePod();
    api.now = { ...api.now, metadata: { ...api.now.metadata, uid: "other" } };
    const old = pod("0");
    api.sink(() => undefined).report(old, ready("True"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(api.writes).toEqual([]);
  });
});
