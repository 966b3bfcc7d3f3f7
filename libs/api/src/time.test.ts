import fc from "fast-check";
import { expect, it } from "vitest";
import { formatMicroTime, formatTime, parseTime } from "./time.ts";

it("agrees with the platform's calendar in both directions", () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }), (seconds) => {
      const text = new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
      expect(formatTime(seconds * 1000)).toBe(text);
      expect(parseTime(text)).toBe(seconds * 1000);
    }),
  );
});

it("reads offsets and fractions, and refuses what is no time", () => {
  expect(parseTime("2026-11-22T12:30:00.25+02:30")).toBe(Date.UTC(2026, 10, 22, 10, 0, 0, 250));
  expect(formatMicroTime(Date.UTC(2026, 10, 22, 10, 0, 0, 250))).toBe("2026-11-22T10:00:00.250000Z");
  for (const bad of ["", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22", "2026-11-22T10:00:00"]) {
    expect(parseTime(bad), bad).toBeUndefined();
  }
});
