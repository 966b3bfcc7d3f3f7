import { describe, expect, it } from "vitest";
import { MvccStore, putOp } from "@trireme/mvcc";
import { silentLogger } from "@trireme/telemetry";
import { CorruptionCheck, UNKNOWN_CULPRIT, decideCulprits } from "./corruption.ts";

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

describe("a member that starts", () => {
  /** Three members with three puts each; what the named ones hold at the second differs by a bit. */
  function members(...broken: number[]): CorruptionCheck[] {
    const checks: CorruptionCheck[] = [];
    for (const id of [1, 2, 3]) {
      const store = new MvccStore();
      for (let i = 1; i <= 3; i++)
        store.apply(i, putOp(`k${i}`, Uint8Array.of(broken.includes(id) && i === 2 ? 9 : i)));
      // The third is a little ahead, as the others will be: what is compared lies behind both.
      if (id === 3) store.apply(4, putOp("late", Uint8Array.of(1)));
      checks.push(
        new CorruptionCheck({
          store,
          self: BigInt(id),
          periodMs: 0,
          log: silentLogger,
          ask: async (to, question) => {
            if (question.$case !== "keysHash") throw new Error("another question");
            const { revision, compactRevision } = question.value;
            const hash = await checks[Number(to) - 1]!.hashBetween(Number(revision), Number(compactRevision));
            return { $case: "compactionHash", value: { known: hash !== undefined, hash: hash ?? 0 } };
          },
          isLeader: () => false,
          voters: () => [1n, 2n, 3n],
          raise: () => Promise.resolve(),
          ready: () => Promise.resolve(),
          onSelfDiffers: () => undefined,
        }),
      );
    }
    return checks;
  }

  it("learns whether a majority agrees against it, and does not judge by less", async () => {
    expect(await members()[0]!.differsFromMajority()).toBe(false);
    expect(await members(1)[0]!.differsFromMajority()).toBe(true);
    // It is right itself, whoever else is wrong.
    expect(await members(1)[1]!.differsFromMajority()).toBe(false);
    // Nobody else has got as far yet: they cannot say.
    expect(await members(3)[2]!.differsFromMajority()).toBeUndefined();
  });
});
