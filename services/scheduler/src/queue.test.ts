import type { Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { INITIAL_BACKOFF_MS, SchedulingQueue, UNSCHEDULABLE_RETRY_MS } from "./queue.ts";

function pod(name: string, spec: Partial<Pod["spec"]> = {}, uid = name): Pod {
  return { metadata: { name, namespace: "ns", uid }, spec: { containers: [], ...spec } };
}

function popName(queue: SchedulingQueue, now: number): string | undefined {
  return queue.pop(now)?.metadata.name;
}

describe("SchedulingQueue", () => {
  it("serves by priority, then in order of arrival", () => {
    const queue = new SchedulingQueue();
    for (const one of [pod("a"), pod("b"), pod("urgent", { priority: 10 })]) queue.add(one);
    expect([popName(queue, 0), popName(queue, 0), popName(queue, 0), popName(queue, 0)]).toEqual([
      "urgent",
      "a",
      "b",
      undefined,
    ]);
  });

  it("never serves a pod twice at once, and adding it again while in flight changes nothing", () => {
    const queue = new SchedulingQueue();
    queue.add(pod("a"));
    queue.pop(0);
    queue.add(pod("a"));
    expect(popName(queue, 0)).toBeUndefined();
    queue.remove("ns/a");
    expect(queue.size).toBe(0);
  });

  it("keeps an unschedulable pod until the cluster changes, its spec changes, or a minute passes", () => {
    const refused = (): SchedulingQueue => {
      const queue = new SchedulingQueue();
      queue.add(pod("a"));
      queue.pop(0);
      queue.failed("ns/a", true, 0);
      return queue;
    };
    expect(popName(refused(), UNSCHEDULABLE_RETRY_MS - 1)).toBeUndefined();
    expect(popName(refused(), UNSCHEDULABLE_RETRY_MS)).toBe("a");
    const moved = refused();
    moved.clusterChanged(1);
    expect(popName(moved, 1)).toBeUndefined();
    expect(moved.nextReadyAt()).toBe(INITIAL_BACKOFF_MS);
    expect(popName(moved, INITIAL_BACKOFF_MS)).toBe("a");
    const changed = refused();
    changed.add(pod("a", { nodeSelector: { disk: "ssd" } }));
    expect(popName(changed, 1)).toBe("a");
    const statusOnly = refused();
    statusOnly.add({ ...pod("a"), status: { phase: "Pending" } });
    expect(popName(statusOnly, 1)).toBeUndefined();
  });

  it("does not lose a change that happened during the attempt", () => {
    const queue = new SchedulingQueue();
    queue.add(pod("a"));
    queue.pop(0);
    queue.clusterChanged(0);
    queue.failed("ns/a", true, 0);
    expect(queue.nextReadyAt()).toBe(INITIAL_BACKOFF_MS);
  });

  it("backs off longer each time, up to a bound", () => {
    const queue = new SchedulingQueue();
    queue.add(pod("a"));
    const waits: number[] = [];
    let now = 0;
    for (let i = 0; i < 10; i++) {
      expect(popName(queue, now)).toBe("a");
      queue.failed("ns/a", false, now);
      waits.push(queue.nextReadyAt()! - now);
      now = queue.nextReadyAt()!;
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
  });

  it("treats a pod of the same name in another life as new", () => {
    const queue = new SchedulingQueue();
    queue.add(pod("a"));
    queue.pop(0);
    queue.failed("ns/a", true, 0);
    queue.add(pod("a", {}, "second-life"));
    expect(queue.pop(1)?.metadata.uid).toBe("second-life");
  });
});
