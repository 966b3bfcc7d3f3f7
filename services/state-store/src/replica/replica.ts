import path from "node:path";
import { type Clock, assert, errorFrom, sleep } from "@trireme/base";
import { type Command, type MvccStore, type Outcome, type WatchHub } from "@trireme/mvcc";
import {
  type ConfOperation,
  type Entry,
  NONE,
  type NodeId,
  type Raft,
  type Ready,
  type SnapMessage,
  type SnapshotMeta,
  type Status,
  type StorageAppend,
  isVoter,
  membersOf,
} from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import { type Request, decodeCommand, encodeCommand } from "../apply/command.ts";
import { hex } from "../cluster.ts";
import type { StoreMetrics } from "../metrics.ts";
import type { PeerHandler, PeerTransport } from "../peers/transport.ts";
import type { SnapshotSink } from "../peers/snapshot-stream.ts";
import { IncomingSnapshots } from "../snapshot/incoming.ts";
import { snapshotName } from "../snapshot/snapshot-file.ts";
import type { Wal } from "../wal/wal.ts";
import { FAILURE } from "./failures.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import { Snapshotter } from "./snapshotter.ts";

/** A request that the log has not answered by then: etcd's 5 s + 2 election timeouts. */
const REQUEST_TIMEOUT_MS = 7000;

/** A request waits this many election timeouts for a leader: long enough for an ordinary election, then it fails. */
const NO_LEADER_ELECTIONS = 3;

/** Without a leader for this many election timeouts, what was proposed before is given up as of unknown outcome. */
const LEADERLESS_ELECTIONS = 2;

/** A member that was removed answers its peers for this many election timeouts, unless they refuse it before. */
const LEAVING_ELECTIONS = 5;

/**
 * Heartbeats that a member listens for, once it reaches a majority after its start, before it takes the silence for the
 * absence of a leader. Only the first member does so; the others wait out their timeouts, and a leader that exists after
 * all keeps its voters loyal, so nothing is disturbed.
 */
const FIRST_ELECTION_HEARTBEATS = 3;

/** How long a leader that stops waits for its successor. */
const RESIGN_MS = 1000;

/** etcd's bound on one request; keeps one entry's work and memory small. */
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;

/** Entries that the core hands out are worked off for this long before the event loop gets its turn. */
const TURN_MS = 10;

/**
 * A commit index that moved on waits so long for entries to ride on: on a store that is written to, that saves each follower a
 * message and its answer for each write. What it costs is this delay for those who watch at a follower of an idle store.
 */
const COMMIT_RIDE_MS = 2;

/** History steps that one turn trims: well under a millisecond. */
const TRIM_STEPS = 1000;

export interface ReplicaOptions {
  readonly raft: Raft;
  readonly store: MvccStore;
  readonly hub: WatchHub;
  readonly wal: Wal;
  readonly self: NodeId;
  readonly snapshotDir: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly snapshotBytes: number;
  readonly trailingEntries: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: StoreMetrics;
  /** A command was applied, or an entry without one. */
  readonly onApplied: (command: Command | undefined, outcome: Outcome) => void;
  /** This member took or lost office. */
  readonly onOffice: (isLeader: boolean) => void;
  /** This member has been removed from the cluster: there is nothing left to do for it. Called once. */
  readonly onRemoved: () => void;
}

/** A change of the configuration that the leader does not take now, and may in a moment. */
export type ChangeRefusal = "notLeader" | "pending" | "invalid";

interface Held {
  readonly counter: number;
  readonly data: Buffer;
  readonly noLeaderDeadline: number;
}

/**
 * The shell around the Raft core: one loop that carries out what the core's Ready asks, in the order that its manual
 * lays down. Everything that touches the core does so from this class, never from within the loop's own work.
 */
export class Replica implements PeerHandler {
  readonly store: MvccStore;
  readonly hub: WatchHub;
  private readonly options: ReplicaOptions;
  private readonly raft: Raft;
  private readonly wal: Wal;
  private readonly proposals: Proposals;
  private readonly reads: Reads;
  private readonly snapshotter: Snapshotter;
  private transport: PeerTransport | undefined;
  private held: Held[] = [];
  private scheduled = false;
  private trimming = false;
  private timer: NodeJS.Timeout | undefined;
  private leader: NodeId = NONE;
  private leaderLostAt: number;
  /** Ticks since a majority was first reached in this life; undefined once it no longer matters. */
  private quietTicks: number | undefined = 0;
  private term: number;
  private stopped = false;
  private readonly incoming: IncomingSnapshots;
  private isRemoved = false;
  private cancelLeaving: (() => void) | undefined;
  private diskHangs = false;
  private cancelTelling: (() => void) | undefined;

  constructor(options: ReplicaOptions) {
    this.options = options;
    this.raft = options.raft;
    this.store = options.store;
    this.hub = options.hub;
    this.wal = options.wal;
    this.term = options.raft.status().term;
    this.leaderLostAt = options.clock.monotonic();
    this.proposals = new Proposals(options.clock, () => options.metrics.proposalsFailed.inc());
    this.reads = new Reads(options.raft, options.clock);
    this.incoming = new IncomingSnapshots(options.snapshotDir, options.log);
    const schedule = (): void => this.schedule();
    this.snapshotter = new Snapshotter({ ...options, dir: options.snapshotDir, schedule });
  }

  /** Begins to tick and to talk. */
  start(transport: PeerTransport): void {
    this.transport = transport;
    transport.reconfigure();
    this.timer = setInterval(() => this.tick(), this.options.heartbeatMs);
    // The only voter need not wait for anybody.
    if (this.raft.confState().voters.length === 1) this.raft.campaign();
    this.schedule();
  }

  /** Whether it answers nothing any more. */
  get isStopped(): boolean {
    return this.stopped;
  }

  /** Answers nothing any more and closes the log. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    this.cancelLeaving?.();
    this.cancelTelling?.();
    this.transport?.close();
    await this.snapshotter.stop();
    await this.wal.close();
  }

  /** The core's state, copied: for status calls, not for every request. */
  status(): Status {
    return this.raft.status();
  }

  get currentTerm(): number {
    return this.term;
  }

  get currentLeader(): NodeId {
    return this.leader;
  }

  /** Whether this member replicates without a vote. */
  get isLearner(): boolean {
    return !isVoter(this.raft.confState(), this.options.self);
  }

  /** Whether this member knows a leader and its disk answers: then it should be asked. */
  get isHealthy(): boolean {
    return this.leader !== NONE && !this.diskHangs;
  }

  get pendingProposals(): number {
    return this.proposals.size;
  }

  /** Puts a request through the log; resolves when it is applied here. `urgent`: it gets in when nothing else does. */
  propose(request: Request, urgent = false): Promise<Outcome> {
    if (this.stopped) return Promise.reject(FAILURE.stopped());
    if (!this.proposals.hasRoom(urgent)) return Promise.reject(FAILURE.tooManyRequests());
    const { origin, outcome } = this.proposals.begin(REQUEST_TIMEOUT_MS);
    const data = encodeCommand(origin, request);
    const noLeaderDeadline = this.options.clock.monotonic() + NO_LEADER_ELECTIONS * this.options.electionMs;
    if (data.length > MAX_REQUEST_BYTES) this.proposals.refuse(origin.counter, FAILURE.tooLarge());
    else this.offer({ counter: origin.counter, data, noLeaderDeadline });
    return outcome;
  }

  /**
   * Puts a change of the configuration into the log of this member, which must lead: another one would forward it, and
   * nobody would hear of a refusal. Resolves when it is applied here, or at once with why it is not taken now.
   */
  async changeMembers(operation: ConfOperation, request: Request): Promise<Outcome | ChangeRefusal> {
    if (this.stopped) throw FAILURE.stopped();
    if (this.raft.status().role !== "leader") return "notLeader";
    if (!this.proposals.hasRoom(true)) throw FAILURE.tooManyRequests();
    const { origin, outcome } = this.proposals.begin(REQUEST_TIMEOUT_MS);
    const context = encodeCommand(origin, request);
    const result = this.raft.proposeConfChange({ transition: "auto", operations: [operation], context });
    if (result.kind === "proposed") {
      this.proposals.proposed(origin.counter, { index: result.index, term: result.term });
      this.schedule();
      return outcome;
    }
    outcome.catch(() => undefined);
    this.proposals.refuse(origin.counter, FAILURE.leaderChanged());
    return result.kind === "refused" && result.reason === "invalidConfChange" ? "invalid" : "pending";
  }

  /** Resolves when the local state is as new as every write that was acknowledged before the call. */
  async readBarrier(): Promise<void> {
    if (this.stopped) throw FAILURE.stopped();
    const done = this.reads.wait(REQUEST_TIMEOUT_MS, NO_LEADER_ELECTIONS * this.options.electionMs);
    this.schedule();
    await done;
  }

  /** Asks the leader to hand over. */
  moveLeader(target: NodeId): void {
    this.raft.transferLeadership(target);
    this.schedule();
  }

  /** A leader that stops hands over first, so that nobody has to wait for an election. */
  async resign(): Promise<void> {
    const { role, progress } = this.raft.status();
    if (role !== "leader") return;
    const others = [...progress].filter(([id, one]) => id !== this.options.self && !one.learner && one.recentActive);
    const [next] = others.sort(([, a], [, b]) => b.match - a.match);
    if (next === undefined) return;
    this.moveLeader(next[0]);
    const until = this.options.clock.monotonic() + RESIGN_MS;
    while (this.leader !== next[0] && this.options.clock.monotonic() < until) await sleep(this.options.heartbeatMs / 4);
  }

  receive(message: Parameters<Raft["step"]>[0]): void {
    if (this.stopped || message.type === "snap") return;
    this.raft.step(message);
    this.schedule();
  }

  unreachable(id: bigint): void {
    if (this.stopped) return;
    this.raft.reportUnreachable(id);
    this.proposals.linkLost(id);
    this.schedule();
  }

  gone(id: bigint): void {
    if (this.stopped) return;
    this.raft.reportGone(id);
  }

  openSnapshot(message: SnapMessage): Promise<SnapshotSink> {
    return this.incoming.open(message, () => {
      if (this.stopped) return;
      this.raft.step(message);
      this.schedule();
    });
  }

  snapshotFile(message: SnapMessage): string | undefined {
    const newest = this.snapshotter.newest;
    if (newest === undefined || newest.index !== message.snapshot.index) {
      // The state that a cluster begins with has no file of its own, unless it began with this release.
      this.snapshotter.want();
      return undefined;
    }
    return path.join(this.options.snapshotDir, snapshotName(newest));
  }

  snapshotSent(id: bigint, ok: boolean): void {
    if (this.stopped) return;
    this.raft.reportSnapshot(id, ok);
    this.schedule();
  }

  /** Writes a snapshot now and lets go of the log that it covers. */
  takeSnapshot(): Promise<void> {
    return this.snapshotter.takeNow();
  }

  /** What a snapshot of the present state is called. */
  snapshotMeta(): SnapshotMeta {
    const index = this.store.appliedIndex;
    return { index, term: this.raft.termAt(index) ?? this.term, conf: this.raft.confState() };
  }

  /** Sets the snapshot from which this life began. */
  recoveredFrom(meta: SnapshotMeta | undefined): void {
    this.snapshotter.newest = meta;
  }

  /**
   * A peer says that this member has been removed. A voter that knows it can do without this member's vote. A learner cannot
   * stand for election, and voters that do not know it yet may need that vote (B24).
   */
  removed(by: NodeId): void {
    if (this.stopped) return;
    if (isVoter(this.raft.confState(), by)) this.stopForGood();
    else this.leave();
  }

  private stopForGood(): void {
    if (this.isRemoved || this.stopped) return;
    this.isRemoved = true;
    this.cancelLeaving?.();
    this.options.log.error("this member has been permanently removed from the cluster; it stops", {
      id: hex(this.options.self),
    });
    this.options.onRemoved();
  }

  private offer(held: Held): void {
    // Our messages to the leader would be lost: better to wait than to have an unknown outcome.
    const { leader } = this;
    if (leader !== NONE && leader !== this.options.self && this.transport?.reaches(leader) !== true) {
      this.held.push(held);
      return;
    }
    const result = this.raft.propose(held.data);
    switch (result.kind) {
      case "proposed":
        this.proposals.proposed(held.counter, { index: result.index, term: result.term });
        break;
      case "forwarded":
        this.proposals.forwarded(held.counter, result.leader);
        break;
      case "refused":
        if (result.reason === "tooManyUncommitted") this.proposals.refuse(held.counter, FAILURE.tooManyRequests());
        else this.held.push(held);
    }
    this.schedule();
  }

  /** Requests that found no leader try again, in their order. */
  private offerHeld(): void {
    const held = this.held;
    this.held = [];
    const now = this.options.clock.monotonic();
    for (const each of held) {
      if (!this.proposals.isOpen(each.counter)) continue;
      if (now > each.noLeaderDeadline) this.proposals.refuse(each.counter, FAILURE.noLeader());
      else this.offer(each);
    }
  }

  /** A cluster that starts need not wait for an election timeout: the member with the lowest id asks for votes early. */
  private maybeCampaignEarly(): void {
    if (this.quietTicks === undefined) return;
    const { voters } = this.raft.confState();
    const { self } = this.options;
    const reached = voters.filter((id) => id === self || this.transport?.reaches(id) === true);
    const first = voters.every((id) => id >= self);
    if (!first || this.leader !== NONE) this.quietTicks = undefined;
    else if (reached.length * 2 > voters.length) this.quietTicks += 1;
    if (this.quietTicks !== FIRST_ELECTION_HEARTBEATS) return;
    this.quietTicks = undefined;
    this.raft.campaign();
  }

  private tick(): void {
    this.raft.tick();
    this.watchDisk();
    this.maybeCampaignEarly();
    this.reads.tick(this.leader !== NONE);
    this.proposals.expire();
    const leaderless = this.options.clock.monotonic() - this.leaderLostAt;
    if (this.leader === NONE && leaderless > LEADERLESS_ELECTIONS * this.options.electionMs) this.proposals.giveUp();
    this.offerHeld();
    this.trim();
    this.schedule();
  }

  /**
   * A write that is not durable after an election timeout: the core hands its office over and does not campaign (B26, B27);
   * here it is told, and health checks send clients elsewhere until the disk answers.
   */
  private watchDisk(): void {
    const { oldestUnackedAppendTicks } = this.raft.status();
    const hangs = oldestUnackedAppendTicks * this.options.heartbeatMs >= this.options.electionMs;
    if (hangs === this.diskHangs) return;
    this.diskHangs = hangs;
    const { log, metrics } = this.options;
    metrics.diskHangs.set(hangs ? 1 : 0);
    if (hangs) log.error("the disk does not answer; this member neither leads nor campaigns until it does");
    else log.info("the disk answers again");
  }

  /** One run of the loop for all that this turn of the event loop brings. */
  private schedule(): void {
    if (this.scheduled || this.stopped) return;
    this.scheduled = true;
    setImmediate(() => this.run());
  }

  private run(): void {
    this.scheduled = false;
    if (this.stopped) return;
    this.reads.begin();
    const until = this.options.clock.monotonic() + TURN_MS;
    for (let ready = this.raft.ready(); ready !== undefined; ready = this.raft.ready()) {
      this.carryOut(ready);
      if (this.options.clock.monotonic() > until) {
        this.schedule();
        break;
      }
    }
    this.snapshotter.maybeTake();
    if (this.raft.commitsUntold) this.tellCommitsSoon();
  }

  private tellCommitsSoon(): void {
    this.cancelTelling ??= this.options.clock.after(COMMIT_RIDE_MS, () => {
      this.cancelTelling = undefined;
      if (this.stopped) return;
      this.raft.tellCommits();
      this.schedule();
    });
  }

  private carryOut(ready: Ready): void {
    if (ready.softState !== undefined) this.leaderIs(ready.softState.leader, ready.softState.role);
    if (ready.messages.length > 0) this.transport?.send(ready.messages);
    if (ready.append !== undefined) this.write(ready.append);
    if (ready.committedEntries.length > 0) this.apply(ready.committedEntries);
    this.reads.answered(ready.readStates, ready.readsDropped);
    this.reads.applied(this.store.appliedIndex);
    if (ready.readsDropped.length > 0) this.reads.begin();
  }

  private write(append: StorageAppend): void {
    if (append.hardState !== undefined) this.term = append.hardState.term;
    if (append.snapshot !== undefined) this.install(append.snapshot);
    this.wal.append({
      entries: append.entries,
      hardState: append.hardState,
      snapshot: append.snapshot === undefined ? undefined : { meta: append.snapshot, installed: true },
      mustSync: append.mustSync,
      onDurable: () => {
        if (this.stopped) return;
        this.raft.storageAppended(append);
        this.schedule();
      },
    });
  }

  /** The leader's snapshot replaces the state; its file is durable already. */
  private install(meta: SnapshotMeta): void {
    this.store.replaceWith(this.incoming.take(meta));
    this.hub.publish();
    this.proposals.giveUp();
    this.snapshotter.installed(meta);
    this.membersChanged();
    this.options.log.info("snapshot installed", { index: meta.index, term: meta.term, revision: this.store.revision });
  }

  private apply(entries: readonly Entry[]): void {
    const started = this.options.clock.monotonic();
    let members = false;
    for (const entry of entries) {
      const command = decodeCommand(entry);
      const outcome = this.store.apply(entry.index, command);
      this.options.onApplied(command, outcome);
      this.proposals.applied(entry, outcome);
      if (entry.type === "empty") this.proposals.termBegan(this.leader);
      members ||= entry.type === "confChange" || command?.type === "memberUpdate";
    }
    this.hub.publish();
    this.raft.applied(entries.at(-1)!.index);
    if (members) this.membersChanged();
    this.trim();
    this.options.metrics.applySeconds.observe((this.options.clock.monotonic() - started) / 1000);
  }

  /** The membership is another one: the wires follow, and who does not belong to it any more stops. */
  private membersChanged(): void {
    const { self, log } = this.options;
    const known = this.store.members.list().map(({ id }) => id);
    const counted = membersOf(this.raft.confState());
    // Two books of one membership must never differ (B20). A joint configuration still counts those who leave.
    assert(
      known.every((id) => counted.includes(id)) && (known.length === counted.length || known.length === 0),
      "the members that are known are those that Raft counts",
    );
    log.info("members", { ids: known.map(hex).join(" ") });
    this.transport?.reconfigure();
    if (this.store.members.isRemoved(self)) this.leave();
  }

  /**
   * The removal is applied here, perhaps here alone: of two voters the other may not know that it is committed, and would wait for
   * ever for the vote of one that is gone (B24). So this one goes on answering until a voter refuses it, or for some elections.
   */
  private leave(): void {
    const { clock, electionMs } = this.options;
    this.cancelLeaving ??= clock.after(LEAVING_ELECTIONS * electionMs, () => this.stopForGood());
  }

  private trim(): void {
    if (this.trimming || !this.store.trim(TRIM_STEPS)) return;
    this.trimming = true;
    setImmediate(() => {
      this.trimming = false;
      this.trim();
    });
  }

  private leaderIs(leader: NodeId, role: string): void {
    this.options.metrics.role(role === "leader", leader !== NONE);
    this.options.onOffice(role === "leader");
    if (leader === this.leader) return;
    this.leader = leader;
    const { log, metrics } = this.options;
    if (leader === NONE) {
      this.leaderLostAt = this.options.clock.monotonic();
      log.warn("no leader", { term: this.raft.status().term });
      return;
    }
    metrics.leaderChanges.inc();
    log.info("leader elected", { leader: leader.toString(16), term: this.raft.status().term, role });
    this.proposals.leaderChanged();
    this.offerHeld();
  }
}

/** Ends the process: what cannot be written must not be acknowledged, and a second try would lie. */
export function dieOnWriteError(log: Logger): (error: unknown) => void {
  return (error) => {
    log.error("the write-ahead log cannot be written; exiting", { err: errorFrom(error) });
    process.exit(1);
  };
}
