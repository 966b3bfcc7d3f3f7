import { expect, it } from "vitest";
import { COUNTED, Coverage } from "./coverage.ts";

it("misses what never happened, what is rare only in a campaign that should have seen it", () => {
  const coverage = new Coverage();
  expect(coverage.missing(99)).toEqual([]);
  expect(coverage.missing(100)).toEqual(COUNTED.filter((what) => what !== "torn tails"));
  expect(coverage.missing(500)).toEqual(COUNTED);
  for (const what of COUNTED) coverage.add(what);
  expect(coverage.missing(500)).toEqual([]);
});
