import { constants, createInflate } from "node:zlib";
import { describe, expect, it } from "vitest";
import { SpdyClient, type SpdyEvent } from "./spdy-client.ts";

/** Inflates blocks one by one, as a runtime does: each has to be whole when its frame is. */
function inflate(blocks: readonly Buffer[]): Promise<Buffer[]> {
  const out: Buffer[] = [];
  const stream = createInflate({ finishFlush: constants.Z_SYNC_FLUSH });
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    const next = (i: number): void => {
      if (i === blocks.length) return resolve(out);
      stream.write(blocks[i]!, () => {
        out.push((stream.read() as Buffer | null) ?? Buffer.alloc(0));
        next(i + 1);
      });
    };
    next(0);
  });
}

const text = (value: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, Buffer.from(value)]);
};
const count = (value: number): Buffer => Buffer.from([0, 0, 0, value]);

describe("SpdyClient", () => {
  it("opens streams whose headers a decompressor reads", async () => {
    const client = new SpdyClient();
    const first = client.open({ streamtype: "error" });
    const second = client.open({ streamtype: "data", port: "80" });
    expect([first.stream, second.stream]).toEqual([1, 3]);
    for (const { bytes } of [first, second]) {
      expect(bytes.subarray(0, 4).toString("hex")).toBe("80030001");
      expect(bytes.readUInt32BE(4)).toBe(bytes.length - 8);
    }
    const blocks = [first, second].map(({ bytes }) => bytes.subarray(18));
    expect(await inflate(blocks)).toEqual([
      Buffer.concat([count(1), text("streamtype"), text("error")]),
      Buffer.concat([count(2), text("streamtype"), text("data"), text("port"), text("80")]),
    ]);
  });

  it("reads frames wherever they are cut", () => {
    const ping = Buffer.from("8003000600000004000000ab", "hex");
    const reset = Buffer.from("80030003000000080000000500000001", "hex");
    const reply = Buffer.from("80030002000000060000000178bb", "hex");
    const speaker = new SpdyClient();
    const whole = Buffer.concat([
      reply,
      speaker.data(1, Buffer.from("hello")),
      ping,
      speaker.data(3, Buffer.from("bye"), true),
      speaker.data(1, Buffer.alloc(0), true),
      reset,
    ]);
    const expected: SpdyEvent[] = [
      { type: "data", stream: 1, data: Buffer.from("hello") },
      { type: "reply", bytes: ping },
      { type: "data", stream: 3, data: Buffer.from("bye") },
      { type: "end", stream: 3 },
      { type: "end", stream: 1 },
      { type: "reset", stream: 5 },
    ];
    for (let cut = 0; cut <= whole.length; cut++) {
      const reader = new SpdyClient();
      expect([...reader.push(whole.subarray(0, cut)), ...reader.push(whole.subarray(cut))]).toEqual(expected);
    }
  });

  it("refuses what is no frame", () => {
    expect(() => new SpdyClient().push(Buffer.from("HTTP/1.1 500 Oops\r\n"))).toThrow("not SPDY's");
  });
});
