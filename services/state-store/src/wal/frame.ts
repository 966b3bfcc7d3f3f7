import { crc32 } from "node:zlib";

/**
 * A frame is `crc u32 | length u32 | type u8, payload | zeros to the next multiple of 8`, little endian. `length`
 * counts type and payload. The CRC covers length, type and payload and continues the CRC of the frame before, over segments
 * too, so that a lost, doubled or exchanged frame breaks the chain. Frames begin at multiples of 8: no length is ever
 * split over two sectors.
 */
export const FRAME_HEADER_BYTES = 8;
export const FRAME_ALIGN = 8;

/** What a frame holds. The numbers are on disks: never reuse one. */
export const FRAME = {
  /** First of each segment: format, CRC to continue from, cluster and member. */
  segment: 1,
  entry: 2,
  hardState: 3,
  /** A snapshot of ours became durable. */
  snapshotTaken: 4,
  /** A snapshot of the leader replaced state and log. */
  snapshotInstalled: 5,
  /** Begins each batch: how much of this segment was synced before; readable without the chain. */
  batch: 6,
} as const;

/** Bytes that a frame with so much payload (type included) takes on disk. */
export function frameBytes(length: number): number {
  return FRAME_HEADER_BYTES + Math.ceil(length / FRAME_ALIGN) * FRAME_ALIGN;
}

/** Gathers frames in one growing buffer and carries the CRC chain along. */
export class FrameWriter {
  crc: number;
  private buffer = Buffer.alloc(256 * 1024);
  private end = 0;

  constructor(crc: number) {
    this.crc = crc;
  }

  get length(): number {
    return this.end;
  }

  /** Appends a frame; `fill` writes exactly `payloadBytes` bytes at the offset that it is given. */
  frame(type: number, payloadBytes: number, fill: (buffer: Buffer, at: number) => void): void {
    const length = payloadBytes + 1;
    const total = frameBytes(length);
    this.reserve(total);
    const { buffer, end } = this;
    buffer.fill(0, end, end + total);
    buffer.writeUInt32LE(length, end + 4);
    buffer[end + 8] = type;
    fill(buffer, end + 9);
    this.crc = crc32(buffer.subarray(end + 4, end + 8 + length), this.crc);
    buffer.writeUInt32LE(this.crc, end);
    this.end += total;
  }

  /** What was gathered since the last call; valid until the next frame. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.end);
    this.end = 0;
    return taken;
  }

  private reserve(more: number): void {
    if (this.end + more <= this.buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.buffer.length * 2, this.end + more));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}

/** One frame as read back. */
export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
  /** Offset of the next frame. */
  readonly end: number;
  readonly crc: number;
}

/** `end`: nothing was ever written here. `bad`: something was, and it is not a frame that continues the chain. */
export type FrameRead =
  | { readonly kind: "frame"; readonly frame: Frame }
  | { readonly kind: "end" }
  | { readonly kind: "bad"; readonly reason: string };

/** Reads the frame at `at`, which must continue `crc`; `crc` undefined accepts any chain (a segment's first frame). */
export function readFrame(buffer: Buffer, at: number, crc: number | undefined): FrameRead {
  if (at + FRAME_HEADER_BYTES > buffer.length) return { kind: "end" };
  const length = buffer.readUInt32LE(at + 4);
  if (length === 0) {
    return buffer.readUInt32LE(at) === 0 ? { kind: "end" } : { kind: "bad", reason: "a frame has no length" };
  }
  const end = at + frameBytes(length);
  if (at + FRAME_HEADER_BYTES + length > buffer.length) return { kind: "bad", reason: "a frame is cut short" };
  const stored = buffer.readUInt32LE(at);
  if (crc !== undefined && crc32(buffer.subarray(at + 4, at + FRAME_HEADER_BYTES + length), crc) !== stored) {
    return { kind: "bad", reason: "a checksum does not match" };
  }
  const payload = buffer.subarray(at + FRAME_HEADER_BYTES + 1, at + FRAME_HEADER_BYTES + length);
  return { kind: "frame", frame: { type: buffer[at + FRAME_HEADER_BYTES]!, payload, end, crc: stored } };
}
