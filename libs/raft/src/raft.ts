import { assert, assertSafeInteger } from "@trireme/base";
import type { RaftConfig } from "./config.ts";
import { decodeConfChange, encodeConfChange } from "./conf-change-codec.ts";
import { Core } from "./core.ts";
import { campaign, handleVote, handleVoteResp, isLoyal, isPromotable } from "./election.ts";
import { handleApp, handleHeartbeat, handleSnap } from "./follower.ts";
import { acknowledge, flushAppends, handleAppResp, handleHeartbeatResp, startTransfer, tickLeader } from "./leader.ts";
import { entriesBytes } from "./log.ts";
import { applyConfEntries, maybeLeaveJoint, refuseConfChange } from "./membership.ts";
import { beginRead, expireReads, flushReads, handleReadIndex, handleReadIndexResp } from "./reads.ts";
import { NONE } from "./types.ts";
import type {
  ConfChange,
  ConfState,
  EntryType,
  HardState,
  Message,
  NodeId,
  PropMessage,
  ProposeResult,
  ReadIndexResult,
  Ready,
  RefusalReason,
  SnapshotMeta,
  SoftState,
  Status,
  StorageAppend,
} from "./types.ts";

/** Who knows that its leader's process is gone campaigns within this share of an election timeout. */
const GONE_SHARE = 0.3;

/** One member of a Raft group: a synchronous state machine without clock, I/O or randomness of its own. */
export class Raft {
  private readonly core: Core;
  private lastHardState: HardState;
  private lastSoftState: SoftState;
  private writeSeq = 0;

  constructor(config: RaftConfig) {
    this.core = new Core(config);
    this.lastHardState = config.initial.hardState;
    this.lastSoftState = { role: "follower", leader: NONE };
  }

  /** One unit of time passed. */
  tick(): void {
    const { core } = this;
    core.ticks += 1;
    expireReads(core);
    if (core.role === "leader") {
      tickLeader(core);
      maybeLeaveJoint(core);
      return;
    }
    core.electionElapsed += 1;
    if (core.electionElapsed < core.electionTimeout || !isPromotable(core)) return;
    core.electionElapsed = 0;
    campaign(core, "preVote");
  }

  /**
   * A message arrived from another member. Late, lost, doubled and reordered messages are fine, with one exception: a
   * forwarded proposal (`prop`) that comes twice is appended twice, so the transport must not double what it carries.
   */
  step(message: Message): void {
    const { core } = this;
    if (message.to !== core.id || message.from === core.id) return;
    assertSafeInteger(message.term, "message term");
    if (!this.admitTerm(message)) return;
    this.dispatch(message);
  }

  /** The rules on terms that come before any handler. False: the message is answered or ignored. */
  private admitTerm(message: Message): boolean {
    const { core } = this;
    if (message.type === "prop" || message.type === "readIndex" || message.type === "transferLeader") return true;
    if (message.term > core.term) {
      const asksVote = message.type === "vote" || message.type === "preVote";
      if (asksVote && !message.transfer && isLoyal(core)) return false;
      // A pre-vote, asked or granted, speaks of a term that nobody has entered.
      if (message.type === "preVote" || (message.type === "preVoteResp" && !message.reject)) return true;
      const fromLeader = message.type === "app" || message.type === "heartbeat" || message.type === "snap";
      core.becomeFollower(message.term, fromLeader ? message.from : NONE);
      return true;
    }
    if (message.term === core.term) return true;
    if (message.type === "heartbeat" || message.type === "app") {
      // A leader of a lower term must learn ours, or it could never hear us again: we ignore it, and our votes for a
      // newer term are ignored by those who hear it.
      core.send({ type: "appResp", to: message.from, index: 0, reject: false, hintIndex: 0, hintTerm: 0 });
    } else if (message.type === "preVote") {
      // Refused, never dropped: a pre-candidate with a lower term and a longer log has to learn the term.
      core.send({ type: "preVoteResp", to: message.from, reject: true });
    }
    return false;
  }

  private dispatch(message: Message): void {
    const { core } = this;
    switch (message.type) {
      case "vote":
      case "preVote":
        handleVote(core, message);
        return;
      case "voteResp":
      case "preVoteResp":
        handleVoteResp(core, message);
        return;
      case "app":
      case "heartbeat":
      case "snap":
        this.fromLeader(message);
        return;
      case "appResp":
        if (core.role === "leader") handleAppResp(core, message);
        return;
      case "heartbeatResp":
        if (core.role === "leader") handleHeartbeatResp(core, message);
        return;
      case "timeoutNow":
        if (core.role === "follower") campaign(core, "transfer");
        return;
      case "prop":
        this.handleProp(message);
        return;
      case "readIndex":
        handleReadIndex(core, message);
        return;
      case "readIndexResp":
        handleReadIndexResp(core, message);
        return;
      case "transferLeader":
        if (core.role === "leader") startTransfer(core, message.target);
    }
  }

  private fromLeader(message: Message & { type: "app" | "heartbeat" | "snap" }): void {
    const { core } = this;
    assert(core.role !== "leader", `members ${core.id} and ${message.from} both lead term ${core.term}`);
    if (core.role !== "follower") core.becomeFollower(message.term, message.from);
    core.electionElapsed = 0;
    core.leader = message.from;
    if (message.type === "app") handleApp(core, message);
    else if (message.type === "heartbeat") handleHeartbeat(core, message);
    else handleSnap(core, message);
  }

  /** Asks for `data` to be appended to the log; a follower forwards it to its leader. */
  propose(data: Uint8Array): ProposeResult {
    return this.submit("normal", data);
  }

  /** Asks for a membership change; it takes effect when its entry is applied. */
  proposeConfChange(change: ConfChange): ProposeResult {
    return this.submit("confChange", encodeConfChange(change));
  }

  private submit(type: EntryType, data: Uint8Array): ProposeResult {
    const { core } = this;
    if (core.role !== "leader") {
      if (core.leader === NONE) return { kind: "refused", reason: "noLeader" };
      core.send({ type: "prop", to: core.leader, term: 0, entries: [{ type, data }] });
      return { kind: "forwarded", leader: core.leader };
    }
    const reason = this.refuse([{ type, data }]);
    if (reason !== undefined) return { kind: "refused", reason };
    const index = core.log.last + 1;
    if (type === "confChange") {
      core.pendingConfIndex = index;
      core.awaitedIndex = index;
    }
    core.appendAsLeader([{ type, data }]);
    return { kind: "proposed", index, term: core.term };
  }

  private refuse(drafts: PropMessage["entries"]): RefusalReason | undefined {
    const { core } = this;
    if (!core.progress.has(core.id)) return "notMember";
    if (core.transferTarget !== NONE) return "transferring";
    // One proposal always fits into an empty pipe, however large it is.
    const bytes = entriesBytes(drafts);
    if (core.uncommittedBytes > 0 && core.uncommittedBytes + bytes > core.config.maxUncommittedBytes) {
      return "tooManyUncommitted";
    }
    for (const { type, data } of drafts) {
      const reason = type === "confChange" ? refuseConfChange(core, decodeConfChange(data)) : undefined;
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** A forwarded proposal that cannot be taken is dropped: the proposer's deadline tells its client. */
  private handleProp(message: PropMessage): void {
    const { core } = this;
    if (core.role !== "leader") return;
    for (const { type, data } of message.entries) if (type !== "empty") this.submit(type, data);
    core.awaitedIndex = core.log.last;
  }

  /** Begins a linearizable read; the answer comes as a ReadState, or the id in `readsDropped`. */
  readIndex(): ReadIndexResult {
    return beginRead(this.core);
  }

  /** Asks the leader to hand over to `target`. False: no leader known. */
  transferLeadership(target: NodeId): boolean {
    const { core } = this;
    if (core.leader === NONE) return false;
    if (core.role === "leader") startTransfer(core, target);
    else core.send({ type: "transferLeader", to: core.leader, term: 0, target });
    return true;
  }

  /** Campaigns now, by pre-vote, without waiting for a timeout (tests and tools). */
  campaign(): void {
    campaign(this.core, "preVote");
  }

  /** Hands out the work that has gathered, or undefined. The same work is never handed out twice. */
  ready(): Ready | undefined {
    const { core } = this;
    const { log } = core;
    this.releaseFreeAnswers();
    if (core.role === "leader") {
      flushReads(core);
      flushAppends(core);
    }
    const append = this.takeAppend();
    const committedEntries = log.takeCommitted(core.config.maxMessageBytes, core.config.maxApplyingBytes);
    const softState: SoftState = { role: core.role, leader: core.leader };
    const changed = softState.role !== this.lastSoftState.role || softState.leader !== this.lastSoftState.leader;
    this.lastSoftState = softState;
    const { outbox: messages, readStates, readsDropped } = core;
    core.outbox = [];
    core.readStates = [];
    core.readsDropped = [];
    const work = messages.length + committedEntries.length + readStates.length + readsDropped.length;
    if (work === 0 && append === undefined && !changed) return undefined;
    return {
      ...(changed ? { softState } : {}),
      ...(append === undefined ? {} : { append }),
      messages,
      committedEntries,
      readStates,
      readsDropped,
    };
  }

  /** Answers that need no write, because nothing changed and nothing is in flight, leave at once. */
  private releaseFreeAnswers(): void {
    const { core } = this;
    while (core.afterAppend.length > 0 && !this.needsWrite() && core.log.writes.length === 0) {
      const answers = core.afterAppend;
      core.afterAppend = [];
      this.release(answers);
    }
  }

  private needsWrite(): boolean {
    const { core, lastHardState: last } = this;
    const { committed } = core.log;
    return core.log.hasUnstable || core.term !== last.term || core.vote !== last.vote || committed !== last.commit;
  }

  private takeAppend(): StorageAppend | undefined {
    const { core } = this;
    const answers = core.afterAppend;
    core.afterAppend = [];
    if (!this.needsWrite()) {
      // They wait for the last write in flight; there is one, or releaseFreeAnswers had let them go.
      const last = core.log.writes.at(-1);
      assert(answers.length === 0 || last !== undefined, "answers wait for a write");
      last?.messages.push(...answers);
      return undefined;
    }
    const { term, vote, log } = core;
    const hardState: HardState = { term, vote, commit: log.committed };
    const last = this.lastHardState;
    const electionChanged = last.term !== term || last.vote !== vote;
    const hardStateChanged = electionChanged || last.commit !== hardState.commit;
    this.lastHardState = hardState;
    const { entries, snapshot } = log.takeUnstable();
    const seq = ++this.writeSeq;
    const lastIndex = entries.at(-1)?.index ?? 0;
    log.writes.push({ seq, tick: core.ticks, last: lastIndex, snapshot, messages: answers });
    return {
      seq,
      ...(hardStateChanged ? { hardState } : {}),
      ...(snapshot === undefined ? {} : { snapshot }),
      entries,
      mustSync: entries.length > 0 || snapshot !== undefined || electionChanged,
    };
  }

  private release(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.to !== this.core.id) this.core.outbox.push(message);
      // Our own vote; a vote of a campaign that is over is ignored by the same rules as anybody's.
      else if (this.admitTerm(message)) this.dispatch(message);
    }
  }

  /** The write is durable. Call once for every `Ready.append`, in the order of `seq`. */
  storageAppended(append: Pick<StorageAppend, "seq">): void {
    const { core } = this;
    const write = core.log.acknowledge(append.seq);
    this.release(write.messages);
    const own = core.progress.get(core.id);
    if (core.role === "leader" && own !== undefined) acknowledge(core, core.id, own, core.log.stable);
  }

  /** Whether a follower does not know how far commits have come; only with `commitsRide`. */
  get commitsUntold(): boolean {
    return this.core.commitsUntold;
  }

  /** Tells the commit index to every follower that does not know it. */
  tellCommits(): void {
    const { core } = this;
    core.commitsUntold = false;
    if (core.role !== "leader") return;
    for (const [id, { sentCommit }] of core.progress) {
      if (id !== core.id && sentCommit < core.log.committed) core.appendDue(id, true);
    }
  }

  /** The state machine has applied everything up to `index`. */
  applied(index: number): void {
    const { core } = this;
    assertSafeInteger(index, "applied index");
    applyConfEntries(core, core.log.appliedTo(index));
    maybeLeaveJoint(core);
  }

  /** A snapshot taken by this member became durable: it may be sent to followers and allows compaction up to it. */
  snapshotCreated(meta: SnapshotMeta): void {
    const { log } = this.core;
    // While ours was being written, the leader's may have replaced the log beyond it.
    if (meta.index <= Math.max(log.snapshot.index, log.offset)) return;
    assert(meta.index <= log.applied, "a snapshot holds only what is applied");
    assert(log.term(meta.index) === meta.term, "a snapshot's term is that of its last entry");
    log.snapshot = meta;
  }

  /** Forgets entries up to and including `index`, which a durable snapshot must cover. */
  compact(index: number): void {
    this.core.log.compact(index);
  }

  /** The stream of a snapshot to `to` ended; `ok` says whether the receiver has all of it. */
  reportSnapshot(to: NodeId, ok: boolean): void {
    const progress = this.core.progress.get(to);
    if (progress === undefined || progress.state !== "snapshot") return;
    if (!ok) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    // Success: the receiver's acknowledgement comes. Failure: its next heartbeat answer starts another try.
    progress.paused = true;
  }

  /** The transport to `to` failed: messages may be lost, so optimistic sending stops until logs agree again. */
  reportUnreachable(to: NodeId): void {
    const progress = this.core.progress.get(to);
    if (progress?.state === "replicate") progress.becomeProbe();
  }

  /**
   * Nobody listens at the address of `id` any more: its process is gone. Whoever followed it is not loyal to it any longer and
   * campaigns soon, but not at once: the others have to notice as well.
   */
  reportGone(id: NodeId): void {
    const { core } = this;
    if (core.role !== "follower" || core.leader !== id || !isLoyal(core)) return;
    const { electionTicks, prng } = core.config;
    core.electionElapsed = electionTicks;
    core.electionTimeout = electionTicks + prng.int(1, Math.ceil(electionTicks * GONE_SHARE));
  }

  /** The membership as of the last applied entry: what belongs into a snapshot taken now. */
  confState(): ConfState {
    return this.core.conf;
  }

  /** The term of the entry at `index`, or undefined when it is compacted or not there. */
  termAt(index: number): number | undefined {
    return this.core.log.term(index);
  }

  /** A copy of the state for metrics and people. */
  status(): Status {
    const { core } = this;
    const { log } = core;
    const entries = core.role === "leader" ? [...core.progress] : [];
    return {
      id: core.id,
      term: core.term,
      vote: core.vote,
      role: core.role,
      leader: core.leader,
      commit: log.committed,
      applied: log.applied,
      firstIndex: log.offset + 1,
      lastIndex: log.last,
      stableIndex: log.stable,
      conf: core.conf,
      progress: new Map(entries.map(([id, progress]) => [id, progress.status(core.isLearner(id))])),
      transferTarget: core.transferTarget,
      uncommittedBytes: core.uncommittedBytes,
      pendingReads: core.reads.size + core.earlyReads.length + core.forwardedReads.size,
      oldestUnackedAppendTicks: core.unackedTicks,
    };
  }
}
