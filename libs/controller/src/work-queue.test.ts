import { describe, expect, it } from "vitest";
import { WorkQueue } from "./work-queue.ts";

const BACKOFF = { baseMs: 10, maxMs: 1000 };

describe("WorkQueue", () => {
  it("hands a key out once however often it is added, in the order of first addition", () => {
    const queue = new WorkQueue(BACKOFF);
    for (const key of ["a", "b", "a", "a"]) queue.add(key, 0);
    expect([queue.take(5), queue.take(5), queue.take(5)]).toEqual([
      { key: "a", waitedMs: 5 },
      { key: "b", waitedMs: 5 },
      undefined,
    ]);
  });

  it("never hands out a key that is being worked on; what was added meanwhile comes afterwards", () => {
    const queue = new WorkQueue(BACKOFF);
    queue.add("a", 0);
    queue.take(0);
    queue.add("a", 1);
    queue.addAfter("a", 1, 1);
    expect(queue.take(10)).toBeUndefined();
    queue.succeeded("a", 10);
    expect(queue.take(10)).toEqual({ key: "a", waitedMs: 9 });
    queue.succeeded("a", 11);
    expect(queue.take(100)).toBeUndefined();
  });

  it("doubles the back-off of a key that fails in a row, up to its bound, and forgets it on success", () => {
    const queue = new WorkQueue(BACKOFF);
    let now = 0;
    const pauses: number[] = [];
    queue.add("a", now);
    for (let i = 0; i < 9; i++) {
      expect(queue.take(now)?.key).toBe("a");
      const pause = queue.failed("a", now);
      pauses.push(pause);
      expect(queue.take(now + pause - 1)).toBeUndefined();
      expect(queue.nextDueAt()).toBe(now + pause);
      now += pause;
    }
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    queue.take(now);
    queue.succeeded("a", now);
    queue.add("a", now);
    queue.take(now);
    expect(queue.failed("a", now)).toBe(10);
  });

  it("looks sooner, but not at once, at a key that failed and changed", () => {
    const queue = new WorkQueue({ baseMs: 1000, maxMs: 1000 });
    queue.add("a", 0);
    queue.take(0);
    queue.failed("a", 0);
    queue.add("a", 10);
    expect([queue.take(109), queue.take(110)?.key]).toEqual([undefined, "a"]);
    queue.add("a", 120);
    queue.failed("a", 130);
    expect([queue.take(229), queue.take(230)?.key]).toEqual([undefined, "a"]);
  });

  it("keeps the earliest of several later times, and a requeue after success", () => {
    const queue = new WorkQueue(BACKOFF);
    queue.addAfter("a", 100, 0);
    queue.addAfter("a", 50, 0);
    queue.addAfter("a", 200, 0);
    expect([queue.take(49), queue.take(50)?.key]).toEqual([undefined, "a"]);
    queue.succeeded("a", 60, 40);
    expect([queue.take(99), queue.take(100)?.key, queue.nextDueAt()]).toEqual([undefined, "a", undefined]);
    queue.gaveUp("a", 110);
    expect(queue.take(100_000)).toBeUndefined();
  });
});
