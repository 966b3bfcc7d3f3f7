import { type Clock, errorFrom } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import { type HistoryMark, HistoryMarks } from "./history-marks.ts";
import type { Replica } from "./replica.ts";

/** How often a period is looked at: history lives between one period and a tenth more. */
const CHECKS_PER_PERIOD = 10;

/** After a compaction that failed, so that trying again does not add to the trouble. */
const RETRY_MS = 1000;

/**
 * Lets history go that is older than a period, or more than so many bytes. The leader asks for it through the log, so that
 * all members forget the same.
 */
export class Compactor {
  private readonly replica: Replica;
  private readonly self: bigint;
  private readonly periodMs: number;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly seen: { at: number; revision: number }[] = [];
  private readonly marks: HistoryMarks;
  private timer: NodeJS.Timeout | undefined;
  private compacting = false;
  private notBefore = 0;

  /** `periodMs` and `historyBytes`: 0 sets no bound of that kind. */
  constructor(options: {
    replica: Replica;
    self: bigint;
    periodMs: number;
    historyBytes: number;
    clock: Clock;
    log: Logger;
  }) {
    this.replica = options.replica;
    this.self = options.self;
    this.periodMs = options.periodMs;
    this.clock = options.clock;
    this.log = options.log;
    this.marks = new HistoryMarks(options.historyBytes);
  }

  start(): void {
    if (this.periodMs === 0) return;
    this.timer = setInterval(() => this.checkAge(), this.periodMs / CHECKS_PER_PERIOD);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** A command was applied: looks whether there is more history than there may be. Call it for each; it costs a comparison. */
  applied(): void {
    const { store } = this.replica;
    const now: HistoryMark = { revision: store.revision, writtenBytes: store.writtenBytes };
    const old = this.marks.pass(now, store.sizeBytes - store.liveBytes, store.liveBytes);
    if (old !== undefined) void this.compact(old);
  }

  private checkAge(): void {
    const now = this.clock.monotonic();
    this.seen.push({ at: now, revision: this.replica.store.revision });
    let old: number | undefined;
    while (this.seen.length > 0 && this.seen[0]!.at <= now - this.periodMs) old = this.seen.shift()!.revision;
    if (old !== undefined) void this.compact(old);
  }

  private async compact(revision: number): Promise<void> {
    const { store, currentLeader } = this.replica;
    if (revision <= store.compactRevision || currentLeader !== this.self) return;
    if (this.compacting || this.clock.monotonic() < this.notBefore) return;
    this.compacting = true;
    try {
      const value = { revision: BigInt(revision), physical: false };
      const outcome = await this.replica.propose({ $case: "compact", value }, true);
      if (outcome.error === undefined) this.log.info("history compacted", { revision });
    } catch (error) {
      this.notBefore = this.clock.monotonic() + RETRY_MS;
      this.log.warn("compaction failed", { revision, err: errorFrom(error) });
    } finally {
      this.compacting = false;
    }
  }
}
