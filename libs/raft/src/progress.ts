import type { ProgressState, ProgressStatus } from "./types.ts";

/** Bounds of what may be in flight to one follower. */
export interface InflightBounds {
  readonly messages: number;
  readonly bytes: number;
}

/**
 * The leader's view of one member (etcd's tracker.Progress). `probe`: one append at a time until logs are known to
 * agree; `replicate`: optimistic pipeline inside a window; `snapshot`: nothing until the snapshot's fate is known.
 *
 * Invariant: match < next, and everything up to match is durable on the member.
 */
export class Progress {
  match = 0;
  next: number;
  state: ProgressState = "probe";
  pendingSnapshot = 0;
  /** Heard from since the last quorum check. */
  recentActive = false;
  /** No append until an answer (of any kind) arrives. */
  paused = false;
  /** The highest commit index sent: whether an empty append would tell anything new. */
  sentCommit = 0;
  private readonly bounds: InflightBounds;
  private inflight: { readonly last: number; readonly bytes: number }[] = [];
  private inflightBytes = 0;

  constructor(next: number, bounds: InflightBounds) {
    this.next = Math.max(next, 1);
    this.bounds = bounds;
  }

  get windowFull(): boolean {
    return this.inflight.length >= this.bounds.messages || this.inflightBytes >= this.bounds.bytes;
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || this.paused;
  }

  becomeProbe(): void {
    // After a snapshot that arrived, probe right behind it; otherwise behind the last known match.
    const from = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.resetState("probe");
    this.next = from + 1;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.resetState("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.resetState("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  private resetState(state: ProgressState): void {
    this.state = state;
    this.paused = false;
    this.pendingSnapshot = 0;
    this.inflight = [];
    this.inflightBytes = 0;
  }

  /** Records an append with `count` entries. A full window turns the message into a probe: the flow pauses after it. */
  sentAppend(count: number, bytes: number, commit: number): void {
    this.sentCommit = commit;
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflight.push({ last: this.next - 1, bytes });
        this.inflightBytes += bytes;
      }
      this.paused = this.windowFull;
    } else if (this.state === "probe" && count > 0) {
      this.paused = true;
    }
  }

  /** The member holds everything up to `index`. False when that is no news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.paused = false;
    return true;
  }

  /** Frees the window up to `index`. */
  free(index: number): void {
    let count = 0;
    while (count < this.inflight.length && this.inflight[count]!.last <= index) {
      this.inflightBytes -= this.inflight[count]!.bytes;
      count += 1;
    }
    if (count > 0) this.inflight.splice(0, count);
    this.paused = this.windowFull;
  }

  /** An append at `rejected` was refused. False when the refusal is old news. */
  maybeDecrement(rejected: number, hint: number): boolean {
    if (this.state === "replicate") {
      // What was acknowledged cannot be refused now: the message was reordered.
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.next - 1);
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.paused = false;
    return true;
  }

  status(learner: boolean): ProgressStatus {
    return {
      match: this.match,
      next: this.next,
      state: this.state,
      learner,
      recentActive: this.recentActive,
      paused: this.isPaused,
      pendingSnapshot: this.pendingSnapshot,
      inflight: this.inflight.length,
    };
  }
}
