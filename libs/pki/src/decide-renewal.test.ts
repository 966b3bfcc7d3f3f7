import { describe, expect, it } from "vitest";
import { decideRenewal } from "./decide-renewal.ts";

const HOUR = 3_600_000;
const year = { fromMs: 0, toMs: 365 * 24 * HOUR };
const day = { fromMs: 0, toMs: 24 * HOUR };

describe("a renewal", () => {
  it("comes after two thirds of a life, each kind by itself", () => {
    expect(decideRenewal([year], [day], 15 * HOUR)).toMatchObject({ certificates: false, bus: false });
    expect(decideRenewal([year], [day], 16 * HOUR)).toMatchObject({ certificates: false, bus: true });
    expect(decideRenewal([year], [], 244 * 24 * HOUR)).toMatchObject({ certificates: true, bus: false });
  });

  it("is due for whichever ends first, and for what has ended", () => {
    expect(decideRenewal([year, day], [], 20 * HOUR).certificates).toBe(true);
    expect(decideRenewal([], [day], 400 * HOUR).bus).toBe(true);
  });

  it("is looked for when the first is due, and each hour at least", () => {
    const short = { fromMs: 0, toMs: 90_000 };
    expect(decideRenewal([year], [day], 15.5 * HOUR).lookInMs).toBe(HOUR / 2);
    expect(decideRenewal([year], [short], 20_000).lookInMs).toBe(40_000);
    expect(decideRenewal([year], [], 0).lookInMs).toBe(HOUR);
    expect(decideRenewal([], [], 0).lookInMs).toBe(HOUR);
  });

  it("is tried again the sooner the less is left, but not without a pause", () => {
    expect(decideRenewal([], [day], 16 * HOUR).lookInMs).toBe(0.8 * HOUR);
    expect(decideRenewal([], [day], 23 * HOUR).lookInMs).toBe(HOUR / 10);
    expect(decideRenewal([], [day], 24 * HOUR - 1).lookInMs).toBe(10_000);
    expect(decideRenewal([], [day], 400 * HOUR).lookInMs).toBe(10_000);
  });

  it("is tried again soon after a failure, and four times later after each further one", () => {
    const waits = [1, 2, 3, 4, 20].map((failures) => decideRenewal([], [day], 16 * HOUR, failures).lookInMs);
    expect(waits).toEqual([2000, 8000, 32_000, 128_000, 0.8 * HOUR]);
    expect(decideRenewal([year], [], 0, 1).lookInMs).toBe(HOUR);
  });
});
