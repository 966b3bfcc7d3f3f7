import { describe, expect, it } from "vitest";
import { UNKNOWN_CULPRIT, decideCulprits } from "./corruption.ts";

describe("whose data differ", () => {
  it.each([
    ["all agree", [7, 7, 7], 3, []],
    ["one differs", [7, 8, 7], 3, [2n]],
    ["the one who asks differs", [8, 7, 7], 3, [1n]],
    ["two of five differ, each in its own way", [7, 8, 7, 9, 7], 5, [2n, 4n]],
    ["one differs while another is away", [7, 8, 7], 5, [UNKNOWN_CULPRIT]],
    ["two differ, and nobody can say who is right", [7, 8], 3, [UNKNOWN_CULPRIT]],
    ["all differ", [7, 8, 9], 3, [UNKNOWN_CULPRIT]],
    ["one alone", [7], 1, []],
    ["nobody else answers", [7], 3, []],
  ])("%s", (_what, hashes, voters, expected) => {
    const byId = new Map(hashes.map((hash, at): [bigint, number] => [BigInt(at + 1), hash]));
    expect(decideCulprits(byId, voters)).toEqual(expected);
  });
});
