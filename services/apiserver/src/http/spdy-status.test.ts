import { describe, expect, it } from "vitest";
import { SpdyStatus, spdyStatusOf } from "./spdy-status.ts";

function control(type: number, body: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(body.length, 4);
  head.writeUInt8(flags, 4);
  return Buffer.concat([head, body]);
}
function data(stream: number, text: string, flags = 0): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(stream, 0);
  head.writeUInt32BE(text.length, 4);
  head.writeUInt8(flags, 4);
  return Buffer.concat([head, Buffer.from(text)]);
}
const streamBody = (id: number): Buffer => Buffer.concat([Buffer.from([0, 0, 0, id]), Buffer.alloc(20)]);
const SYN = (id: number): Buffer => control(1, streamBody(id));
const PING = control(6, Buffer.from([0, 0, 0, 9]));

function opened(version = 4): SpdyStatus {
  const status = new SpdyStatus(version);
  status.client(Buffer.concat([PING, SYN(1), SYN(3)]));
  return status;
}

describe("SpdyStatus", () => {
  it("passes whole frames on, however they come", () => {
    const frames = Buffer.concat([control(2, streamBody(1)), data(3, "hello"), PING, data(3, "world")]);
    for (const size of [1, 3, 8, 1000]) {
      const status = opened();
      const out: Buffer[] = [];
      for (let at = 0; at < frames.length; at += size) out.push(status.runtime(frames.subarray(at, at + size)));
      expect(Buffer.concat(out).equals(frames)).toBe(true);
    }
    const status = opened();
    expect(status.runtime(Buffer.concat([PING, data(3, "half").subarray(0, 10)])).equals(PING)).toBe(true);
  });

  it("tells the client's first stream of a failure, once, and ends that stream", () => {
    const status = opened();
    status.runtime(data(3, "output"));
    const frame = status.failure("gone")!;
    expect(frame.readUInt32BE(0)).toBe(1);
    expect(frame.readUInt8(4)).toBe(1);
    expect(frame.readUIntBE(5, 3)).toBe(frame.length - 8);
    expect(JSON.parse(frame.toString("utf8", 8))).toMatchObject({ status: "Failure", message: "gone", code: 500 });
    expect(status.failure("gone")).toBeUndefined();
    expect(opened(3).failure("gone")!.toString("utf8", 8)).toBe("gone");
  });

  it("says nothing to a client that knows how its stream ended, or has none", () => {
    for (const last of [data(1, "{}"), data(1, "", 1), control(3, streamBody(1)), control(2, streamBody(1), 1)]) {
      const status = opened();
      status.runtime(last);
      expect(status.failure("gone")).toBeUndefined();
    }
    expect(new SpdyStatus(4).failure("gone")).toBeUndefined();
  });

  it("finds the first stream in pieces, and gives up on a frame without end", () => {
    const status = new SpdyStatus(4);
    for (const byte of Buffer.concat([PING, SYN(7)])) status.client(Buffer.from([byte]));
    expect(status.failure("gone")!.readUInt32BE(0)).toBe(7);
    const endless = opened();
    const head = data(3, "");
    head.writeUIntBE(0xffffff, 5, 3);
    expect(endless.runtime(head)).toHaveLength(0);
    const piece = Buffer.alloc(1024 * 1024);
    expect(endless.runtime(piece)).toHaveLength(piece.length + 8);
    expect(endless.failure("gone")).toBeUndefined();
  });

  it("watches SPDY alone", () => {
    const answer = (upgrade: string) =>
      spdyStatusOf({ status: 101, message: "", headers: [{ name: "Upgrade", value: upgrade }] });
    expect(answer("SPDY/3.1")).toBeInstanceOf(SpdyStatus);
    expect(answer("websocket")).toBeUndefined();
  });
});
