import { type Clock, errorFrom } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import { ANONYMOUS } from "../auth/user.ts";
import type { ConsistentReads } from "../storage/consistent-reads.ts";
import type { WatchCache } from "../storage/watch-cache.ts";
import { type Exchange, sendBytes } from "./exchange.ts";

/** Between two questions to the store whether a majority answers. Each costs one round of Raft heartbeats. */
const PROBE_EVERY_MS = 1000;

/**
 * How long the last good answer counts. An election of the store takes one to two seconds and passes by itself: taking
 * every server out of rotation for it would only turn slow requests into refused ones.
 */
const GOOD_FOR_MS = 3500;

/** What a balancer asks several times a second: answered from what is known, never by asking anybody. */
export class Readiness {
  private readonly cache: WatchCache;
  private readonly reads: ConsistentReads;
  private readonly clock: Clock;
  private readonly log: Logger;
  private lastGood = Number.NEGATIVE_INFINITY;
  private isStopping = false;
  private cancel: (() => void) | undefined;
  private wasReady = false;

  constructor(cache: WatchCache, reads: ConsistentReads, clock: Clock, log: Logger) {
    this.cache = cache;
    this.reads = reads;
    this.clock = clock;
    this.log = log;
  }

  /** Why this server should not be asked; empty when it is ready. */
  problems(): string[] {
    const out: string[] = [];
    if (this.isStopping) out.push("shutdown: the server is going down");
    if (!this.cache.synced) out.push("watch-cache: not caught up with the store");
    if (this.clock.monotonic() - this.lastGood > GOOD_FOR_MS) out.push("store: no answer from a majority lately");
    return out;
  }

  start(): void {
    void this.probe();
  }

  /** From here on `/readyz` fails, while requests under way still end. */
  beginShutdown(): void {
    this.isStopping = true;
  }

  stop(): void {
    this.isStopping = true;
    this.cancel?.();
  }

  private async probe(): Promise<void> {
    const started = this.clock.monotonic();
    try {
      await this.reads.revision();
      this.lastGood = started;
    } catch (thrown) {
      this.log.debug("store probe failed", { err: errorFrom(thrown) });
    }
    const problems = this.problems();
    if ((problems.length === 0) !== this.wasReady) {
      this.wasReady = problems.length === 0;
      this.log.info(this.wasReady ? "ready" : "not ready", { problems });
    }
    this.cancel = this.clock.after(PROBE_EVERY_MS, () => void this.probe());
  }
}

/** Answers `/livez`, `/readyz` and `/healthz`; false for other paths. */
export function serveHealth(exchange: Exchange, readiness: Readiness): boolean {
  const { path, response } = exchange;
  if (path !== "/livez" && path !== "/readyz" && path !== "/healthz") return false;
  const problems = path === "/livez" ? [] : readiness.problems();
  // Strangers learn whether, not why.
  const shown = exchange.caller.user === ANONYMOUS ? ["not ready"] : problems;
  if (problems.length === 0) sendBytes(response, 200, "ok", "text/plain; charset=utf-8");
  else sendBytes(response, 500, `${shown.map((one) => `[-]${one}`).join("\n")}\n`, "text/plain; charset=utf-8");
  return true;
}
