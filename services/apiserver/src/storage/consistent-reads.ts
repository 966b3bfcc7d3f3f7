import { TriremeError, errorFrom } from "@trireme/base";
import type { StoreClient } from "@trireme/store-client";
import type { WatchCache } from "./watch-cache.ts";

/** How long a read waits for the cache to reach the store's revision; then it reads the store itself. */
const CACHE_WAIT_MS = 1500;

/** How long a client may make the server wait for a revision that it names: a few elections' worth, as in Kubernetes. */
const FUTURE_REVISION_WAIT_MS = 3000;

/**
 * Linearizable reads from the cache. One question to the store (a ReadIndex) serves all who asked before it was sent:
 * whoever comes while it is under way waits for the next.
 */
export class ConsistentReads {
  private readonly store: StoreClient;
  private readonly cache: WatchCache;
  private next: Promise<number> | undefined;
  private running: Promise<unknown> = Promise.resolve();

  constructor(store: StoreClient, cache: WatchCache) {
    this.store = store;
    this.cache = cache;
  }

  /** A revision that is at least as new as every write acknowledged before this call. */
  revision(): Promise<number> {
    // Invariant: `next` has not been sent yet, so that joining it never answers with an older revision.
    this.next ??= this.running.then(() => {
      this.next = undefined;
      const sent = this.store.readRevision();
      this.running = sent.catch((thrown: unknown) => errorFrom(thrown));
      return sent;
    });
    return this.next;
  }

  /** Resolves true when the cache is linearizable now, false when it lags and the store must answer. */
  async fresh(): Promise<boolean> {
    // While the cache fills it will not be ready soon; the store answers single reads at once.
    if (!this.cache.synced) return false;
    return this.cache.waitFor(await this.revision(), CACHE_WAIT_MS);
  }

  /** Waits until the cache is not older than the revision that a client named. */
  async notOlderThan(revision: number): Promise<void> {
    if (await this.cache.waitFor(revision, FUTURE_REVISION_WAIT_MS)) return;
    throw new TriremeError("Timeout", `Too large resource version: ${revision}, current: ${this.cache.revision}`, {
      details: {
        retryAfterSeconds: 1,
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      },
    });
  }
}
