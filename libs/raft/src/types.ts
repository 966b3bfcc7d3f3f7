/** A member's id: a uint64, never 0 and never used again after the member was removed. */
export type NodeId = bigint;

/** "Nobody": no vote cast, no leader known. */
export const NONE: NodeId = 0n;

/**
 * `normal` carries the caller's data; `confChange` carries an encoded {@link ConfChange}; `empty` is the entry with
 * which a new leader opens its term. The last two have nothing for the state machine but still count as applied.
 */
export type EntryType = "normal" | "confChange" | "empty";

/** One entry of the replicated log. Immutable once made: the core shares these objects with its callers. */
export interface Entry {
  readonly term: number;
  readonly index: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** What must be durable besides entries: a restarted member continues from here. */
export interface HardState {
  readonly term: number;
  /** The candidate that got this member's vote in `term`, or {@link NONE}. */
  readonly vote: NodeId;
  readonly commit: number;
}

/** The membership as of one index. In a joint configuration `votersOutgoing` is not empty and both majorities count. */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  /** Whether the leader proposes the way out of the joint configuration by itself. */
  readonly autoLeave: boolean;
}

/** Names a snapshot of the state machine: everything up to and including `index` is inside it. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  readonly conf: ConfState;
}

/** One membership operation. `addVoter` also promotes a learner, `addLearner` also demotes a voter. */
export interface ConfOperation {
  readonly op: "addVoter" | "addLearner" | "remove";
  readonly id: NodeId;
}

/**
 * A membership change. `auto` uses one step when a single voter changes and a joint configuration otherwise; the joint
 * forms force one, left by the leader itself (`jointImplicit`) or by a change without operations (`jointExplicit`).
 * `context` travels along unread: the shell keeps names and addresses of members in it.
 */
export interface ConfChange {
  readonly transition: "auto" | "jointImplicit" | "jointExplicit";
  readonly operations: readonly ConfOperation[];
  readonly context: Uint8Array;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The sender's term (0 in the forwarded requests `prop`, `readIndex`, `transferLeader`: they belong to no term). */
  readonly term: number;
}

/** Leader to follower: entries after (`prevIndex`, `prevTerm`), possibly none. */
export interface AppMessage extends Envelope {
  readonly type: "app";
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/** Follower to leader: everything up to `index` is durable here; or, with `reject`, `index` did not match. */
export interface AppRespMessage extends Envelope {
  readonly type: "appResp";
  readonly index: number;
  readonly reject: boolean;
  /** On a reject: the best guess where the logs still agree, and the follower's term there. */
  readonly hintIndex: number;
  readonly hintTerm: number;
}

/** Leader to all; `commit` never passes what the receiver is known to hold. `readSeq` 0: no read waits. */
export interface HeartbeatMessage extends Envelope {
  readonly type: "heartbeat";
  readonly commit: number;
  readonly readSeq: number;
}

/** Answers one heartbeat and echoes its `readSeq`. */
export interface HeartbeatRespMessage extends Envelope {
  readonly type: "heartbeatResp";
  readonly readSeq: number;
}

/** Asks for a vote; a pre-vote carries the term that the sender *would* campaign in. `transfer` overrides stickiness. */
export interface VoteMessage extends Envelope {
  readonly type: "preVote" | "vote";
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly transfer: boolean;
}

/** Answers a vote or pre-vote. */
export interface VoteRespMessage extends Envelope {
  readonly type: "preVoteResp" | "voteResp";
  readonly reject: boolean;
}

/**
 * Leader to follower: the entries you need are compacted, take this snapshot. The core moves the name alone; the shell
 * streams the bytes, and steps the message into the receiving core only when they are complete and verified.
 */
export interface SnapMessage extends Envelope {
  readonly type: "snap";
  readonly snapshot: SnapshotMeta;
}

/** Leader to the target of a transfer: campaign at once. */
export interface TimeoutNowMessage extends Envelope {
  readonly type: "timeoutNow";
}

/** Follower to leader: proposals that arrived at the wrong member. */
export interface PropMessage extends Envelope {
  readonly type: "prop";
  readonly entries: readonly { readonly type: EntryType; readonly data: Uint8Array }[];
}

/** Follower to leader: confirm your leadership and tell me your commit index. */
export interface ReadIndexMessage extends Envelope {
  readonly type: "readIndex";
  readonly readId: bigint;
}

/** Leader to follower: apply up to `index`, then serve read `readId`. */
export interface ReadIndexRespMessage extends Envelope {
  readonly type: "readIndexResp";
  readonly readId: bigint;
  readonly index: number;
}

/** Follower to leader: hand leadership to `target`. */
export interface TransferLeaderMessage extends Envelope {
  readonly type: "transferLeader";
  readonly target: NodeId;
}

/** Everything that members say to each other. */
export type Message =
  | AppMessage
  | AppRespMessage
  | HeartbeatMessage
  | HeartbeatRespMessage
  | VoteMessage
  | VoteRespMessage
  | SnapMessage
  | TimeoutNowMessage
  | PropMessage
  | ReadIndexMessage
  | ReadIndexRespMessage
  | TransferLeaderMessage;

/** What a member is at the moment. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** Volatile state that a shell shows to people and clients. */
export interface SoftState {
  readonly role: Role;
  readonly leader: NodeId;
}

/** Read `id` may be served once everything up to `index` is applied. */
export interface ReadState {
  readonly id: bigint;
  readonly index: number;
}

/**
 * One durable write. Writes are numbered by `seq` and acknowledged in that order. The order inside one write: the
 * snapshot is installed (file durable and state machine loaded), then entries replace whatever the log holds from
 * `entries[0].index` on, then the hard state.
 */
export interface StorageAppend {
  readonly seq: number;
  readonly hardState?: HardState;
  readonly snapshot?: SnapshotMeta;
  readonly entries: readonly Entry[];
  /** False when only the commit index moved: the write may then wait for the next sync. */
  readonly mustSync: boolean;
}

/** One batch of work for the shell. See the package's manual for the order of duties. */
export interface Ready {
  /** Present when role or leader changed. */
  readonly softState?: SoftState;
  /** Write this, then call `storageAppended`. Several writes may be in flight. */
  readonly append?: StorageAppend;
  /** May leave at once. What must wait for a write is kept inside the core until `storageAppended`. */
  readonly messages: readonly Message[];
  /** Committed and durable here: apply in order, then call `applied(lastIndex)`. */
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Reads that will get no answer (leader lost or changed): fail them, or ask again with a *new* readIndex call. */
  readonly readsDropped: readonly bigint[];
}

/** Why a request was refused; nothing of it will happen. */
export type RefusalReason =
  /** No leader is known; try again after an election. */
  | "noLeader"
  /** Leadership is being handed over; try again in a moment. */
  | "transferring"
  /** Too many bytes are proposed and not yet committed: back-pressure. */
  | "tooManyUncommitted"
  /** This member is not (or no longer) part of the configuration. */
  | "notMember"
  /** One membership change is still in the log, or no entry of this term is committed yet. */
  | "confChangePending"
  /** The membership change makes no sense in the present configuration. */
  | "invalidConfChange"
  /** Too many reads wait for a quorum. */
  | "tooManyReads";

/** `proposed`: it is in this leader's log there. `forwarded`: sent to the leader; it may get lost without notice. */
export type ProposeResult =
  | { readonly kind: "proposed"; readonly index: number; readonly term: number }
  | { readonly kind: "forwarded"; readonly leader: NodeId }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/** `waiting`: a ReadState or a dropped read with this id will come (or, when messages get lost, nothing). */
export type ReadIndexResult =
  | { readonly kind: "waiting"; readonly id: bigint }
  | { readonly kind: "refused"; readonly reason: RefusalReason };

/** How the leader sends to one member. */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** The leader's knowledge of one member. */
export interface ProgressStatus {
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  readonly learner: boolean;
  readonly recentActive: boolean;
  readonly paused: boolean;
  readonly pendingSnapshot: number;
  readonly inflight: number;
}

/** A copy of what the core knows, for metrics, status calls and tests. */
export interface Status {
  readonly id: NodeId;
  readonly term: number;
  readonly vote: NodeId;
  readonly role: Role;
  readonly leader: NodeId;
  readonly commit: number;
  readonly applied: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  /** Entries up to here are durable. */
  readonly stableIndex: number;
  readonly conf: ConfState;
  /** Filled on the leader only. */
  readonly progress: ReadonlyMap<NodeId, ProgressStatus>;
  readonly transferTarget: NodeId;
  readonly uncommittedBytes: number;
  readonly pendingReads: number;
  /** Ticks since the oldest unacknowledged write was handed out; 0 when none is. */
  readonly oldestUnackedAppendTicks: number;
}
