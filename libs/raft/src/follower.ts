import { assert } from "@trireme/base";
import type { Core } from "./core.ts";
import { checked } from "./conf-change.ts";
import type { AppMessage, HeartbeatMessage, SnapMessage, SnapshotMeta } from "./types.ts";

/** Appends what the leader sent, or says where the logs may still agree. */
export function handleApp(core: Core, message: AppMessage): void {
  const { log } = core;
  const { from: to, prevIndex, prevTerm, entries } = message;
  const accept = (index: number): void => {
    core.send({ type: "appResp", to, index, reject: false, hintIndex: 0, hintTerm: 0 });
  };
  // What is committed agrees with every leader: an older append has nothing to add.
  if (prevIndex < log.committed) {
    accept(log.committed);
    return;
  }
  if (log.tryAppend(prevIndex, prevTerm, entries)) {
    const last = prevIndex + entries.length;
    // Only up to `last` do we know that our log is the leader's; behind it may lie an old leader's tail.
    core.commitTo(Math.min(message.commit, last));
    accept(last);
    return;
  }
  const hint = log.conflictHint(Math.min(prevIndex, log.last), prevTerm);
  core.send({ type: "appResp", to, index: prevIndex, reject: true, hintIndex: hint.index, hintTerm: hint.term });
}

/** The heartbeat's commit index is one that we acknowledged, so it can never lie beyond our log. */
export function handleHeartbeat(core: Core, message: HeartbeatMessage): void {
  core.commitTo(message.commit);
  core.send({ type: "heartbeatResp", to: message.from, readSeq: message.readSeq });
}

/** Takes a snapshot whose bytes the shell has received and verified. */
export function handleSnap(core: Core, message: SnapMessage): void {
  const restored = restore(core, message.snapshot);
  const index = restored ? core.log.last : core.log.committed;
  core.send({ type: "appResp", to: message.from, index, reject: false, hintIndex: 0, hintTerm: 0 });
}

function restore(core: Core, snapshot: SnapshotMeta): boolean {
  const { log } = core;
  assert(core.role === "follower", "only a follower takes a snapshot");
  if (snapshot.index <= log.committed) return false;
  if (log.matches(snapshot.index, snapshot.term)) {
    // We have all of it as log entries; that they are in the leader's snapshot proves that they are committed. Replacing
    // the log would drop entries behind it that we may have acknowledged, also while an earlier snapshot is being
    // installed (B14).
    core.commitTo(snapshot.index);
    return false;
  }
  // The membership may lack ourselves: the snapshot may be older than the change that added us, which follows as an entry.
  log.restore(snapshot);
  core.conf = checked(snapshot.conf);
  core.progress.clear();
  core.trackMembers();
  return true;
}
