import { describe, expect, it } from "vitest";
import { BoundedQueue, ManualClock, TriremeError, assert, createPrng, errorFrom, hasCode } from "./index.ts";

describe("assert", () => {
  it("throws with the sentence it was given", () => {
    expect(() => assert(1 + 1 === 3, "two and one make three")).toThrow("two and one make three");
  });
});

describe("errorFrom", () => {
  it("passes our errors through, also those of another copy of the class", () => {
    const ours = new TriremeError("NotFound", 'pods "a" not found');
    expect(errorFrom(ours)).toBe(ours);
    const copy = Object.assign(new Error("gone"), { name: "TriremeError", code: "Gone", details: {} });
    expect(errorFrom(copy).code).toBe("Gone");
    expect(hasCode(copy, "Gone")).toBe(true);
  });

  it("wraps anything else and keeps the cause", () => {
    const cause = new Error("boom");
    const wrapped = errorFrom(cause);
    expect([wrapped.code, wrapped.message, wrapped.cause]).toEqual(["InternalError", "boom", cause]);
  });
});

describe("ManualClock", () => {
  it("runs callbacks in order of time and includes those scheduled on the way", () => {
    const clock = new ManualClock();
    const seen: string[] = [];
    clock.after(20, () => seen.push("b"));
    clock.after(10, () => {
      seen.push("a");
      clock.after(5, () => seen.push("a2"));
    });
    const cancel = clock.after(12, () => seen.push("never"));
    cancel();
    clock.advance(20);
    expect(seen).toEqual(["a", "a2", "b"]);
  });
});

describe("BoundedQueue", () => {
  it("refuses at the bound and keeps order through compaction", () => {
    const queue = new BoundedQueue<number>(100);
    const out: number[] = [];
    for (let i = 0; i < 300; i++) {
      expect(queue.push(i)).toBe(true);
      if (i % 3 !== 0) out.push(queue.shift()!);
      if (i % 3 === 0 && queue.size > 50) out.push(queue.shift()!);
    }
    while (queue.size > 0) out.push(queue.shift()!);
    expect(out).toEqual(Array.from({ length: 300 }, (_, i) => i));
    const full = new BoundedQueue<number>(1);
    full.push(1);
    expect(full.push(2)).toBe(false);
  });
});

describe("createPrng", () => {
  it("tells the same story for the same seed", () => {
    const a = createPrng(7);
    const b = createPrng(7);
    expect([a.next(), a.int(1, 6)]).toEqual([b.next(), b.int(1, 6)]);
  });
});
