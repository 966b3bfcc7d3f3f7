import { type Clock, hasCode } from "@trireme/base";
import { EVENTS, type Event, type KubeObject, type Resource } from "@trireme/api";
import type { Logger } from "@trireme/telemetry";
import { APISERVER } from "../auth/user.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { WatchCache } from "../storage/watch-cache.ts";

/** Events are news, not history: Kubernetes keeps them this long. */
const EVENT_LIFE_MS = 60 * 60 * 1000;

const SWEEP_EVERY_MS = 60_000;

/** Deletions in one sweep: bounds the burst on the store; a backlog is worked off minute by minute. */
const MAX_PER_SWEEP = 500;

/** Deletes Events that are older than an hour. Every server sweeps; who comes second finds nothing. */
export class EventExpiry {
  private readonly pipeline: RequestPipeline;
  private readonly cache: WatchCache;
  private readonly clock: Clock;
  private readonly log: Logger;
  private cancel: (() => void) | undefined;
  private stopped = false;

  constructor(pipeline: RequestPipeline, cache: WatchCache, clock: Clock, log: Logger) {
    this.pipeline = pipeline;
    this.cache = cache;
    this.clock = clock;
    this.log = log;
  }

  start(): void {
    if (this.stopped) return;
    this.cancel = this.clock.after(SWEEP_EVERY_MS, () => {
      this.sweep()
        .catch((thrown: unknown) => this.log.warn("expired events not deleted", { err: thrown }))
        .finally(() => this.start());
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  private async sweep(): Promise<void> {
    const resource = EVENTS as Resource;
    const limit = this.clock.now() - EVENT_LIFE_MS;
    const old: KubeObject[] = [];
    for (const { object } of this.cache.of(resource).range("")) {
      if (lastSeenOf(object as Event) < limit) old.push(object);
      if (old.length >= MAX_PER_SWEEP) break;
    }
    for (const { metadata } of old) {
      const target = { resource, namespace: metadata.namespace, name: metadata.name! };
      try {
        await this.pipeline.delete({ user: APISERVER }, target, { uid: metadata.uid });
      } catch (thrown) {
        if (!hasCode(thrown, "NotFound") && !hasCode(thrown, "Conflict")) throw thrown;
      }
    }
  }
}

function lastSeenOf(event: Event): number {
  const text =
    event.lastTimestamp ?? event.series?.lastObservedTime ?? event.eventTime ?? event.metadata.creationTimestamp;
  const time = Date.parse(String(text));
  return Number.isNaN(time) ? 0 : time;
}
