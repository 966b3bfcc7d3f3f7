import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyConfChange, isJoint, membersOf } from "./conf-change.ts";
import { decodeConfChange, encodeConfChange } from "./conf-change-codec.ts";
import { quorumIndex, quorumVote } from "./quorum.ts";
import type { ConfChange, ConfState, NodeId } from "./types.ts";

const operation = fc.record({
  op: fc.constantFrom("addVoter", "addLearner", "remove"),
  id: fc.bigInt({ min: 1n, max: 6n }),
});
const change: fc.Arbitrary<ConfChange> = fc.record({
  transition: fc.constantFrom("auto", "jointImplicit", "jointExplicit"),
  operations: fc.array(operation, { maxLength: 4 }),
  context: fc.uint8Array({ maxLength: 4 }),
});
const START: ConfState = { voters: [1n, 2n, 3n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

/** Every subset of the members that is a quorum. */
function quorums(conf: ConfState): Set<NodeId>[] {
  const members = membersOf(conf);
  const subsets = Array.from({ length: 2 ** members.length }, (_, mask) => members.filter((_id, i) => (mask >> i) & 1));
  return subsets.map((ids) => new Set(ids)).filter((ids) => quorumVote(conf, (id) => ids.has(id)) === "won");
}

describe("membership changes", () => {
  it("survive encoding", () => {
    fc.assert(
      fc.property(change, (value) => {
        expect(decodeConfChange(encodeConfChange(value))).toEqual(value);
      }),
    );
  });

  it("never make two configurations whose quorums could both decide", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        let conf = START;
        for (const next of changes) {
          const result = applyConfChange(conf, next);
          if ("refused" in result) continue;
          for (const a of quorums(conf)) {
            for (const b of quorums(result.conf)) expect([...a].some((id) => b.has(id))).toBe(true);
          }
          conf = result.conf;
          expect(conf.voters.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("use one step for one voter and a joint configuration for more", () => {
    const apply = (operations: ConfChange["operations"]): ConfState => {
      const result = applyConfChange(START, { transition: "auto", operations, context: new Uint8Array(0) });
      if ("refused" in result) throw new Error(result.refused);
      return result.conf;
    };
    expect(isJoint(apply([{ op: "addVoter", id: 4n }]))).toBe(false);
    expect(isJoint(apply([{ op: "addLearner", id: 3n }]))).toBe(false);
    const joint = apply([
      { op: "addVoter", id: 4n },
      { op: "addLearner", id: 3n },
    ]);
    expect(joint).toEqual({
      voters: [1n, 2n, 4n],
      learners: [],
      votersOutgoing: [1n, 2n, 3n],
      learnersNext: [3n],
      autoLeave: true,
    });
  });

  it("are refused when they leave no voter", () => {
    const operations = START.voters.map((id) => ({ op: "remove" as const, id }));
    expect(applyConfChange(START, { transition: "auto", operations, context: new Uint8Array(0) })).toHaveProperty(
      "refused",
    );
  });
});

describe("quorumIndex", () => {
  it("is what a majority of both halves has reached", () => {
    const acked = new Map([
      [1n, 10],
      [2n, 7],
      [3n, 5],
      [4n, 3],
    ]);
    const at = (id: NodeId): number => acked.get(id) ?? 0;
    expect(quorumIndex({ voters: [1n, 2n, 3n], votersOutgoing: [] }, at)).toBe(7);
    expect(quorumIndex({ voters: [1n, 2n, 3n, 4n], votersOutgoing: [] }, at)).toBe(5);
    expect(quorumIndex({ voters: [1n, 2n, 3n], votersOutgoing: [3n, 4n] }, at)).toBe(3);
  });
});
