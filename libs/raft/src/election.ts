import type { Core } from "./core.ts";
import { isVoter } from "./conf-change.ts";
import { quorumVote } from "./quorum.ts";
import { NONE } from "./types.ts";
import type { NodeId, VoteMessage, VoteRespMessage } from "./types.ts";

/** `transfer` skips the pre-vote and the voters' loyalty to a live leader: the leader itself asked for it. */
export type CampaignKind = "preVote" | "vote" | "transfer";

/** Whether this member may become leader at all. */
export function isPromotable(core: Core): boolean {
  return isVoter(core.conf, core.id) && core.log.incoming === undefined;
}

/** Starts a campaign, unless this member must not: see {@link isPromotable}, B22 and B27. */
export function campaign(core: Core, kind: CampaignKind): void {
  if (core.role === "leader" || !isPromotable(core)) return;
  // A committed change that is not applied yet means that we would count votes in an outdated configuration (B22).
  const { log } = core;
  if (log.some(log.applied, log.committed, (entry) => entry.type === "confChange")) return;
  // A member that cannot persist would win elections and serve nobody (B27).
  if (core.unackedTicks >= core.config.electionTicks) return;
  if (kind === "preVote") core.becomePreCandidate();
  else core.becomeCandidate();
  const type = kind === "preVote" ? "preVote" : "vote";
  const term = kind === "preVote" ? core.term + 1 : core.term;
  for (const to of new Set([...core.conf.voters, ...core.conf.votersOutgoing])) {
    if (to === core.id) {
      // Our own vote counts when it is durable, like any other.
      core.send({ type: `${type}Resp`, to, term, reject: false });
    } else {
      const { last: lastIndex, lastTerm } = log;
      core.send({ type, to, term, lastIndex, lastTerm, transfer: kind === "transfer" });
    }
  }
}

/** A follower that hears a leader, or has just voted, does not help to depose it. */
export function isLoyal(core: Core): boolean {
  return core.leader !== NONE && core.electionElapsed < core.config.electionTicks;
}

/** Answers a vote or pre-vote. Also a learner does: it may have been promoted without having learned of it yet (B23). */
export function handleVote(core: Core, message: VoteMessage): void {
  const canVote =
    core.vote === message.from ||
    (core.vote === NONE && core.leader === NONE) ||
    (message.type === "preVote" && message.term > core.term);
  const type = `${message.type}Resp` as const;
  if (canVote && core.log.isUpToDate(message.lastIndex, message.lastTerm)) {
    // A pre-vote is granted in the term of the request: ours may be lower, and the asker ignores lower terms.
    core.send({ type, to: message.from, term: message.term, reject: false });
    if (message.type === "vote") {
      core.electionElapsed = 0;
      core.vote = message.from;
    }
  } else {
    core.send({ type, to: message.from, reject: true });
  }
}

/** Counts an answer to our own campaign. */
export function handleVoteResp(core: Core, message: VoteRespMessage): void {
  const asked: NodeId = message.from;
  if (core.role !== (message.type === "preVoteResp" ? "preCandidate" : "candidate")) return;
  // A grant of a pre-vote names the term that we would campaign in; anything else answers an earlier round.
  if (message.type === "preVoteResp" && !message.reject && message.term !== core.term + 1) return;
  if (!core.votes.has(asked)) core.votes.set(asked, !message.reject);
  switch (quorumVote(core.conf, (id) => core.votes.get(id))) {
    case "won":
      if (core.role === "preCandidate") campaign(core, "vote");
      else core.becomeLeader();
      return;
    case "lost":
      core.becomeFollower(core.term, NONE);
      return;
    case "pending":
  }
}
