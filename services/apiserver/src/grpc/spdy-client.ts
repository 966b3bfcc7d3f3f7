/**
 * A client's side of SPDY/3.1, as much of it as a container runtime's streaming server speaks. Pure: bytes in, events and
 * bytes out. Runtimes know no flow control in it, and compress headers, which we need not: a compressed block may hold
 * its text as it is.
 */

const HEADER_BYTES = 8;
const CONTROL = 0x80;
/** The version, behind the control bit. */
const VERSION = 0x80_03;
const SYN_STREAM = 1;
const RST_STREAM = 3;
const PING = 6;
const FIN = 0x01;
const NO_HEADERS = Buffer.alloc(0);

/** A frame larger than this is none of a runtime's, which writes some ten kilobytes at once. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** RFC 1950: deflate with the smallest window, no dictionary. Comes before the first block of a connection. */
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
/** RFC 1951: an empty stored block, at which a reader hands over what it has. */
const FLUSH = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

/** What the server said. */
export type SpdyEvent =
  | { readonly type: "data"; readonly stream: number; readonly data: Buffer }
  /** The server says nothing more on this stream. */
  | { readonly type: "end"; readonly stream: number }
  | { readonly type: "reset"; readonly stream: number }
  /** To be sent back. */
  | { readonly type: "reply"; readonly bytes: Buffer };

/** One connection's frames. */
export class SpdyClient {
  private nextStream = 1;
  private hasHeader = false;
  private rest: Buffer = Buffer.alloc(0);

  /** Opens a stream; its number, and what to send. Names are in small letters. */
  open(headers: Readonly<Record<string, string>>): { readonly stream: number; readonly bytes: Buffer } {
    const stream = this.nextStream;
    this.nextStream += 2;
    const pairs = Object.entries(headers);
    const parts = [uint32(pairs.length)];
    for (const text of pairs.flat()) parts.push(uint32(Buffer.byteLength(text)), Buffer.from(text));
    const block = Buffer.concat(parts);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(block.length, 1);
    stored.writeUInt16LE(~block.length & 0xff_ff, 3);
    const compressed = Buffer.concat([this.hasHeader ? NO_HEADERS : ZLIB_HEADER, stored, block, FLUSH]);
    this.hasHeader = true;
    // The stream's number, none that it belongs to, priority and slot.
    const body = Buffer.concat([uint32(stream), Buffer.alloc(6), compressed]);
    return { stream, bytes: Buffer.concat([controlHead(SYN_STREAM, body.length), body]) };
  }

  /** What to send to say `data` on a stream, and to say with `end` that nothing more comes. */
  data(stream: number, data: Buffer, end = false): Buffer {
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt32BE(stream, 0);
    head.writeUInt32BE(data.length, 4);
    head.writeUInt8(end ? FIN : 0, 4);
    return Buffer.concat([head, data]);
  }

  /** Reads a piece of what the server says. Throws for a frame that cannot be one. */
  push(piece: Buffer): SpdyEvent[] {
    const bytes = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    const events: SpdyEvent[] = [];
    let at = 0;
    while (bytes.length >= at + HEADER_BYTES) {
      const length = bytes.readUIntBE(at + 5, 3);
      if (length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes is not SPDY's`);
      const end = at + HEADER_BYTES + length;
      if (bytes.length < end) break;
      read(bytes.subarray(at, end), events);
      at = end;
    }
    this.rest = bytes.subarray(at);
    return events;
  }
}

function read(frame: Buffer, events: SpdyEvent[]): void {
  const body = frame.subarray(HEADER_BYTES);
  const isLast = (frame.readUInt8(4) & FIN) !== 0;
  if ((frame.readUInt8(0) & CONTROL) === 0) {
    const stream = frame.readUInt32BE(0);
    if (body.length > 0) events.push({ type: "data", stream, data: body });
    if (isLast) events.push({ type: "end", stream });
    return;
  }
  const type = frame.readUInt16BE(2);
  if (type === PING) events.push({ type: "reply", bytes: Buffer.from(frame) });
  if (type === RST_STREAM && body.length >= 4) events.push({ type: "reset", stream: body.readUInt32BE(0) });
}

function controlHead(type: number, length: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(length, 4);
  return head;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
