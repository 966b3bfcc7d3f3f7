/** How long a key waits after failures: doubled for each one in a row. */
export interface Backoff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/** 10 ms makes a lost race cheap; 30 s keeps a hopeless key from costing anything and a cured one from waiting long. */
export const DEFAULT_BACKOFF: Backoff = { baseMs: 10, maxMs: 30_000 };

/**
 * A key that failed and changes meanwhile is looked at sooner than its back-off says, but not at once: the change may be
 * the echo of the failed work itself.
 */
const CHANGED_PAUSE_MS = 100;

interface Waiting {
  readonly at: number;
  readonly order: number;
}

/**
 * A queue of keys: a key that waits is there once, a key that is being worked on is handed out to nobody else, and one
 * that is added meanwhile is handed out again afterwards. Pure: time comes in as an argument.
 */
export class WorkQueue {
  private readonly backoff: Backoff;
  /** Insertion order is the order of work; the value is when the key was added. */
  private readonly ready = new Map<string, number>();
  private readonly delayed = new Map<string, Waiting>();
  private readonly active = new Set<string>();
  /** Added while being worked on. */
  private readonly again = new Map<string, number>();
  private readonly failures = new Map<string, number>();
  private order = 0;
  /** No delayed key is due before this. */
  private dueAt = Infinity;

  constructor(backoff: Backoff = DEFAULT_BACKOFF) {
    this.backoff = backoff;
  }

  /** Keys that are ready to be worked on. */
  get depth(): number {
    return this.ready.size;
  }

  /** Keys that are being worked on. */
  get activeCount(): number {
    return this.active.size;
  }

  /** Adds a key; false: it waits already. A back-off is cut short: something changed. */
  add(key: string, now: number): boolean {
    if (this.active.has(key)) {
      if (this.again.has(key)) return false;
      this.again.set(key, now);
      return true;
    }
    if (this.ready.has(key)) return false;
    if (this.failures.has(key)) {
      this.delay(key, now + CHANGED_PAUSE_MS);
      return true;
    }
    this.delayed.delete(key);
    this.ready.set(key, now);
    return true;
  }

  /** Adds a key later; of several times the earliest counts. */
  addAfter(key: string, delayMs: number, now: number): void {
    if (delayMs <= 0) {
      this.add(key, now);
      return;
    }
    if (this.ready.has(key) || this.again.has(key)) return;
    this.delay(key, now + delayMs);
  }

  /** Hands out the next key and how long it waited, or nothing. */
  take(now: number): { key: string; waitedMs: number } | undefined {
    this.promote(now);
    for (const [key, addedAt] of this.ready) {
      this.ready.delete(key);
      this.active.add(key);
      return { key, waitedMs: now - addedAt };
    }
    return undefined;
  }

  /** The work on a key ended well; `requeueAfterMs`: look at it again then, whatever happens. */
  succeeded(key: string, now: number, requeueAfterMs?: number): void {
    this.failures.delete(key);
    this.finish(key, now);
    if (requeueAfterMs !== undefined) this.addAfter(key, requeueAfterMs, now);
  }

  /** The work on a key failed; it waits for its back-off, which is the answer. */
  failed(key: string, now: number): number {
    const count = this.failures.get(key) ?? 0;
    this.failures.set(key, count + 1);
    const pause = Math.min(this.backoff.maxMs, this.backoff.baseMs * 2 ** count);
    const changed = this.again.delete(key);
    this.finish(key, now);
    this.delay(key, now + (changed ? Math.min(pause, CHANGED_PAUSE_MS) : pause));
    return pause;
  }

  /** The work on a key ended and is not to be tried again until it is added. */
  gaveUp(key: string, now: number): void {
    this.failures.delete(key);
    this.finish(key, now);
  }

  /** `take` has nothing new before this time; undefined if no key is delayed. */
  nextDueAt(): number | undefined {
    return this.delayed.size === 0 ? undefined : this.dueAt;
  }

  private delay(key: string, at: number): void {
    const known = this.delayed.get(key);
    if (known !== undefined && known.at <= at) return;
    this.delayed.set(key, { at, order: this.order++ });
    this.dueAt = Math.min(this.dueAt, at);
  }

  private finish(key: string, now: number): void {
    this.active.delete(key);
    const addedAt = this.again.get(key);
    if (addedAt === undefined) return;
    this.again.delete(key);
    this.delayed.delete(key);
    this.ready.set(key, Math.min(addedAt, now));
  }

  private promote(now: number): void {
    if (now < this.dueAt) return;
    this.dueAt = Infinity;
    const due: [string, Waiting][] = [];
    for (const entry of this.delayed) {
      if (entry[1].at <= now) due.push(entry);
      else this.dueAt = Math.min(this.dueAt, entry[1].at);
    }
    due.sort(([, a], [, b]) => a.at - b.at || a.order - b.order);
    for (const [key, { at }] of due) {
      this.delayed.delete(key);
      if (this.active.has(key)) this.again.set(key, at);
      else this.ready.set(key, at);
    }
  }
}
