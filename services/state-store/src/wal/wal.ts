import { type FileHandle, mkdir, open, rename, unlink } from "node:fs/promises";
import path from "node:path";
import { assert } from "@trireme/base";
import type { Entry, HardState, SnapshotMeta } from "@trireme/raft";
import { FrameWriter } from "./frame.ts";
import { type LogContents, type SegmentInfo, readLog, segmentName } from "./read.ts";
import {
  type LogIdentity,
  writeBatch,
  writeEntry,
  writeHardState,
  writeSegmentHeader,
  writeSnapshotMark,
} from "./records.ts";

/** A group commit stops gathering here, so that one sync never carries more than a disk writes in a few heartbeats. */
const MAX_BATCH_BYTES = 8 * 1024 * 1024;

/** One durable write. `onDurable` runs after the sync that covers it, in the order of the writes. */
export interface WalWrite {
  readonly entries: readonly Entry[];
  readonly hardState?: HardState | undefined;
  /** A mark of a snapshot whose file is durable already. */
  readonly snapshot?: { readonly meta: SnapshotMeta; readonly installed: boolean } | undefined;
  readonly mustSync: boolean;
  readonly onDurable: () => void;
}

export interface WalOptions {
  readonly dir: string;
  readonly identity: LogIdentity;
  /** A segment is allocated whole and closed when it is full. */
  readonly segmentBytes: number;
  /** Told how long each sync took. */
  readonly onSync: (seconds: number) => void;
  /**
   * A write or sync failed. Must end the process: after a failed sync the kernel may have dropped the pages, and the
   * next sync would lie.
   */
  readonly onFatal: (error: unknown) => void;
}

/**
 * The write-ahead log. Writes queue while one batch is on its way to the disk; the next batch takes all of them with
 * one sync. Nothing here blocks the event loop.
 */
export class Wal {
  private readonly options: WalOptions;
  private readonly writer: FrameWriter;
  private segments: SegmentInfo[];
  private handle: FileHandle;
  private position: number;
  private synced: number;
  private queue: WalWrite[] = [];
  private running = false;
  private closed = false;
  private lastHardState: HardState | undefined;
  /** The last hard state is not in the file yet. */
  private deferred = false;
  private lastSnapshot: SnapshotMeta | undefined;
  private idle: (() => void)[] = [];
  /** Bytes written since the process started; a snapshot is due when this has grown enough. */
  writtenBytes = 0;

  private constructor(options: WalOptions, contents: LogContents, handle: FileHandle) {
    this.options = options;
    this.writer = new FrameWriter(contents.crc);
    this.segments = [...contents.segments];
    this.handle = handle;
    this.position = contents.end;
    this.synced = contents.end;
    this.lastHardState = contents.hardState;
    this.lastSnapshot = contents.snapshots.at(-1);
  }

  /** Opens the log, makes it if there is none, and answers what it holds. */
  static async open(options: WalOptions): Promise<{ wal: Wal; contents: LogContents }> {
    await mkdir(options.dir, { recursive: true, mode: 0o700 });
    let contents = await readLog(options.dir);
    if (contents.segments.length === 0) {
      const writer = new FrameWriter(0);
      writeSegmentHeader(writer, { ...options.identity, crc: 0 });
      const file = await createSegment(options.dir, 1, writer.take(), options.segmentBytes);
      await file.close();
      contents = await readLog(options.dir);
    }
    assert(contents.identity?.memberId === options.identity.memberId, "the log belongs to this member");
    assert(contents.identity.clusterId === options.identity.clusterId, "the log belongs to this cluster");
    const handle = await open(contents.segments.at(-1)!.file, "r+");
    // What was read was acted upon; make sure that it is as durable as it seemed, the segment's name included: an earlier
    // life may have ended between renaming it and syncing its directory.
    await handle.datasync();
    await syncDirectory(options.dir);
    return { wal: new Wal(options, contents, handle), contents };
  }

  /** Queues a write. */
  append(write: WalWrite): void {
    assert(!this.closed, "the log is open");
    this.queue.push(write);
    if (!this.running) void this.run();
  }

  /** Writes that wait for the disk. */
  get queued(): number {
    return this.queue.length;
  }

  /** Deletes segments all of whose entries are at or below `index`; a durable snapshot must cover them. */
  async release(index: number): Promise<void> {
    while (this.segments.length > 1 && this.segments[0]!.lastIndex <= index) {
      await unlink(this.segments.shift()!.file);
    }
  }

  /** Waits for what is queued, then closes. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.running) await new Promise<void>((resolve) => this.idle.push(resolve));
    if (this.deferred) {
      writeBatch(this.writer, this.synced);
      this.encodeDeferred();
      await this.write(this.writer.take(), false);
    }
    await this.handle.close();
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.queue.length > 0) {
        if (this.queue.every(canWait)) {
          await this.defer();
          continue;
        }
        const batch = this.encode();
        await this.write(
          this.writer.take(),
          batch.some((write) => write.mustSync),
        );
        for (const write of batch) write.onDurable();
        if (this.position >= this.options.segmentBytes) await this.roll();
      }
    } catch (error) {
      this.options.onFatal(error);
      return;
    }
    this.running = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  /** What is queued is carried by the next write that needs the disk: one write less for each commit. */
  private async defer(): Promise<void> {
    const writes = this.queue.splice(0);
    // Never within the caller's own turn. What is queued meanwhile may need the disk: it is none of these.
    await Promise.resolve();
    for (const write of writes) {
      this.lastHardState = write.hardState ?? this.lastHardState;
      this.deferred = true;
      write.onDurable();
    }
  }

  private encode(): WalWrite[] {
    writeBatch(this.writer, this.synced);
    const segment = this.segments.at(-1)!;
    let taken = 0;
    while (taken < this.queue.length && (taken === 0 || this.writer.length < MAX_BATCH_BYTES)) {
      const write = this.queue[taken++]!;
      if (write.snapshot !== undefined) {
        writeSnapshotMark(this.writer, write.snapshot.meta, write.snapshot.installed);
        this.lastSnapshot = write.snapshot.meta;
      }
      for (const entry of write.entries) {
        writeEntry(this.writer, entry);
        segment.lastIndex = Math.max(segment.lastIndex, entry.index);
      }
      if (write.hardState !== undefined) {
        writeHardState(this.writer, write.hardState);
        this.lastHardState = write.hardState;
        this.deferred = false;
      }
    }
    this.encodeDeferred();
    return this.queue.splice(0, taken);
  }

  private encodeDeferred(): void {
    if (this.deferred && this.lastHardState !== undefined) writeHardState(this.writer, this.lastHardState);
    this.deferred = false;
  }

  private async write(bytes: Buffer, sync: boolean): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      done += (await this.handle.write(bytes, done, bytes.length - done, this.position + done)).bytesWritten;
    }
    this.position += bytes.length;
    this.writtenBytes += bytes.length;
    if (!sync) return;
    const started = performance.now();
    await this.handle.datasync();
    this.options.onSync((performance.now() - started) / 1000);
    this.synced = this.position;
  }

  /** Closes the full segment and begins the next, which repeats what a reader needs when the older ones are gone. */
  private async roll(): Promise<void> {
    await this.handle.datasync();
    const { crc } = this.writer;
    const sequence = this.segments.at(-1)!.sequence + 1;
    writeSegmentHeader(this.writer, { ...this.options.identity, crc });
    if (this.lastSnapshot !== undefined) writeSnapshotMark(this.writer, this.lastSnapshot, false);
    if (this.lastHardState !== undefined) writeHardState(this.writer, this.lastHardState);
    const header = this.writer.take();
    const length = header.length;
    const next = await createSegment(this.options.dir, sequence, header, this.options.segmentBytes);
    await this.handle.close();
    this.handle = next;
    this.segments.push({ sequence, file: path.join(this.options.dir, segmentName(sequence)), lastIndex: 0 });
    this.position = length;
    this.synced = length;
  }
}

/** Whether nothing is lost with the write but how far commits had come, which any leader tells anew. */
function canWait(write: WalWrite): boolean {
  return !write.mustSync && write.entries.length === 0 && write.snapshot === undefined;
}

/** A segment appears whole or not at all: written under another name, synced, renamed, the directory synced. */
async function createSegment(dir: string, sequence: number, header: Buffer, bytes: number): Promise<FileHandle> {
  const name = path.join(dir, segmentName(sequence));
  const handle = await open(`${name}.tmp`, "w+", 0o600);
  await handle.truncate(bytes);
  await handle.write(header, 0, header.length, 0);
  await handle.sync();
  await rename(`${name}.tmp`, name);
  await syncDirectory(dir);
  return handle;
}

/** Makes names in a directory durable. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
