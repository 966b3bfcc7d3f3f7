import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { TriremeError } from "@trireme/base";
import type { Upgrade } from "./tunnel.ts";

/**
 * Logs for clients that ask for them over a WebSocket: one message a piece, then a proper close. What such a client says
 * is not listened to, but for its goodbye.
 */

/** The protocols that Kubernetes serves logs in; a client that names none gets the first. */
const BINARY = "binary.k8s.io";
const BASE64 = "base64.binary.k8s.io";

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODE = { text: 1, binary: 2, close: 8 } as const;
const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8]);

/** What a client's handshake asks for. */
export interface LogHandshake {
  readonly key: string;
  readonly protocol: string | undefined;
}

/** Answers the handshake and sends the pieces; resolves when all is said or the client has gone. */
export async function sendLogMessages(
  upgrade: Upgrade,
  { key, protocol }: LogHandshake,
  pieces: AsyncIterable<Buffer>,
): Promise<void> {
  const { socket } = upgrade;
  upgrade.detach();
  socket.setTimeout(0);
  socket.on("data", (data: Buffer) => {
    if ((data.readUInt8(0) & 0x0f) === OPCODE.close) socket.end();
  });
  socket.write(answerOf(key, protocol));
  for await (const piece of pieces) {
    if (!socket.writable) return;
    const text = protocol === BASE64;
    const frame = text ? frameOf(OPCODE.text, Buffer.from(piece.toString("base64"))) : frameOf(OPCODE.binary, piece);
    if (!socket.write(frame)) await Promise.race([once(socket, "drain"), once(socket, "close")]);
  }
  if (socket.writable) socket.end(frameOf(OPCODE.close, NORMAL_CLOSURE));
}

/** Whether the client asks for a WebSocket. */
export function wantsWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

/** Reads a handshake; throws BadRequest when it cannot be agreed to. */
export function logHandshakeOf(request: IncomingMessage): LogHandshake {
  const key = request.headers["sec-websocket-key"] ?? "";
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  if (key === "") throw new TriremeError("BadRequest", "Sec-WebSocket-Key: Required value");
  if (offered.join() === "") return { key, protocol: undefined };
  const protocol = offered.find((name) => name === BINARY || name === BASE64);
  if (protocol !== undefined) return { key, protocol };
  throw new TriremeError("BadRequest", `logs are spoken in ${BINARY} and ${BASE64}, not in ${offered.join(", ")}`);
}

function answerOf(key: string, protocol: string | undefined): string {
  const accept = createHash("sha1")
    .update(key + GUID)
    .digest("base64");
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  lines.push(`Sec-WebSocket-Accept: ${accept}`);
  if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** One whole message of a server: unmasked, with its length in one of three sizes. */
export function frameOf(opcode: number, body: Buffer): Buffer {
  const { length } = body;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head.writeUInt8(0x80 | opcode, 0);
  if (head.length === 2) head.writeUInt8(length, 1);
  if (head.length === 4) {
    head.writeUInt8(126, 1);
    head.writeUInt16BE(length, 2);
  }
  if (head.length === 10) {
    head.writeUInt8(127, 1);
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, body]);
}
