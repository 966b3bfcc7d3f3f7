import type { Core } from "./core.ts";
import { NONE } from "./types.ts";
import type { NodeId, ReadIndexMessage, ReadIndexRespMessage, ReadIndexResult } from "./types.ts";

/** A read that got no answer for an election timeout is dropped: its caller asks anew, and nothing leaks. */
function deadline(core: Core): number {
  return core.ticks + core.config.electionTicks;
}

function pendingReads(core: Core): number {
  return core.reads.size + core.earlyReads.length + core.forwardedReads.size;
}

/** Begins a read of this member's own. */
export function beginRead(core: Core): ReadIndexResult {
  if (core.leader === NONE) return { kind: "refused", reason: "noLeader" };
  if (pendingReads(core) >= core.config.maxPendingReads) return { kind: "refused", reason: "tooManyReads" };
  const id = core.nextReadId();
  if (core.role === "leader") {
    queueRead(core, id, core.id);
  } else {
    core.forwardedReads.set(id, deadline(core));
    core.send({ type: "readIndex", to: core.leader, term: 0, readId: id });
  }
  return { kind: "waiting", id };
}

/** Leader: a follower asks. At the bound the request is dropped: the follower's deadline tells its caller. */
export function handleReadIndex(core: Core, message: ReadIndexMessage): void {
  if (core.role !== "leader" || pendingReads(core) >= core.config.maxPendingReads) return;
  queueRead(core, message.readId, message.from);
}

function queueRead(core: Core, id: bigint, from: NodeId): void {
  if (core.committedInTerm) core.reads.add({ id, from, index: core.log.committed }, deadline(core));
  else core.earlyReads.push({ id, from, deadline: deadline(core) });
}

/** Once per Ready: one heartbeat round for all reads that gathered. */
export function flushReads(core: Core): void {
  if (!core.reads.wantsRound) return;
  core.reads.startRound();
  core.broadcastHeartbeat();
  // A leader that is a quorum by itself needs no answer.
  releaseReads(core);
}

/** The first commit of the term happened: the waiting reads get their index and go the usual way. */
export function releaseEarlyReads(core: Core): void {
  if (!core.committedInTerm) return;
  for (const { id, from, deadline: at } of core.earlyReads.splice(0)) {
    core.reads.add({ id, from, index: core.log.committed }, at);
  }
}

/** Answers the reads whose round a quorum has confirmed. */
export function releaseReads(core: Core): void {
  for (const read of core.reads.takeConfirmed(core.conf, core.id)) {
    if (read.from === core.id) core.readStates.push({ id: read.id, index: read.index });
    else core.send({ type: "readIndexResp", to: read.from, readId: read.id, index: read.index });
  }
}

/** Follower: the leader answered. An id that is not waited for any more (dropped, or of an earlier life) is ignored. */
export function handleReadIndexResp(core: Core, message: ReadIndexRespMessage): void {
  if (core.forwardedReads.delete(message.readId)) {
    core.readStates.push({ id: message.readId, index: message.index });
  }
}

/** Drops reads whose deadline has passed. */
export function expireReads(core: Core): void {
  for (const read of core.reads.takeExpired(core.ticks)) if (read.from === core.id) core.readsDropped.push(read.id);
  while (core.earlyReads[0] !== undefined && core.earlyReads[0].deadline <= core.ticks) {
    const read = core.earlyReads.shift()!;
    if (read.from === core.id) core.readsDropped.push(read.id);
  }
  for (const [id, at] of core.forwardedReads) {
    if (at > core.ticks) break;
    core.forwardedReads.delete(id);
    core.readsDropped.push(id);
  }
}
