import type { TLSSocket } from "node:tls";
import type { TunnelOpened, TunnelResponse } from "@trireme/proto/trireme/node/v1/node";
import type { Tunnel } from "../pipeline/pod-streams.ts";
import type { SpdyStatus } from "./spdy-status.ts";

/** A client's connection that asked to speak another protocol. */
export interface Upgrade {
  readonly socket: TLSSocket;
  /** What came behind the request's head. */
  readonly head: Buffer;
  /** Takes the connection out of HTTP's hands: nothing else may be answered after it. */
  detach(): void;
}

/** A tunnel through which nothing has moved for so long is forgotten; clients that mean to stay send pings. */
const IDLE_MS = 4 * 60 * 60 * 1000;

/** Finds clients whose machine is gone. */
const TCP_KEEPALIVE_MS = 30_000;

/** How long a client may take to close after its stream has ended. */
const LINGER_MS = 5000;

/** The headers of the runtime's answer that reach the client. */
const ANSWERED = new Set([
  "connection",
  "upgrade",
  "x-stream-protocol-version",
  "sec-websocket-accept",
  "sec-websocket-protocol",
]);

/**
 * Joins a client's connection and an open tunnel, as fast as the slower side takes it; resolves when both are done.
 * `watch` lets a client be told of a tunnel that broke, where its protocol does not show it.
 */
export async function joinTunnel(upgrade: Upgrade, tunnel: Tunnel, watch?: SpdyStatus): Promise<void> {
  const { socket, head } = upgrade;
  const { call, opened } = tunnel;
  upgrade.detach();
  // The end of a client's input is not the end of what it wants to hear.
  socket.allowHalfOpen = true;
  socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.once("close", () => call.cancel());
  socket.write(answerHead(opened));

  const say = (data: Buffer): void => {
    watch?.client(data);
    if (call.write({ data })) return;
    socket.pause();
    call.once("drain", () => socket.resume());
  };
  if (head.length > 0) say(head);
  socket.on("data", say);
  socket.once("end", () => call.end());

  call.on("data", ({ data }: TunnelResponse) => {
    const whole = watch === undefined ? data : watch.runtime(data);
    if (whole.length === 0 || socket.write(whole)) return;
    call.pause();
    socket.once("drain", () => call.resume());
  });
  const end = (): void => {
    const last = watch?.failure("the connection to the container was lost: its node's agent or its runtime has ended");
    if (last !== undefined && socket.writable) socket.write(last);
    socket.removeListener("data", say);
    socket.resume();
    socket.end();
    // A reset would take what the client has not read yet: it gets time to close by itself.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
  call.once("end", end);
  // Without last words it is cut rather than ended: the client must not take half an answer for a whole one.
  call.once("error", () => (watch === undefined ? socket.destroy() : end()));
  if (socket.destroyed) call.cancel();
  call.resume();
  await closed;
}

/** The head of a 101, with what the runtime negotiated. */
export function answerHead(opened: TunnelOpened): string {
  const lines = opened.headers
    .filter(({ name, value }) => ANSWERED.has(name.toLowerCase()) && !/[\r\n]/.test(value))
    .map(({ name, value }) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`;
}
