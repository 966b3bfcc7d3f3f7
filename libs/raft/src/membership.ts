import { isJoint, applyConfChange, isVoter } from "./conf-change.ts";
import { decodeConfChange, encodeConfChange } from "./conf-change-codec.ts";
import type { Core } from "./core.ts";
import { flushAppends } from "./leader.ts";
import { releaseEarlyReads, releaseReads } from "./reads.ts";
import { NONE } from "./types.ts";
import type { ConfChange, Entry, RefusalReason } from "./types.ts";

/** Why a leader may not append this change now, or undefined if it may. */
export function refuseConfChange(core: Core, change: ConfChange): RefusalReason | undefined {
  // One change at a time, and none before the term's first commit: two leaders' changes could otherwise make two
  // quorums that do not meet (Ongaro 2015).
  if (core.pendingConfIndex > core.log.applied || !core.committedInTerm) return "confChangePending";
  if ("refused" in applyConfChange(core.conf, change)) return "invalidConfChange";
  return undefined;
}

/** Puts the changes among entries that were just applied into force. */
export function applyConfEntries(core: Core, entries: readonly Entry[]): void {
  for (const entry of entries) {
    if (entry.type !== "confChange") continue;
    const result = applyConfChange(core.conf, decodeConfChange(entry.data));
    // Every member applies the same change to the same configuration, so all ignore it together.
    if ("refused" in result) continue;
    switchTo(core, result.conf);
  }
}

function switchTo(core: Core, conf: Core["conf"]): void {
  if (core.role === "leader") {
    // Tell the old members, also those that leave now, that the change is committed: without it a remaining voter of
    // two would wait for ever for the vote of the one that left (B24).
    for (const [id, progress] of core.progress) {
      if (id !== core.id) core.appendDue(id, progress.sentCommit < core.log.committed);
    }
    flushAppends(core);
  }
  core.conf = conf;
  core.trackMembers();
  if (core.role !== "leader") return;
  if (!isVoter(conf, core.id)) {
    core.becomeFollower(core.term, NONE);
    return;
  }
  // A smaller quorum may have more entries already; in any case new members are probed without waiting for a heartbeat.
  const advanced = core.maybeCommit();
  core.broadcastAppend(advanced);
  if (advanced) releaseEarlyReads(core);
  releaseReads(core);
  if (core.transferTarget !== NONE && !isVoter(conf, core.transferTarget)) core.transferTarget = NONE;
}

/** Any leader, also a later one, leads the group out of a joint configuration that asks for it. */
export function maybeLeaveJoint(core: Core): void {
  if (core.role !== "leader" || core.transferTarget !== NONE) return;
  if (!isJoint(core.conf) || !core.conf.autoLeave) return;
  const change: ConfChange = { transition: "auto", operations: [], context: new Uint8Array(0) };
  if (refuseConfChange(core, change) !== undefined) return;
  core.pendingConfIndex = core.log.last + 1;
  core.appendAsLeader([{ type: "confChange", data: encodeConfChange(change) }]);
}
