import type { EndpointSlice } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { AppliedSlices } from "./applied-slices.ts";
import type { Drain, DrainSeen, ProxyHeard } from "./drain-step.ts";
import { HEARD_WITHIN_MS, MAX_DRAIN_MS, drainStep, startDrain } from "./drain-step.ts";

const START = 10_000;

function slice(name: string, revision: number, pods: Readonly<Record<string, "in" | "ending">>): EndpointSlice {
  return {
    metadata: { name, namespace: "default", resourceVersion: String(revision) },
    addressType: "IPv4",
    endpoints: Object.entries(pods).map(([uid, state]) => ({
      addresses: ["10.244.0.2"],
      conditions: { ready: state === "in", serving: true, terminating: state === "ending" },
      targetRef: { kind: "Pod", name: uid, uid },
    })),
  };
}

const proxy = (node: string, applied: Record<string, number>, heardAt = START): ProxyHeard => ({
  node,
  heardAt,
  applied: new Map(Object.entries(applied)),
});

/** The verdict as one text. */
function step(drain: Drain, seen: Omit<DrainSeen, "now"> & { now?: number }): { drain: Drain; says: string } {
  const next = drainStep(drain, { now: START, ...seen });
  const { verdict } = next;
  const behind = verdict.type === "go" && verdict.behind.length > 0 ? ` behind ${verdict.behind.join()}` : "";
  const says = verdict.type === "go" ? `go ${verdict.why}${behind}` : `wait ${verdict.until - START}`;
  return { drain: next.drain, says };
}

describe("drainStep", () => {
  const drain = startDrain("p", START);
  const ending = [slice("web-1", 20, { p: "ending", q: "in" })];

  it.each<[string, Omit<DrainSeen, "now"> & { now?: number }, string]>([
    ["in no slice", { slices: [slice("web-1", 20, { q: "in" })], proxies: [proxy("n1", {})] }, "go unlisted"],
    ["slices not read yet", { slices: undefined, proxies: [] }, `wait ${MAX_DRAIN_MS}`],
    [
      "still in rotation, whatever is acknowledged",
      { slices: [slice("web-1", 19, { p: "in" })], proxies: [proxy("n1", { "default/web-1": 99 })] },
      "wait 2000",
    ],
    [
      "one proxy behind",
      { slices: ending, proxies: [proxy("n1", { "default/web-1": 20 }), proxy("n2", { "default/web-1": 19 })] },
      "wait 2000",
    ],
    [
      "all proxies there",
      { slices: ending, proxies: [proxy("n1", { "default/web-1": 20 }), proxy("n2", { "default/web-1": 21 })] },
      "go acknowledged",
    ],
    [
      "a Ready node that is not heard",
      { slices: ending, proxies: [proxy("n1", { "default/web-1": 20 }), proxy("n2", {}, Number.NEGATIVE_INFINITY)] },
      "wait 2000",
    ],
    [
      "a node that was heard too long ago says nothing, whatever it said",
      { slices: ending, proxies: [proxy("n1", { "default/web-1": 20 }, START - HEARD_WITHIN_MS - 1)] },
      "wait 2000",
    ],
    [
      "in two Services, one of them behind",
      {
        slices: [...ending, slice("api-1", 22, { p: "ending" })],
        proxies: [proxy("n1", { "default/web-1": 20 })],
      },
      "wait 2000",
    ],
    [
      "the time is over",
      { slices: ending, proxies: [proxy("n1", { "default/web-1": 20 }), proxy("n2", {})], now: START + MAX_DRAIN_MS },
      "go late behind n2",
    ],
    ["the time is over, nothing read", { slices: undefined, proxies: [], now: START + MAX_DRAIN_MS }, "go late"],
  ])("%s", (_, seen, says) => {
    expect(step(drain, seen).says).toBe(says);
  });

  it("waits for the revision that took the pod out, not for the newest", () => {
    const first = step(drain, { slices: [slice("web-1", 18, { p: "in" })], proxies: [] });
    const second = step(first.drain, { slices: ending, proxies: [proxy("n1", { "default/web-1": 19 })] });
    const newer = [slice("web-1", 25, { p: "ending", r: "in" })];
    expect(second.says).toBe("wait 2000");
    expect(step(second.drain, { slices: newer, proxies: [proxy("n1", { "default/web-1": 20 })] }).says).toBe(
      "go acknowledged",
    );
  });

  it("takes a slice that lists the pod no more, or is gone, for out of rotation", () => {
    const { drain: listed } = step(drain, { slices: [slice("web-1", 18, { p: "in" })], proxies: [] });
    const without = [slice("web-1", 21, {})];
    expect(step(listed, { slices: without, proxies: [proxy("n1", { "default/web-1": 20 })] }).says).toBe("wait 2000");
    expect(step(listed, { slices: without, proxies: [proxy("n1", { "default/web-1": 21 })] }).says).toBe(
      "go acknowledged",
    );
    expect(step(listed, { slices: [], proxies: [proxy("n1", {})] }).says).toBe("go unlisted");
  });
});

describe("AppliedSlices", () => {
  it("tells each change at once, repeats it for three seconds, and forgets slices that are gone", () => {
    const applied = new AppliedSlices();
    expect(applied.take([slice("a", 1, {}), slice("b", 2, {})], 0)).toEqual({ "default/a": 1, "default/b": 2 });
    expect(applied.take([slice("a", 3, {}), slice("b", 2, {})], 2000)).toEqual({ "default/a": 3 });
    expect(applied.acknowledgement(3000)).toEqual({ "default/a": 3, "default/b": 2 });
    expect(applied.acknowledgement(4000)).toEqual({ "default/a": 3 });
    applied.take([slice("b", 2, {})], 4500);
    expect(applied.acknowledgement(4500)).toEqual({});
  });
});
