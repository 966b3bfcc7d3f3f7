import { type Clock, errorFrom } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import type { Replica } from "./replica.ts";

/** How often a period is looked at: history lives between one period and a tenth more. */
const CHECKS_PER_PERIOD = 10;

/** Lets history older than a period go. The leader asks for it through the log, so that all members forget the same. */
export class Compactor {
  private readonly replica: Replica;
  private readonly self: bigint;
  private readonly periodMs: number;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly seen: { at: number; revision: number }[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(options: { replica: Replica; self: bigint; periodMs: number; clock: Clock; log: Logger }) {
    this.replica = options.replica;
    this.self = options.self;
    this.periodMs = options.periodMs;
    this.clock = options.clock;
    this.log = options.log;
  }

  start(): void {
    if (this.periodMs === 0) return;
    this.timer = setInterval(() => void this.check(), this.periodMs / CHECKS_PER_PERIOD);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async check(): Promise<void> {
    const { store } = this.replica;
    const now = this.clock.monotonic();
    this.seen.push({ at: now, revision: store.revision });
    let old: number | undefined;
    while (this.seen.length > 0 && this.seen[0]!.at <= now - this.periodMs) old = this.seen.shift()!.revision;
    if (old === undefined || old <= store.compactRevision || this.replica.currentLeader !== this.self) return;
    try {
      const value = { revision: BigInt(old), physical: false };
      const outcome = await this.replica.propose({ $case: "compact", value });
      if (outcome.error === undefined) this.log.info("history compacted", { revision: old });
    } catch (error) {
      this.log.warn("compaction failed", { revision: old, err: errorFrom(error) });
    }
  }
}
