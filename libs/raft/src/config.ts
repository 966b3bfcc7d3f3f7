import { assert } from "@trireme/base";
import type { Prng } from "@trireme/base";
import type { Entry, HardState, NodeId, SnapshotMeta } from "./types.ts";

/** What a member starts from: read back from disk, or {@link bootstrapState} for a new cluster. */
export interface InitialState {
  readonly hardState: HardState;
  /** The newest durable snapshot. The state machine has been loaded from it before the core is constructed. */
  readonly snapshot: SnapshotMeta;
  /** The log, consecutive; it may begin before `snapshot.index` (kept for slow followers) but leaves no gap after it. */
  readonly entries: readonly Entry[];
}

/** Everything the core has to know. PreVote and CheckQuorum are always on. */
export interface RaftConfig {
  readonly id: NodeId;
  readonly initial: InitialState;
  /** Draws election timeouts and the base of read ids; seed it differently in every process life. */
  readonly prng: Prng;
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
  /** Appends in flight to one follower (etcd: 512): fills a long fat pipe, bounds what a lost stream must resend. */
  readonly maxInflightMsgs?: number;
  /** Bytes in flight to one follower: bounds memory in transport queues. */
  readonly maxInflightBytes?: number;
  /** Bytes of entries in one append (etcd: 1 MiB), and in one batch of committed entries. */
  readonly maxMessageBytes?: number;
  /** Bytes proposed and not yet committed before proposals are refused. */
  readonly maxUncommittedBytes?: number;
  /** Bytes handed out as committed and not yet applied before the core holds the rest back. */
  readonly maxApplyingBytes?: number;
  /** Reads waiting for a quorum before more are refused. */
  readonly maxPendingReads?: number;
  /**
   * Whether a commit index that moved on waits for the next entries, heartbeat or `tellCommits` to carry it, instead of a
   * message of its own to each follower. Entries that somebody else than this leader waits for are told at once.
   */
  readonly commitsRide?: boolean;
  /** A write unacknowledged for this long makes a leader hand over and step down, and bars a campaign. */
  readonly appendTimeoutTicks?: number;
}

/** {@link RaftConfig} with every default filled in. */
export type ResolvedConfig = Required<RaftConfig>;

/** Fills defaults and asserts the relations between the bounds. */
export function resolveConfig(config: RaftConfig): ResolvedConfig {
  const electionTicks = config.electionTicks ?? 10;
  const resolved: ResolvedConfig = {
    id: config.id,
    initial: config.initial,
    prng: config.prng,
    electionTicks,
    heartbeatTicks: config.heartbeatTicks ?? 1,
    maxInflightMsgs: config.maxInflightMsgs ?? 512,
    maxInflightBytes: config.maxInflightBytes ?? 32 * 1024 * 1024,
    maxMessageBytes: config.maxMessageBytes ?? 1024 * 1024,
    maxUncommittedBytes: config.maxUncommittedBytes ?? 64 * 1024 * 1024,
    maxApplyingBytes: config.maxApplyingBytes ?? 16 * 1024 * 1024,
    maxPendingReads: config.maxPendingReads ?? 65_536,
    commitsRide: config.commitsRide ?? false,
    // Two election timeouts: long enough for a slow sync on a busy disk, short enough that with the hand-over a new
    // leader stands within three.
    appendTimeoutTicks: config.appendTimeoutTicks ?? 2 * electionTicks,
  };
  assert(resolved.id > 0n, "a member's id is a positive uint64");
  assert(resolved.heartbeatTicks > 0, "heartbeatTicks is positive");
  assert(resolved.electionTicks > resolved.heartbeatTicks, "electionTicks exceeds heartbeatTicks");
  assert(resolved.maxInflightMsgs > 0, "maxInflightMsgs is positive");
  assert(resolved.maxInflightBytes >= resolved.maxMessageBytes, "a full message fits into the bytes in flight");
  return resolved;
}

/**
 * The state with which every founding member of a cluster starts. It is a snapshot of the empty state machine at index 1,
 * so that a member that joins later (with {@link joiningState}, at index 0) always begins with a snapshot and thereby
 * learns the founding configuration.
 */
export function bootstrapState(voters: readonly NodeId[]): InitialState {
  const conf = { voters: [...voters], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  return {
    hardState: { term: 1, vote: 0n, commit: 1 },
    snapshot: { index: 1, term: 1, conf },
    entries: [],
  };
}

/** The state with which a member joins an existing cluster: it knows nobody and waits for a leader's snapshot. */
export function joiningState(): InitialState {
  return {
    hardState: { term: 0, vote: 0n, commit: 0 },
    snapshot: {
      index: 0,
      term: 0,
      conf: { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
    },
    entries: [],
  };
}
