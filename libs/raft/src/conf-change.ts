import { assert } from "@trireme/base";
import type { ConfChange, ConfState, NodeId } from "./types.ts";

/** The next configuration, or why the change makes no sense in the present one. */
export type ConfResult = { readonly conf: ConfState } | { readonly refused: string };

interface Draft {
  voters: Set<NodeId>;
  learners: Set<NodeId>;
  learnersNext: Set<NodeId>;
  readonly outgoing: ReadonlySet<NodeId>;
}

/** Whether both the old and the new majority count at the moment. */
export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** Everyone that replicates: voters of both halves and learners, in order of id. */
export function membersOf(conf: ConfState): NodeId[] {
  return sorted(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext]));
}

/** Whether `id` has a vote in either half. */
export function isVoter(conf: ConfState, id: NodeId): boolean {
  return conf.voters.includes(id) || conf.votersOutgoing.includes(id);
}

/**
 * Applies a membership change. Deterministic in (conf, change) alone, so that every member that applies the same entry
 * reaches the same configuration, or ignores it together with all others.
 */
export function applyConfChange(conf: ConfState, change: ConfChange): ConfResult {
  if (change.operations.length === 0) return leaveJoint(conf);
  if (isJoint(conf)) return { refused: "the configuration is joint: it has to be left first" };
  const draft: Draft = {
    voters: new Set(conf.voters),
    learners: new Set(conf.learners),
    learnersNext: new Set(),
    outgoing: new Set(),
  };
  const wanted = change.transition !== "auto";
  for (const operation of change.operations) {
    if (operation.id <= 0n) return { refused: "a member's id is positive" };
  }
  applyOperations(draft, change);
  const joint = wanted || symmetricDifference(new Set(conf.voters), draft.voters) > 1;
  if (draft.voters.size === 0) return { refused: "the change leaves no voter" };
  if (!joint) return { conf: finish(draft, [], false) };
  // Entering a joint configuration needs the old voters kept while the operations run: a voter that turns learner must
  // go on voting in the outgoing half until the configuration is left.
  if (conf.voters.length === 0) return { refused: "a joint configuration needs voters to leave from" };
  const jointDraft: Draft = {
    voters: new Set(conf.voters),
    learners: new Set(conf.learners),
    learnersNext: new Set(),
    outgoing: new Set(conf.voters),
  };
  applyOperations(jointDraft, change);
  return { conf: finish(jointDraft, conf.voters, change.transition !== "jointExplicit") };
}

function applyOperations(draft: Draft, change: ConfChange): void {
  for (const { op, id } of change.operations) {
    if (op === "addLearner" && (draft.learners.has(id) || draft.learnersNext.has(id))) continue;
    draft.voters.delete(id);
    draft.learners.delete(id);
    draft.learnersNext.delete(id);
    if (op === "addVoter") draft.voters.add(id);
    if (op === "addLearner") (draft.outgoing.has(id) ? draft.learnersNext : draft.learners).add(id);
  }
}

function leaveJoint(conf: ConfState): ConfResult {
  if (!isJoint(conf)) return { refused: "the configuration is not joint" };
  return {
    conf: checked({
      voters: conf.voters,
      learners: sorted(new Set([...conf.learners, ...conf.learnersNext])),
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    }),
  };
}

function finish(draft: Draft, outgoing: readonly NodeId[], autoLeave: boolean): ConfState {
  return checked({
    voters: sorted(draft.voters),
    learners: sorted(draft.learners),
    votersOutgoing: [...outgoing],
    learnersNext: sorted(draft.learnersNext),
    autoLeave,
  });
}

/** Asserts what every configuration promises, and hands it back. */
export function checked(conf: ConfState): ConfState {
  for (const id of conf.learners) assert(!isVoter(conf, id), `member ${id} cannot be both learner and voter`);
  for (const id of conf.learnersNext) {
    assert(conf.votersOutgoing.includes(id), `member ${id} becomes a learner later only because it still votes`);
  }
  assert(
    isJoint(conf) || (conf.learnersNext.length === 0 && !conf.autoLeave),
    "only a joint configuration has a way out",
  );
  return conf;
}

function symmetricDifference(a: ReadonlySet<NodeId>, b: ReadonlySet<NodeId>): number {
  let count = 0;
  for (const id of a) if (!b.has(id)) count += 1;
  for (const id of b) if (!a.has(id)) count += 1;
  return count;
}

function sorted(ids: ReadonlySet<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}
