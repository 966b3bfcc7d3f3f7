import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { Socket } from "node:net";
import { adminCredentials } from "./cluster.ts";

/** What a WebSocket brought before it ended. */
export interface Heard {
  /** 101, or the code of the refusal. */
  readonly status: number;
  /** The binary messages, whole. */
  readonly messages: readonly Buffer[];
}

/** Opens a WebSocket to the API as a client that speaks one protocol, and listens until it ends. */
export async function webSocket(path: string, protocol: string): Promise<Heard> {
  const { server, ...credentials } = await adminCredentials();
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    "sec-websocket-protocol": protocol,
  };
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, server), { headers, agent: false, ...credentials });
    asked.on("error", reject);
    asked.on("response", (response: IncomingMessage) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, messages: [] });
    });
    asked.on("upgrade", (response: IncomingMessage, socket: Socket, head: Buffer) => {
      const pieces = [head];
      socket.on("data", (piece: Buffer) => pieces.push(piece));
      socket.on("error", reject);
      socket.on("close", () => {
        resolve({ status: response.statusCode ?? 0, messages: messagesOf(Buffer.concat(pieces)) });
      });
    });
    asked.end();
  });
}

const BINARY = 2;

/** What came on one channel of the remote command protocol: the first byte of a message names it. */
export function channelOf({ messages }: Heard, channel: number): string {
  return messages.flatMap((message) => (message[0] === channel ? [message.toString("utf8", 1)] : [])).join("");
}

function messagesOf(bytes: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = bytes[at + 1]! & 0x7f;
    const begin = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    const length =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if ((bytes[at]! & 0x0f) === BINARY && length > 0) out.push(bytes.subarray(begin, begin + length));
    at = begin + length;
  }
  return out;
}
