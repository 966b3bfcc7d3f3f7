import { type FileHandle, open, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { TriremeError } from "@trireme/base";
import type { Entry, HardState, SnapshotMeta } from "@trireme/raft";
import { FRAME, FRAME_HEADER_BYTES, frameBytes, readFrame } from "./frame.ts";
import {
  type LogIdentity,
  readEntry,
  readHardState,
  readSegmentHeader,
  readSnapshotMark,
  wasSynced,
} from "./records.ts";

/** Disks write sectors whole: what a crash tears is a row of sectors of which some never arrived and read as zeros. */
const SECTOR_BYTES = 512;

/** One file of the log. */
export interface SegmentInfo {
  readonly sequence: number;
  readonly file: string;
  /** The highest entry index that it holds, 0 when none. */
  lastIndex: number;
}

/** What the log says when it is read from the start. */
export interface LogContents {
  readonly identity: LogIdentity | undefined;
  readonly hardState: HardState | undefined;
  /** Consecutive; those that a snapshot replaced or a later append overwrote are gone. */
  readonly entries: readonly Entry[];
  /** Snapshots whose marks are in the log, oldest first. */
  readonly snapshots: readonly SnapshotMeta[];
  readonly segments: readonly SegmentInfo[];
  /** Where the next frame goes in the last segment, and the chain's CRC there. */
  readonly end: number;
  readonly crc: number;
  /** Bytes that were cut off as a torn tail. */
  readonly tornBytes: number;
}

export function segmentName(sequence: number): string {
  return `${sequence.toString(16).padStart(16, "0")}.wal`;
}

/** Whose log lies in the directory; undefined when there is none. Reads nothing but the first header. */
export async function readIdentity(dir: string): Promise<LogIdentity | undefined> {
  const [first] = (await readdir(dir).catch(() => [])).filter((name) => /^[0-9a-f]{16}\.wal$/.test(name)).sort();
  if (first === undefined) return undefined;
  const handle = await open(path.join(dir, first), "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SECTOR_BYTES), 0, SECTOR_BYTES, 0);
    const read = readFrame(buffer.subarray(0, bytesRead), 0, undefined);
    if (read.kind !== "frame" || read.frame.type !== FRAME.segment) throw damaged(dir, `${first} has no header`);
    const { clusterId, memberId } = readSegmentHeader(read.frame.payload);
    return { clusterId, memberId };
  } finally {
    await handle.close();
  }
}

/** Reads the whole log, repairs a torn tail of the last segment, and refuses anything else that does not fit. */
export async function readLog(dir: string): Promise<LogContents> {
  const names = (await readdir(dir)).filter((name) => /^[0-9a-f]{16}\.wal$/.test(name)).sort();
  const reader = new LogReader();
  for (const [at, name] of names.entries()) {
    const sequence = Number.parseInt(name, 16);
    if (at > 0 && sequence !== reader.segments[at - 1]!.sequence + 1) {
      throw damaged(dir, `segment ${segmentName(reader.segments[at - 1]!.sequence + 1)} is missing`);
    }
    await reader.segment(path.join(dir, name), sequence, at === names.length - 1);
  }
  return reader;
}

function damaged(file: string, what: string): TriremeError {
  return new TriremeError(
    "InternalError",
    `the write-ahead log is damaged: ${file}: ${what}. What this member acknowledged may be lost, so it does not ` +
      "start. Keep the files, move the data directory away, and let the member rejoin from the others",
  );
}

class LogReader implements LogContents {
  identity: LogIdentity | undefined;
  hardState: HardState | undefined;
  entries: Entry[] = [];
  snapshots: SnapshotMeta[] = [];
  segments: SegmentInfo[] = [];
  end = 0;
  crc = 0;
  tornBytes = 0;
  private lastIndex = 0;

  async segment(file: string, sequence: number, last: boolean): Promise<void> {
    this.lastIndex = 0;
    const handle = await open(file, "r");
    try {
      const at = await this.frames(file, sequence, new SegmentWindow(handle));
      if (last) this.end = at.offset;
      if (at.stop !== undefined || (last && !(await isZeroFrom(handle, at.offset)))) {
        // Rare: now the whole segment is needed to judge what happened.
        await this.judge(file, await readFile(file), at.offset, at.stop, last);
      }
    } finally {
      await handle.close();
    }
    this.segments.push({ sequence, file, lastIndex: this.lastIndex });
  }

  /** Follows the chain to its end, or to the first frame that does not fit, which `stop` then explains. */
  private async frames(
    file: string,
    sequence: number,
    window: SegmentWindow,
  ): Promise<{ offset: number; stop: string | undefined }> {
    for (let offset = 0; ;) {
      await window.advance(offset);
      const { buffer } = window;
      const read = readFrame(buffer, 0, offset === 0 ? undefined : this.crc);
      if (read.kind === "end") return { offset, stop: undefined };
      if (read.kind === "bad") return { offset, stop: read.reason };
      if (offset === 0) {
        this.begin(file, read.frame.payload, read.frame.type, sequence);
        // The header names the CRC that it continues; only now can its own frame be checked.
        if (readFrame(buffer, 0, this.crc).kind === "bad") throw damaged(file, "its header is not whole");
      }
      this.crc = read.frame.crc;
      this.record(file, read.frame.type, read.frame.payload);
      offset += read.frame.end;
    }
  }

  private begin(file: string, payload: Buffer, type: number, sequence: number): void {
    if (type !== FRAME.segment) throw damaged(file, "it does not begin with a header");
    const header = readSegmentHeader(payload);
    if (this.segments.length > 0 && header.crc !== this.crc) {
      throw damaged(file, `it does not continue segment ${segmentName(sequence - 1)}`);
    }
    if (this.identity !== undefined && this.identity.memberId !== header.memberId) {
      throw damaged(file, "it belongs to another member");
    }
    this.identity = { clusterId: header.clusterId, memberId: header.memberId };
    this.crc = header.crc;
  }

  private record(file: string, type: number, payload: Buffer): void {
    switch (type) {
      case FRAME.entry:
        this.entry(file, readEntry(payload));
        return;
      case FRAME.hardState:
        this.hardState = readHardState(payload);
        return;
      case FRAME.snapshotTaken:
        this.mark(readSnapshotMark(payload));
        return;
      case FRAME.snapshotInstalled:
        this.mark(readSnapshotMark(payload));
        this.entries = [];
        return;
      case FRAME.segment:
      case FRAME.batch:
        return;
      default:
        throw damaged(file, `frame type ${type} is not known to this release`);
    }
  }

  /** A segment repeats the newest mark at its start. */
  private mark(meta: SnapshotMeta): void {
    if (this.snapshots.at(-1)?.index !== meta.index) this.snapshots.push(meta);
  }

  private entry(file: string, entry: Entry): void {
    const first = this.entries[0]?.index ?? entry.index;
    const keep = entry.index - first;
    if (keep > this.entries.length) throw damaged(file, `entries before ${entry.index} are missing`);
    // An append from an older index takes back what lay behind it. Before the first kept entry: it starts over.
    if (keep < 0) this.entries = [];
    else this.entries.length = keep;
    this.entries.push(entry);
    this.lastIndex = Math.max(this.lastIndex, entry.index);
  }

  /**
   * The log ends at `at` and something lies behind: cuts it off when it can only be the trace of a write that was never
   * acknowledged, else throws.
   */
  private async judge(
    file: string,
    buffer: Buffer,
    at: number,
    stop: string | undefined,
    last: boolean,
  ): Promise<void> {
    const where = `at byte ${at}: ${stop ?? "a hole"}`;
    if (!last) throw damaged(file, where);
    if (wasSynced(buffer, at)) throw damaged(file, `${where}, and later frames say that it was durable`);
    if (stop !== undefined) {
      const end = at + FRAME_HEADER_BYTES + buffer.readUInt32LE(at + 4);
      if (end <= buffer.length && !hasLostSector(buffer, at, end)) throw damaged(file, where);
    }
    await this.cut(file, buffer, at);
  }

  private async cut(file: string, buffer: Buffer, at: number): Promise<void> {
    let used = buffer.length;
    while (used > at && buffer[used - 1] === 0) used -= 1;
    this.tornBytes = used - at;
    // Beside the log, for who wants to look; then zeros, so that no old bytes can ever pass for a frame.
    await writeFile(`${file}.broken`, buffer.subarray(at, used));
    const handle = await open(file, "r+");
    try {
      await handle.write(Buffer.alloc(used - at), 0, used - at, at);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** A segment is read in pieces of this size: it is mostly zeros, and whole it would cost its 64 MiB of memory. */
const PIECE_BYTES = 1024 * 1024;

/** The bytes of a segment from some offset on: at least one whole frame of them, unless the file ends before. */
class SegmentWindow {
  buffer: Buffer = Buffer.alloc(0);
  private readonly handle: FileHandle;
  private base = 0;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  async advance(offset: number): Promise<void> {
    this.buffer = this.buffer.subarray(offset - this.base);
    this.base = offset;
    for (;;) {
      const header = this.buffer.length >= FRAME_HEADER_BYTES;
      const wanted = header ? frameBytes(this.buffer.readUInt32LE(4)) : FRAME_HEADER_BYTES;
      if (this.buffer.length >= wanted) return;
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      const { bytesRead } = await this.handle.read(piece, 0, PIECE_BYTES, this.base + this.buffer.length);
      if (bytesRead === 0) return;
      this.buffer = Buffer.concat([this.buffer, piece.subarray(0, bytesRead)]);
    }
  }
}

/** Whether nothing was ever written behind `offset`. */
async function isZeroFrom(handle: FileHandle, offset: number): Promise<boolean> {
  const { blocks } = await handle.stat();
  const page = 4096;
  // What the file system has given the file ends before: the rest is a hole and reads as zeros.
  if (blocks * 512 <= Math.ceil(offset / page) * page) return true;
  const zeros = Buffer.alloc(PIECE_BYTES);
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = offset; ;) {
    const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES, at);
    if (bytesRead === 0) return true;
    if (piece.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0) return false;
    at += bytesRead;
  }
}

/** Whether a part of the frame that fills a sector's share reads as zeros: that sector never reached the disk. */
function hasLostSector(buffer: Buffer, at: number, end: number): boolean {
  for (let start = at; start < end;) {
    const stop = Math.min(end, (Math.floor(start / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    if (buffer.subarray(start, stop).every((byte) => byte === 0)) return true;
    start = stop;
  }
  return false;
}
