import type { NodeId } from "./types.ts";

/** How a vote stands. */
export type VoteResult = "won" | "lost" | "pending";

/** The highest value that a majority has reached; an empty half of a configuration constrains nothing. */
function majorityIndex(voters: readonly NodeId[], acked: (id: NodeId) => number): number {
  if (voters.length === 0) return Number.MAX_SAFE_INTEGER;
  const values = voters.map(acked).sort((a, b) => b - a);
  return values[Math.floor(voters.length / 2)]!;
}

function majorityVote(voters: readonly NodeId[], votes: (id: NodeId) => boolean | undefined): VoteResult {
  if (voters.length === 0) return "won";
  let granted = 0;
  let missing = 0;
  for (const id of voters) {
    const vote = votes(id);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  const needed = Math.floor(voters.length / 2) + 1;
  if (granted >= needed) return "won";
  return granted + missing >= needed ? "pending" : "lost";
}

/** The voters of a configuration; while it is joint, both halves must agree (Raft thesis 4.3). */
export interface Voters {
  readonly voters: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
}

/** The highest value that the quorum has reached, by each voter's acknowledged value. */
export function quorumIndex(conf: Voters, acked: (id: NodeId) => number): number {
  return Math.min(majorityIndex(conf.voters, acked), majorityIndex(conf.votersOutgoing, acked));
}

/** The state of a vote among the voters of `conf`. */
export function quorumVote(conf: Voters, votes: (id: NodeId) => boolean | undefined): VoteResult {
  const incoming = majorityVote(conf.voters, votes);
  const outgoing = majorityVote(conf.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}
