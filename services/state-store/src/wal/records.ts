import { crc32 } from "node:zlib";
import { assert } from "@trireme/base";
import type { ConfState, Entry, EntryType, HardState, SnapshotMeta } from "@trireme/raft";
import { FRAME, type FrameWriter } from "./frame.ts";

/** Version of the layout below. */
const FORMAT = 1;
const ENTRY_TYPES: readonly EntryType[] = ["normal", "confChange", "empty"];
/** Marks the frame that begins a batch, so that it can be found without following the chain. */
const BATCH_MAGIC = Buffer.from("TRIWAL\x01B", "latin1");

/** Whose log this is: a disk that ends up in another machine must not be taken for that machine's own. */
export interface LogIdentity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
}

export interface SegmentHeader extends LogIdentity {
  /** The chain continues from here. */
  readonly crc: number;
}

export function writeSegmentHeader(writer: FrameWriter, header: SegmentHeader): void {
  writer.frame(FRAME.segment, 21, (buffer, at) => {
    buffer[at] = FORMAT;
    buffer.writeUInt32LE(header.crc, at + 1);
    buffer.writeBigUInt64LE(header.clusterId, at + 5);
    buffer.writeBigUInt64LE(header.memberId, at + 13);
  });
}

export function readSegmentHeader(payload: Buffer): SegmentHeader {
  assert(payload[0] === FORMAT, `log format ${payload[0]} is not known to this release`);
  return {
    crc: payload.readUInt32LE(1),
    clusterId: payload.readBigUInt64LE(5),
    memberId: payload.readBigUInt64LE(13),
  };
}

export function writeEntry(writer: FrameWriter, entry: Entry): void {
  writer.frame(FRAME.entry, 17 + entry.data.length, (buffer, at) => {
    buffer[at] = ENTRY_TYPES.indexOf(entry.type);
    buffer.writeBigUInt64LE(BigInt(entry.term), at + 1);
    buffer.writeBigUInt64LE(BigInt(entry.index), at + 9);
    buffer.set(entry.data, at + 17);
  });
}

export function readEntry(payload: Buffer): Entry {
  const type = ENTRY_TYPES[payload[0]!];
  assert(type !== undefined, `log entry type ${payload[0]} is not known to this release`);
  return {
    type,
    term: Number(payload.readBigUInt64LE(1)),
    index: Number(payload.readBigUInt64LE(9)),
    // A copy: a view would keep the whole segment in memory.
    data: Buffer.from(payload.subarray(17)),
  };
}

export function writeHardState(writer: FrameWriter, state: HardState): void {
  writer.frame(FRAME.hardState, 24, (buffer, at) => {
    buffer.writeBigUInt64LE(BigInt(state.term), at);
    buffer.writeBigUInt64LE(state.vote, at + 8);
    buffer.writeBigUInt64LE(BigInt(state.commit), at + 16);
  });
}

export function readHardState(payload: Buffer): HardState {
  return {
    term: Number(payload.readBigUInt64LE(0)),
    vote: payload.readBigUInt64LE(8),
    commit: Number(payload.readBigUInt64LE(16)),
  };
}

export function writeSnapshotMark(writer: FrameWriter, meta: SnapshotMeta, installed: boolean): void {
  const json = Buffer.from(encodeSnapshotMeta(meta), "utf8");
  writer.frame(installed ? FRAME.snapshotInstalled : FRAME.snapshotTaken, json.length, (buffer, at) => {
    json.copy(buffer, at);
  });
}

export function readSnapshotMark(payload: Buffer): SnapshotMeta {
  return decodeSnapshotMeta(payload.toString("utf8"));
}

/** Ids are uint64 and travel as strings: JSON numbers would be rounded. */
export function encodeSnapshotMeta(meta: SnapshotMeta): string {
  const ids = (list: readonly bigint[]): string[] => list.map(String);
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = meta.conf;
  const conf = {
    voters: ids(voters),
    learners: ids(learners),
    votersOutgoing: ids(votersOutgoing),
    learnersNext: ids(learnersNext),
    autoLeave,
  };
  return JSON.stringify({ index: meta.index, term: meta.term, conf });
}

export function decodeSnapshotMeta(text: string): SnapshotMeta {
  type Ids = Record<Exclude<keyof ConfState, "autoLeave">, string[]>;
  const parsed = JSON.parse(text) as { index: number; term: number; conf: Ids & { autoLeave: boolean } };
  const ids = (list: readonly string[]): bigint[] => list.map(BigInt);
  const { voters, learners, votersOutgoing, learnersNext, autoLeave } = parsed.conf;
  return {
    index: parsed.index,
    term: parsed.term,
    conf: {
      voters: ids(voters),
      learners: ids(learners),
      votersOutgoing: ids(votersOutgoing),
      learnersNext: ids(learnersNext),
      autoLeave,
    },
  };
}

/** Begins a batch: everything before `synced` in this segment was durable before this batch was written. */
export function writeBatch(writer: FrameWriter, synced: number): void {
  writer.frame(FRAME.batch, 20, (buffer, at) => {
    BATCH_MAGIC.copy(buffer, at);
    buffer.writeBigUInt64LE(BigInt(synced), at + 8);
    buffer.writeUInt32LE(crc32(buffer.subarray(at, at + 16)), at + 16);
  });
}

/**
 * Whether some batch after `at` says that the byte at `at` was durable: then a bad frame there is no torn tail but
 * damage to what was acknowledged. Needs no chain, which ends at the bad frame.
 */
export function wasSynced(segment: Buffer, at: number): boolean {
  for (let found = segment.indexOf(BATCH_MAGIC, at); found !== -1; found = segment.indexOf(BATCH_MAGIC, found + 8)) {
    if (found + 20 > segment.length) return false;
    const crc = segment.readUInt32LE(found + 16);
    if (crc32(segment.subarray(found, found + 16)) === crc && segment.readBigUInt64LE(found + 8) > BigInt(at))
      return true;
  }
  return false;
}
