import { open, readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { TriremeError } from "@trireme/base";
import type { Entry, HardState, SnapshotMeta } from "@trireme/raft";
import { FRAME, FRAME_HEADER_BYTES, readFrame } from "./frame.ts";
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
    `the write-ahead log is damaged: ${file}: ${what}. What this member acknowledged may be lost, so it does not start. ` +
      "Keep the files, move the data directory away, and let the member rejoin from the others",
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
    const buffer = await readFile(file);
    this.lastIndex = 0;
    let at = 0;
    for (;;) {
      const read = readFrame(buffer, at, at === 0 ? undefined : this.crc);
      if (read.kind === "frame") {
        if (at === 0) this.begin(file, read.frame.payload, read.frame.type, sequence);
        // The header names the CRC that it continues; only now can its own frame be checked.
        if (at === 0 && readFrame(buffer, 0, this.crc).kind === "bad") throw damaged(file, "its header is not whole");
        this.crc = read.frame.crc;
        this.record(file, read.frame.type, read.frame.payload);
        at = read.frame.end;
        continue;
      }
      if (read.kind === "end" && !last) break;
      if (read.kind === "bad") this.checkTorn(file, buffer, at, read.reason, last);
      if (last) await this.finish(file, buffer, at);
      break;
    }
    this.segments.push({ sequence, file, lastIndex: this.lastIndex });
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

  /** Throws unless the bad frame can only be the trace of a write that was never acknowledged. */
  private checkTorn(file: string, buffer: Buffer, at: number, reason: string, last: boolean): void {
    const where = `at byte ${at}: ${reason}`;
    if (!last) throw damaged(file, where);
    if (wasSynced(buffer, at)) throw damaged(file, `${where}, and later frames say that it was durable`);
    const length = buffer.readUInt32LE(at + 4);
    const end = at + FRAME_HEADER_BYTES + length;
    if (end <= buffer.length && !hasLostSector(buffer, at, end)) throw damaged(file, where);
  }

  private async finish(file: string, buffer: Buffer, at: number): Promise<void> {
    this.end = at;
    const used = usedBytes(buffer, at);
    if (used === at) return;
    if (wasSynced(buffer, at)) throw damaged(file, `at byte ${at}: a hole, and later frames say that it was durable`);
    this.tornBytes = used - at;
    const handle = await open(file, "r+");
    try {
      // Beside the log, for who wants to look; then zeros, so that no old bytes can ever pass for a frame.
      const copy = await open(`${file}.broken`, "w");
      await copy.writeFile(buffer.subarray(at, used));
      await copy.close();
      await handle.write(Buffer.alloc(used - at), 0, used - at, at);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** Where the zeros begin that reach to the end. Compares whole blocks: most of a fresh segment is zeros. */
function usedBytes(buffer: Buffer, from: number): number {
  const zeros = Buffer.alloc(256 * 1024);
  let used = buffer.length;
  while (used > from) {
    const start = Math.max(from, used - zeros.length);
    if (buffer.compare(zeros, 0, used - start, start, used) !== 0) break;
    used = start;
  }
  while (used > from && buffer[used - 1] === 0) used -= 1;
  return used;
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
