import { assert } from "@trireme/base";
import { membersOf, isVoter } from "./conf-change.ts";
import { resolveConfig } from "./config.ts";
import type { RaftConfig, ResolvedConfig } from "./config.ts";
import { RaftLog, entriesBytes, entryBytes } from "./log.ts";
import { Progress } from "./progress.ts";
import type { InflightBounds } from "./progress.ts";
import { quorumIndex, quorumVote } from "./quorum.ts";
import { ReadQueue } from "./read-queue.ts";
import { NONE } from "./types.ts";
import type { ConfState, Entry, EntryType, Message, NodeId, ReadState, Role } from "./types.ts";

type Outgoing<M> = M extends Message ? Omit<M, "from" | "term"> & { readonly term?: number } : never;

/**
 * The state that all parts of the core share, and the moves that more than one part needs: sending, changing role,
 * advancing the commit index. The rules live beside it: election.ts, leader.ts, follower.ts, membership.ts, reads.ts.
 */
export class Core {
  readonly config: ResolvedConfig;
  readonly id: NodeId;
  readonly log: RaftLog;
  term: number;
  vote: NodeId;
  role: Role = "follower";
  leader: NodeId = NONE;
  conf: ConfState;
  /** Kept on every member; meaningful on the leader. */
  readonly progress = new Map<NodeId, Progress>();
  readonly votes = new Map<NodeId, boolean>();
  /** Ticks since the core was made. */
  ticks = 0;
  electionElapsed = 0;
  electionTimeout = 0;
  heartbeatElapsed = 0;
  transferTarget: NodeId = NONE;
  transferElapsed = 0;
  /** No membership change may be proposed until this index is applied. */
  pendingConfIndex = 0;
  uncommittedBytes = 0;
  /** Followers that an append is due to; true: even an empty one, for the news of the commit index. */
  readonly appendsDue = new Map<NodeId, boolean>();
  /** Some follower does not know how far commits have come, and nothing is on its way to say so. */
  commitsUntold = false;
  /** Newest entry whose commit followers learn at once: another member's proposal, a new configuration, a term's beginning. */
  awaitedIndex = 0;
  /** Leader: reads in heartbeat rounds. */
  readonly reads = new ReadQueue();
  /** Leader: reads that wait for the first commit of the term. */
  earlyReads: { id: bigint; from: NodeId; deadline: number }[] = [];
  /** Follower: own reads that were forwarded, with their deadlines. */
  readonly forwardedReads = new Map<bigint, number>();
  private readIdNext: bigint;
  outbox: Message[] = [];
  /** Messages that promise something, and wait for the write which the next Ready hands out, or the last one in flight. */
  afterAppend: Message[] = [];
  readStates: ReadState[] = [];
  readsDropped: bigint[] = [];
  private readonly bounds: InflightBounds;

  constructor(raw: RaftConfig) {
    this.config = resolveConfig(raw);
    const { initial, prng } = this.config;
    this.id = this.config.id;
    this.bounds = { messages: this.config.maxInflightMsgs, bytes: this.config.maxInflightBytes };
    this.log = new RaftLog(initial);
    this.term = initial.hardState.term;
    this.vote = initial.hardState.vote;
    assert(this.term >= this.log.lastTerm, "the hard state's term is not behind the log");
    this.conf = initial.snapshot.conf;
    this.trackMembers();
    // Read ids of an earlier life of this member must not be taken for new ones when a late answer arrives.
    this.readIdNext = (BigInt(prng.int(0, 0x7fffffff)) << 32n) + 1n;
    this.resetElectionTimer();
  }

  nextReadId(): bigint {
    return this.readIdNext++;
  }

  /**
   * Queues a message. Answers that promise durability wait for the write that they promise. So does the request for a vote:
   * it names a term and a log, and a candidate that won by the votes of others, led, and lost both in a crash could win the
   * same term again and write other entries in the place of those that it had sent.
   */
  send(message: Outgoing<Message>): void {
    const complete = { term: this.term, ...message, from: this.id } as Message;
    switch (complete.type) {
      case "appResp":
      case "vote":
      case "voteResp":
      case "preVoteResp":
        this.afterAppend.push(complete);
        return;
      default:
        assert(complete.to !== this.id, `a ${complete.type} message to oneself makes no sense`);
        this.outbox.push(complete);
    }
  }

  resetElectionTimer(): void {
    this.electionElapsed = 0;
    const { electionTicks, prng } = this.config;
    this.electionTimeout = prng.int(electionTicks, 2 * electionTicks - 1);
  }

  /** Ticks since the oldest write in flight was handed out. */
  get unackedTicks(): number {
    const oldest = this.log.writes[0];
    return oldest === undefined ? 0 : this.ticks - oldest.tick;
  }

  private reset(term: number): void {
    assert(term >= this.term, "terms only grow");
    if (term > this.term) {
      this.term = term;
      this.vote = NONE;
    }
    this.leader = NONE;
    this.votes.clear();
    this.resetElectionTimer();
    this.heartbeatElapsed = 0;
    this.transferTarget = NONE;
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.appendsDue.clear();
    this.commitsUntold = false;
    this.awaitedIndex = 0;
    this.progress.clear();
    this.trackMembers();
    this.dropReads();
  }

  /** Reads in progress belong to the leader that was asked; with another one they have to be asked anew. */
  private dropReads(): void {
    for (const read of this.reads.takeAll()) if (read.from === this.id) this.readsDropped.push(read.id);
    for (const read of this.earlyReads.splice(0)) if (read.from === this.id) this.readsDropped.push(read.id);
    this.readsDropped.push(...this.forwardedReads.keys());
    this.forwardedReads.clear();
  }

  becomeFollower(term: number, leader: NodeId): void {
    this.role = "follower";
    this.reset(term);
    this.leader = leader;
  }

  /** Term and vote stay: a pre-vote disturbs nobody. Votes of earlier rounds and the old leader are forgotten (B32). */
  becomePreCandidate(): void {
    assert(this.role !== "leader", "a leader does not campaign");
    this.role = "preCandidate";
    this.votes.clear();
    this.leader = NONE;
    this.resetElectionTimer();
    this.dropReads();
  }

  becomeCandidate(): void {
    assert(this.role !== "leader", "a leader does not campaign");
    this.role = "candidate";
    this.reset(this.term + 1);
    this.vote = this.id;
  }

  /** Opens the term with an empty entry: only committing an entry of its own term commits what came before (S4). */
  becomeLeader(): void {
    assert(this.role === "candidate", "only a candidate becomes leader");
    this.reset(this.term);
    this.role = "leader";
    this.leader = this.id;
    const own = this.progress.get(this.id);
    assert(own !== undefined, "a leader is a member");
    own.becomeReplicate();
    own.recentActive = true;
    // Some entry of the uncommitted tail may be a membership change: wait for all of it to be applied.
    this.pendingConfIndex = this.log.last;
    const tail = this.log.slice(this.log.committed + 1, this.log.last, Number.MAX_SAFE_INTEGER);
    this.uncommittedBytes = entriesBytes(tail);
    this.appendAsLeader([{ type: "empty", data: new Uint8Array(0) }]);
    this.awaitedIndex = this.log.last;
  }

  /** Creates progress for new members and forgets removed ones. */
  trackMembers(): void {
    const members = membersOf(this.conf);
    const known = new Set(members);
    for (const id of this.progress.keys()) {
      if (known.has(id)) continue;
      this.progress.delete(id);
      this.appendsDue.delete(id);
    }
    for (const id of members) {
      if (this.progress.has(id)) continue;
      const progress = new Progress(this.log.last + 1, this.bounds);
      if (id === this.id) progress.maybeUpdate(this.log.stable);
      // A member that was just added gets one election timeout to be heard before it counts as silent.
      else if (this.role === "leader") progress.recentActive = true;
      this.progress.set(id, progress);
    }
  }

  isLearner(id: NodeId): boolean {
    return !isVoter(this.conf, id);
  }

  appendAsLeader(drafts: readonly { type: EntryType; data: Uint8Array }[]): readonly Entry[] {
    let index = this.log.last;
    const entries = drafts.map(({ type, data }): Entry => ({ term: this.term, index: ++index, type, data }));
    this.log.append(entries);
    this.uncommittedBytes += entriesBytes(entries);
    // Our own acknowledgement comes with storageAppended, like everyone else's: never count what is only in memory (B2).
    this.broadcastAppend(false);
    return entries;
  }

  /** Notes that all followers are due an append; `flushAppends` sends them, one batch for everything that gathered. */
  broadcastAppend(evenEmpty: boolean): void {
    for (const id of this.progress.keys()) if (id !== this.id) this.appendDue(id, evenEmpty);
  }

  /** `to` has to learn the commit index: with an append of its own, or with whatever it is sent next. */
  commitDue(to: NodeId, progress: Progress): void {
    const rides = this.config.commitsRide && this.awaitedIndex <= progress.sentCommit;
    this.commitsUntold ||= rides;
    this.appendDue(to, !rides);
  }

  appendDue(to: NodeId, evenEmpty: boolean): void {
    this.appendsDue.set(to, evenEmpty || this.appendsDue.get(to) === true);
  }

  /** Heartbeats to all; each carries no more of the commit index than its receiver is known to hold. */
  broadcastHeartbeat(): void {
    const readSeq = this.reads.currentSeq;
    for (const [to, progress] of this.progress) {
      if (to === this.id) continue;
      this.send({ type: "heartbeat", to, commit: Math.min(progress.match, this.log.committed), readSeq });
    }
  }

  /** Moves the commit index to what a quorum holds durably, if that entry is of this term (figure 8). */
  maybeCommit(): boolean {
    const index = quorumIndex(this.conf, (id) => this.progress.get(id)?.match ?? 0);
    if (index <= this.log.committed || !this.log.matches(index, this.term)) return false;
    this.commitTo(index);
    return true;
  }

  commitTo(index: number): void {
    const before = this.log.committed;
    this.log.commitTo(index);
    if (this.role !== "leader" || index <= before) return;
    for (const entry of this.log.slice(before + 1, index, Number.MAX_SAFE_INTEGER)) {
      this.uncommittedBytes -= entryBytes(entry);
    }
    assert(this.uncommittedBytes >= 0, "uncommitted bytes are counted exactly");
  }

  /** Whether an entry of the present term is committed: before that a leader's commit index may be old (B13). */
  get committedInTerm(): boolean {
    return this.log.matches(this.log.committed, this.term);
  }

  /** Whether a quorum was heard since the last check. */
  quorumActive(): boolean {
    const active = (id: NodeId): boolean => id === this.id || this.progress.get(id)?.recentActive === true;
    return quorumVote(this.conf, active) === "won";
  }
}
