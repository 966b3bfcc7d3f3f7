import type { RaftConfig } from "./config.ts";
import type {
  ConfChange,
  ConfState,
  Message,
  NodeId,
  ProposeResult,
  ReadIndexResult,
  Ready,
  SnapshotMeta,
  Status,
  StorageAppend,
} from "./types.ts";

/** One member of a Raft group: a synchronous state machine without clock, I/O or randomness of its own. */
export class Raft {
  constructor(config: RaftConfig) {
    throw new Error(`not implemented: ${config.id}`);
  }

  /** One unit of time passed. */
  tick(): void {
    throw new Error("not implemented");
  }

  /** A message arrived from another member. */
  step(_message: Message): void {
    throw new Error("not implemented");
  }

  /** Asks for `data` to be appended to the log. */
  propose(_data: Uint8Array): ProposeResult {
    throw new Error("not implemented");
  }

  /** Asks for a membership change; it takes effect when its entry is applied. */
  proposeConfChange(_change: ConfChange): ProposeResult {
    throw new Error("not implemented");
  }

  /** Begins a linearizable read; the answer comes as a ReadState. */
  readIndex(): ReadIndexResult {
    throw new Error("not implemented");
  }

  /** Asks the leader to hand over to `target`. False: no leader known. */
  transferLeadership(_target: NodeId): boolean {
    throw new Error("not implemented");
  }

  /** Campaigns now (tests and tools). */
  campaign(): void {
    throw new Error("not implemented");
  }

  /** Hands out the work that has gathered, or undefined. The same work is never handed out twice. */
  ready(): Ready | undefined {
    throw new Error("not implemented");
  }

  /** Whether `ready()` would return something. */
  hasReady(): boolean {
    throw new Error("not implemented");
  }

  /** The write is durable. Call in the order of `seq`. */
  storageAppended(_append: Pick<StorageAppend, "seq">): void {
    throw new Error("not implemented");
  }

  /** The state machine has applied everything up to `index`. */
  applied(_index: number): void {
    throw new Error("not implemented");
  }

  /** A snapshot taken by this member became durable: it may be sent to followers and allows compaction up to it. */
  snapshotCreated(_meta: SnapshotMeta): void {
    throw new Error("not implemented");
  }

  /** Forgets entries up to and including `index`, which a durable snapshot must cover. */
  compact(_index: number): void {
    throw new Error("not implemented");
  }

  /** The stream of a snapshot to `to` ended; `ok` says whether the receiver has all of it. */
  reportSnapshot(_to: NodeId, _ok: boolean): void {
    throw new Error("not implemented");
  }

  /** The transport to `to` failed: messages may be lost. */
  reportUnreachable(_to: NodeId): void {
    throw new Error("not implemented");
  }

  /** The membership as of the last applied entry: what belongs into a snapshot taken now. */
  confState(): ConfState {
    throw new Error("not implemented");
  }

  /** The term of the entry at `index`, or undefined when it is compacted or not there. */
  termAt(_index: number): number | undefined {
    throw new Error("not implemented");
  }

  /** A copy of the state for metrics and people. */
  status(): Status {
    throw new Error("not implemented");
  }
}
