/**
 * How a broken exec or attach over SPDY/3.1 is told. SPDY clients take the end of a connection for the end of its
 * streams, and the silent end of the error stream for success: kubectl would exit with 0. So the frames are watched as
 * they pass, and when the tunnel breaks the error stream gets its last words from us.
 *
 * Nothing is decompressed: in every version of the protocol the client's first stream is the error stream.
 */
import type { TunnelOpened } from "@trireme/proto/trireme/node/v1/node";

const HEADER_BYTES = 8;
const CONTROL = 0x80;
const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const FIN = 0x01;

/** A frame is held back until it is whole, but not beyond this: a runtime writes some ten kilobytes at once. */
const MAX_HELD_BYTES = 1024 * 1024;

/** From this version on the error stream carries a Status, before that a sentence. */
const STATUS_SINCE = 4;

interface Frame {
  readonly control: boolean;
  /** Of control frames. */
  readonly type: number;
  readonly flags: number;
  readonly length: number;
  readonly streamId: number;
}

/** The frames of one exec or attach, seen from both sides. */
export class SpdyStatus {
  private readonly asStatus: boolean;
  private errorStream: number | undefined;
  private told = false;
  private blind = false;
  private clientRest: Buffer = Buffer.alloc(0);
  private runtimeRest: Buffer = Buffer.alloc(0);

  constructor(version: number) {
    this.asStatus = version >= STATUS_SINCE;
  }

  /** Watches what the client says until its first stream is known. */
  client(data: Buffer): void {
    if (this.errorStream !== undefined || this.blind) return;
    const bytes = Buffer.concat([this.clientRest, data]);
    let at = 0;
    for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
      if (frame.control && frame.type === SYN_STREAM) {
        this.errorStream = frame.streamId;
        this.clientRest = Buffer.alloc(0);
        return;
      }
      at += HEADER_BYTES + frame.length;
    }
    this.clientRest = bytes.subarray(Math.min(at, bytes.length));
    if (at > bytes.length || this.clientRest.length > MAX_HELD_BYTES) this.blind = true;
  }

  /** Answers what of the runtime's words may be passed on now: whole frames, so that one of ours can follow. */
  runtime(data: Buffer): Buffer {
    const bytes = this.runtimeRest.length === 0 ? data : Buffer.concat([this.runtimeRest, data]);
    this.runtimeRest = Buffer.alloc(0);
    if (this.blind) return bytes;
    let at = 0;
    for (let frame = frameAt(bytes, at); frame !== undefined; frame = frameAt(bytes, at)) {
      const end = at + HEADER_BYTES + frame.length;
      if (end > bytes.length) break;
      this.note(frame);
      at = end;
    }
    if (bytes.length - at > MAX_HELD_BYTES) {
      this.blind = true;
      return bytes;
    }
    this.runtimeRest = bytes.subarray(at);
    return bytes.subarray(0, at);
  }

  /** The frame that tells the client of this failure; undefined when it has been told how its stream ended, or cannot be. */
  failure(message: string): Buffer | undefined {
    if (this.blind || this.told || this.errorStream === undefined) return undefined;
    this.told = true;
    const status = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message };
    const text = this.asStatus ? JSON.stringify({ ...status, reason: "InternalError", code: 500 }) : message;
    const body = Buffer.from(text);
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt32BE(this.errorStream, 0);
    head.writeUInt32BE(body.length, 4);
    head.writeUInt8(FIN, 4);
    return Buffer.concat([head, body]);
  }

  private note(frame: Frame): void {
    if (frame.streamId !== this.errorStream) return;
    if (!frame.control) this.told ||= frame.length > 0 || (frame.flags & FIN) !== 0;
    else if (frame.type === RST_STREAM) this.told = true;
    else if (frame.type === SYN_REPLY) this.told ||= (frame.flags & FIN) !== 0;
  }
}

/** The frame that begins at this place; undefined when too little of it is there. */
function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (bytes.length < at + HEADER_BYTES) return undefined;
  const control = (bytes.readUInt8(at) & CONTROL) !== 0;
  const length = bytes.readUIntBE(at + 5, 3);
  const flags = bytes.readUInt8(at + 4);
  if (!control) return { control, type: 0, flags, length, streamId: bytes.readUInt32BE(at) };
  // Control frames that concern a stream begin with its number.
  if (length >= 4 && bytes.length < at + HEADER_BYTES + 4) return undefined;
  const streamId = length >= 4 ? bytes.readUInt32BE(at + HEADER_BYTES) & 0x7f_ff_ff_ff : 0;
  return { control, type: bytes.readUInt16BE(at + 2), flags, length, streamId };
}

/** Watches a stream whose answer agreed to SPDY and to a version of the remote command protocol. */
export function spdyStatusOf(opened: TunnelOpened): SpdyStatus | undefined {
  const value = (name: string): string => opened.headers.find((one) => one.name.toLowerCase() === name)?.value ?? "";
  if (!value("upgrade").toUpperCase().startsWith("SPDY/")) return undefined;
  const version = /^v(\d+)\.channel\.k8s\.io$/.exec(value("x-stream-protocol-version"))?.[1];
  return new SpdyStatus(version === undefined ? 1 : Number(version));
}
