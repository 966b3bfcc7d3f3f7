import { describe, expect, it } from "vitest";
import { decideRenewal } from "./decide-renewal.ts";

const HOUR = 3_600_000;
const year = { fromMs: 0, toMs: 365 * 24 * HOUR };
const day = { fromMs: 0, toMs: 24 * HOUR };

describe("a renewal", () => {
  it("comes after two thirds of a life, each kind by itself", () => {
    expect(decideRenewal([year], [day], 15 * HOUR)).toEqual({ certificates: false, bus: false });
    expect(decideRenewal([year], [day], 16 * HOUR)).toEqual({ certificates: false, bus: true });
    expect(decideRenewal([year], [], 244 * 24 * HOUR)).toEqual({ certificates: true, bus: false });
  });

  it("is due for whichever ends first, and for what has ended", () => {
    expect(decideRenewal([year, day], [], 20 * HOUR).certificates).toBe(true);
    expect(decideRenewal([], [day], 400 * HOUR).bus).toBe(true);
  });
});
