import { assert } from "@trireme/base";
import type { Core } from "./core.ts";
import { isVoter } from "./conf-change.ts";
import { entriesBytes } from "./log.ts";
import type { Progress } from "./progress.ts";
import { NONE } from "./types.ts";
import type { AppRespMessage, HeartbeatRespMessage, NodeId } from "./types.ts";
import { releaseEarlyReads, releaseReads } from "./reads.ts";

/** Sends the appends that are due. Called once per Ready, so that everything that gathered shares one message. */
export function flushAppends(core: Core): void {
  for (const [to, evenEmpty] of core.appendsDue) {
    if (!sendAppend(core, to, evenEmpty)) continue;
    while (sendAppend(core, to, false));
  }
  core.appendsDue.clear();
}

/** Sends one append (or the snapshot's name) to `to` if flow control allows. False when nothing was sent. */
function sendAppend(core: Core, to: NodeId, evenEmpty: boolean): boolean {
  const progress = core.progress.get(to);
  if (progress === undefined || progress.isPaused) return false;
  const { log } = core;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined) return sendSnapshot(core, to, progress);
  // A full window still lets an *empty* append through: were all messages in it lost, its refusal restarts the flow (B25).
  const open = progress.state !== "replicate" || !progress.windowFull;
  const entries = open ? log.slice(prevIndex + 1, log.last, core.config.maxMessageBytes) : [];
  if (entries.length === 0 && !evenEmpty) return false;
  core.send({ type: "app", to, prevIndex, prevTerm, entries, commit: log.committed });
  progress.sentAppend(entries.length, entriesBytes(entries), log.committed);
  return true;
}

function sendSnapshot(core: Core, to: NodeId, progress: Progress): boolean {
  // A member that is not heard would only hold resources of the stream.
  if (!progress.recentActive) return false;
  const { snapshot } = core.log;
  assert(snapshot.index >= core.log.offset, "the snapshot covers what is compacted");
  core.send({ type: "snap", to, snapshot });
  progress.becomeSnapshot(snapshot.index);
  return true;
}

/** A follower acknowledged or refused an append. */
export function handleAppResp(core: Core, message: AppRespMessage): void {
  const { from } = message;
  const progress = core.progress.get(from);
  if (progress === undefined) return;
  progress.recentActive = true;
  if (message.reject) {
    const { hintIndex, hintTerm } = message;
    // Skip whole terms on both sides: at most one probe for each term that differs.
    const probe = hintTerm > 0 ? core.log.conflictHint(hintIndex, hintTerm).index : hintIndex;
    if (!progress.maybeDecrement(message.index, probe)) return;
    if (progress.state === "replicate") progress.becomeProbe();
    core.appendDue(from, true);
    return;
  }
  acknowledge(core, from, progress, message.index);
}

/** `from` holds everything up to `index` durably: the window, the commit index and a transfer may move on. */
export function acknowledge(core: Core, from: NodeId, progress: Progress, index: number): void {
  assert(index <= core.log.last, `member ${from} acknowledged entry ${index} which this leader never had`);
  const news = progress.maybeUpdate(index);
  if (!news && !(progress.match === index && progress.state === "probe")) return;
  if (progress.state === "probe") {
    progress.becomeReplicate();
  } else if (progress.state === "snapshot") {
    // Whatever it applied, if the log reaches on from there the snapshot is no longer waited for.
    if (progress.match >= core.log.offset) progress.becomeReplicate();
  } else {
    progress.free(index);
  }
  if (core.maybeCommit()) {
    releaseEarlyReads(core);
    for (const [id, each] of core.progress) if (id !== core.id) core.commitDue(id, each);
  } else if (from !== core.id && progress.sentCommit < core.log.committed) {
    core.commitDue(from, progress);
  }
  if (from === core.id) return;
  core.appendDue(from, false);
  if (from === core.transferTarget && progress.match === core.log.last) core.send({ type: "timeoutNow", to: from });
}

/** A follower lives: the flow to it may go on, and reads of that round are one answer closer. */
export function handleHeartbeatResp(core: Core, message: HeartbeatRespMessage): void {
  const progress = core.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentActive = true;
  progress.paused = false;
  if (progress.match < core.log.last || progress.state === "probe") core.appendDue(message.from, true);
  core.reads.acknowledge(message.from, message.readSeq);
  releaseReads(core);
}

/** Begins to hand leadership to `target`; a second request for another target replaces the first. */
export function startTransfer(core: Core, target: NodeId): void {
  const progress = core.progress.get(target);
  if (progress === undefined || !isVoter(core.conf, target)) return;
  if (target === core.id || target === core.transferTarget) return;
  core.transferTarget = target;
  core.transferElapsed = 0;
  if (progress.match === core.log.last) core.send({ type: "timeoutNow", to: target });
  else core.appendDue(target, true);
}

/** One tick of a leader: quorum check, transfer deadline, hung storage, heartbeat. */
export function tickLeader(core: Core): void {
  core.electionElapsed += 1;
  core.heartbeatElapsed += 1;
  if (core.transferTarget !== NONE) {
    core.transferElapsed += 1;
    // A target that cannot take over within an election timeout leaves us leader, open for proposals again.
    if (core.transferElapsed >= core.config.electionTicks) core.transferTarget = NONE;
  }
  if (core.electionElapsed >= core.config.electionTicks) {
    core.electionElapsed = 0;
    if (!core.quorumActive()) {
      core.becomeFollower(core.term, NONE);
      return;
    }
    for (const [id, progress] of core.progress) if (id !== core.id) progress.recentActive = false;
  }
  if (core.unackedTicks >= core.config.appendTimeoutTicks) {
    resignOnHungStorage(core);
    return;
  }
  if (core.heartbeatElapsed >= core.config.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    core.broadcastHeartbeat();
  }
}

/** A leader whose disk hangs commits nothing of its own and must not go on heartbeating for ever (B26). */
function resignOnHungStorage(core: Core): void {
  const better = (a: Progress, b: Progress): boolean =>
    a.recentActive === b.recentActive ? a.match > b.match : a.recentActive;
  let best: NodeId = NONE;
  for (const [id, progress] of core.progress) {
    if (id === core.id || !isVoter(core.conf, id)) continue;
    const champion = core.progress.get(best);
    if (champion === undefined || better(progress, champion)) best = id;
  }
  if (best !== NONE) core.send({ type: "timeoutNow", to: best });
  core.becomeFollower(core.term, NONE);
}
