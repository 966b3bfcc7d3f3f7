import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { encode } from "dns-packet";
import type { Packet } from "dns-packet";
import type { Logger } from "@trireme/telemetry";
import type { Query } from "./message.ts";
import { RCODE, encodeUdp, readQuery, writeAnswer, writeCode } from "./message.ts";
import type { DnsMetrics } from "./metrics.ts";
import { framed } from "./upstream.ts";
import type { Upstream } from "./upstream.ts";
import type { Zone } from "./zone.ts";
import { answer } from "./zone.ts";

/** TCP clients at once, and how long one may be silent: a name server is asked by everybody. */
const MAX_TCP_CLIENTS = 256;
const TCP_IDLE_MS = 10_000;

/** What the server answers from. */
export interface DnsServerOptions {
  readonly address: string;
  readonly port: number;
  /** Undefined until Services and slices have been read once: then SERVFAIL, so that clients ask the next server. */
  readonly zone: () => Zone | undefined;
  readonly upstream: Upstream;
  readonly metrics: DnsMetrics;
  readonly log: Logger;
}

/** Serves DNS by UDP and TCP. Answers a function that stops it. */
export async function serveDns(options: DnsServerOptions): Promise<() => Promise<void>> {
  let rotation = 0;

  async function respond(query: Query, raw: Buffer, protocol: "udp" | "tcp"): Promise<Buffer> {
    const started = performance.now();
    options.metrics.asked(protocol, raw.length);
    const finish = (packet: Packet): Buffer => {
      const bytes = protocol === "udp" ? encodeUdp(packet, query.maxBytes) : encode(packet);
      options.metrics.observe(query, protocol, (packet.flags ?? 0) & 0xf, performance.now() - started, bytes.length);
      return bytes;
    };
    if ((((query.packet.flags ?? 0) >> 11) & 0xf) !== 0) {
      return finish(writeCode(query, RCODE.NOTIMP));
    }
    const zone = options.zone();
    if (zone === undefined) return finish(writeCode(query, RCODE.SERVFAIL));
    const said = answer(zone, query.question);
    if (said.kind !== "elsewhere") return finish(writeAnswer(query, said, rotation++));
    try {
      const bytes = await options.upstream.ask(raw, protocol);
      const took = performance.now() - started;
      options.metrics.observe(query, protocol, bytes[3]! & 0xf, took, bytes.length);
      options.metrics.forwarded(took, bytes[3]! & 0xf);
      return bytes;
    } catch (error) {
      options.metrics.forwarded(performance.now() - started, undefined);
      options.log.debug("a question outside the cluster stays unanswered", { name: query.question.name, err: error });
      return finish(writeCode(query, RCODE.SERVFAIL));
    }
  }

  const failed = (error: unknown): void => options.log.error("an answer could not be made", { err: error });

  const udp = createSocket("udp4");
  udp.on("message", (bytes, from) => {
    const query = readQuery(bytes);
    if (query === undefined) return;
    respond(query, bytes, "udp")
      .then((answered) => udp.send(answered, from.port, from.address))
      .catch(failed);
  });
  const tcp = createServer((socket) => serveTcp(socket));
  tcp.maxConnections = MAX_TCP_CLIENTS;

  function serveTcp(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        const length = received.readUInt16BE(0);
        const bytes = Buffer.from(received.subarray(2, length + 2));
        received = received.subarray(length + 2);
        const query = readQuery(bytes);
        if (query === undefined) {
          socket.destroy();
          return;
        }
        respond(query, bytes, "tcp")
          .then((answered) => socket.write(framed(answered)))
          .catch(failed);
      }
    });
  }

  await new Promise<void>((resolve, reject) => {
    udp.once("error", reject);
    udp.bind(options.port, options.address, () => resolve());
  });
  udp.removeAllListeners("error");
  udp.on("error", failed);
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", reject);
    tcp.listen(options.port, options.address, () => resolve());
  });
  return async () => {
    udp.close();
    await new Promise<void>((resolve) => tcp.close(() => resolve()));
  };
}
