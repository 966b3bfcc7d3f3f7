// Goal: the oracle of F7 finds who campaigns against a leader that is heard, and nobody else. Method: three members by hand,
// of which 1 leads term 2 and is heard by 2; 3 campaigns.
import { describe, expect, it } from "vitest";
import { Stability } from "./stability.ts";

const VOTERS = [1n, 2n, 3n];
const LEADER = { id: 1n, life: 1 };

/** Member 2 hears the leader every 100 ms for eight seconds. */
function heard(): Stability {
  const stability = new Stability();
  for (let now = 0; now <= 8000; now += 100) stability.hears(2n, 1, 2, LEADER, now);
  return stability;
}

/** Member 3 campaigns, 400 ms after the leader was heard last, unless said otherwise. */
function campaign(stability: Stability, now = 8400, lifeOf: (id: bigint) => number | undefined = () => 1): () => void {
  const leaderOf = (term: number): bigint | undefined => (term === 2 ? LEADER.id : undefined);
  return () => stability.campaigns({ id: 3n, term: 2, voters: VOTERS }, leaderOf, lifeOf, now);
}

describe("F7", () => {
  it("is violated by who campaigns while a majority hears its leader, the leader itself included", () => {
    expect(campaign(heard())).toThrow("F7: 3 begins term 3 while 2 of 3 voters hear their leader");
  });

  it("holds once the leader is not heard, or its process is gone", () => {
    expect(campaign(heard(), 8800)).not.toThrow();
    expect(campaign(heard(), 8400, (id) => (id === LEADER.id ? 2 : 1))).not.toThrow();
    expect(campaign(heard(), 8400, (id) => (id === LEADER.id ? undefined : 1))).not.toThrow();
  });

  it("holds when the leader has stepped down by itself: it helps to elect another one (seed 1481 at 757b0e1)", () => {
    const stability = heard();
    stability.stepsDown(2);
    expect(campaign(stability)).not.toThrow();
  });
});
