import { type Clock, TriremeError, errorFrom } from "@trireme/base";
import { type MvccStore, takeSnapshot } from "@trireme/mvcc";
import type { Raft, SnapshotMeta } from "@trireme/raft";
import type { Histogram, Logger } from "@trireme/telemetry";
import { pruneSnapshots } from "../snapshot/snapshot-dir.ts";
import { writeSnapshotFile } from "../snapshot/snapshot-file.ts";
import type { Wal } from "../wal/wal.ts";

/**
 * A snapshot is also due after so many entries (or as many as there are keys, so that it stays cheap beside them): they
 * all sit in memory until one covers them.
 */
const MAX_ENTRIES_BETWEEN = 25_000;

/** Bytes of log kept behind a snapshot, about, however few entries that are: they sit in memory, too. */
const MAX_TRAILING_BYTES = 8 * 1024 * 1024;

/** After a failure, e.g. a full disk, so that trying again does not add to the trouble. */
const RETRY_MS = 30_000;

export interface SnapshotterOptions {
  readonly raft: Raft;
  readonly store: MvccStore;
  readonly wal: Wal;
  readonly dir: string;
  /** Bytes of log after which a snapshot is due, unless the state itself is larger. */
  readonly snapshotBytes: number;
  /** Entries kept behind a snapshot. */
  readonly trailingEntries: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: { readonly snapshotSeconds: Histogram };
  readonly schedule: () => void;
}

/** Writes a snapshot of the state now and then, and lets go of the log that it covers. */
export class Snapshotter {
  /** The newest durable snapshot. */
  newest: SnapshotMeta | undefined;
  private readonly options: SnapshotterOptions;
  private running: Promise<void> | undefined;
  private bytesAtLast = 0;
  /** Bytes that an entry took on average before the newest snapshot. */
  private entryBytes = 0;
  private notBefore = 0;
  private stopped = false;
  private wanted = false;

  constructor(options: SnapshotterOptions) {
    this.options = options;
  }

  /** Begins a snapshot if one is due and none is being written. */
  maybeTake(): void {
    const { wal, store, snapshotBytes, clock } = this.options;
    if (this.running !== undefined || this.stopped) return;
    const due = wal.writtenBytes - this.bytesAtLast > Math.max(snapshotBytes, store.sizeBytes);
    const entries = store.appliedIndex - (this.newest?.index ?? 0);
    const many = entries > Math.max(MAX_ENTRIES_BETWEEN, store.keyCount);
    if (!(due || many || this.wanted) || clock.monotonic() < this.notBefore) return;
    this.wanted = false;
    this.entryBytes = (wal.writtenBytes - this.bytesAtLast) / Math.max(1, entries);
    this.bytesAtLast = wal.writtenBytes;
    this.running = this.take()
      .catch((error: unknown) => {
        this.notBefore = clock.monotonic() + RETRY_MS;
        this.options.log.error("snapshot failed", { err: errorFrom(error) });
      })
      .finally(() => {
        this.running = undefined;
      });
  }

  /** Somebody needs a snapshot and none is at hand: one is begun at the next occasion. */
  want(): void {
    this.wanted = true;
    this.options.schedule();
  }

  /** Writes a snapshot now, after one that may be under way, and lets go of the log that it covers. */
  async takeNow(): Promise<void> {
    await this.running;
    this.want();
    this.maybeTake();
    await this.running;
  }

  /** A snapshot of the leader is in place. */
  installed(meta: SnapshotMeta): void {
    this.newest = meta;
    this.bytesAtLast = this.options.wal.writtenBytes;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async take(): Promise<void> {
    const { raft, store, dir, log, clock, metrics } = this.options;
    const index = store.appliedIndex;
    const term = raft.termAt(index);
    if (term === undefined || index <= (this.newest?.index ?? 0)) return;
    const meta: SnapshotMeta = { index, term, conf: raft.confState() };
    const started = clock.monotonic();
    const snapshot = takeSnapshot(store);
    try {
      const { bytes } = await writeSnapshotFile(dir, meta, () => {
        if (this.stopped) throw new TriremeError("Cancelled", "the member stops");
        return snapshot.next();
      });
      const ms = clock.monotonic() - started;
      metrics.snapshotSeconds.observe(ms / 1000);
      log.info("snapshot written", { index, term, bytes, ms: Math.round(ms) });
    } finally {
      snapshot.release();
    }
    await this.adopt(meta);
  }

  /** The file is durable: say so in the log, then drop what it covers. */
  private async adopt(meta: SnapshotMeta): Promise<void> {
    const { wal, raft, dir, schedule, trailingEntries } = this.options;
    // A newer one may have come from the leader meanwhile.
    if (this.stopped || meta.index <= (this.newest?.index ?? 0)) return;
    await new Promise<void>((resolve) => {
      wal.append({ entries: [], snapshot: { meta, installed: false }, mustSync: true, onDurable: resolve });
    });
    if (this.stopped || meta.index <= (this.newest?.index ?? 0)) return;
    this.newest = meta;
    raft.snapshotCreated(meta);
    const keepFrom = meta.index - Math.min(trailingEntries, Math.floor(MAX_TRAILING_BYTES / this.entryBytes));
    if (keepFrom > 0) raft.compact(keepFrom);
    schedule();
    await wal.release(Math.max(0, keepFrom));
    await pruneSnapshots(dir);
  }
}
