import { createSocket } from "node:dgram";
import { connect, isIPv4 } from "node:net";
import { randomInt } from "node:crypto";
import { TriremeError } from "@trireme/base";

/** Questions on their way to upstream servers at once; beyond that the answer is SERVFAIL. */
const MAX_IN_FLIGHT = 512;
/** Patience with one upstream server, and how many are tried: together below the 5 s of common resolvers. */
const TIMEOUT_MS = 1500;
const MAX_TRIES = 2;

/** Asks servers outside the cluster for names that are not ours. */
export interface Upstream {
  /** Sends the query as it is and answers the response as it is. Throws when no server answers in time. */
  ask(query: Buffer, protocol: "udp" | "tcp"): Promise<Buffer>;
}

/** The nameservers of a resolv.conf text, without those in `own`: to ask oneself would never end. */
export function nameserversOf(resolvConf: string, own: readonly string[]): string[] {
  return resolvConf
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([word, server]) => (word === "nameserver" && server !== undefined && isIPv4(server) ? [server] : []))
    .filter((server) => !own.includes(server) && server !== "0.0.0.0");
}

/** An upstream over the given servers, in order. */
export function createUpstream(servers: readonly string[], port = 53): Upstream {
  let inFlight = 0;
  return {
    async ask(query, protocol) {
      if (inFlight >= MAX_IN_FLIGHT) throw new TriremeError("TooManyRequests", "too many questions are waiting");
      inFlight += 1;
      try {
        for (const server of servers.slice(0, MAX_TRIES)) {
          const answer = await (protocol === "udp" ? askUdp : askTcp)(query, server, port);
          if (answer !== undefined) return answer;
        }
      } finally {
        inFlight -= 1;
      }
      throw new TriremeError("Timeout", "no upstream server answered");
    },
  };
}

function askUdp(query: Buffer, server: string, port: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    // Our own id, unguessable from outside; the client's is put back into the answer.
    const sent = Buffer.from(query);
    const id = randomInt(0x10000);
    sent.writeUInt16BE(id, 0);
    const finish = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), TIMEOUT_MS);
    socket.on("error", () => finish(undefined));
    socket.on("message", (message) => {
      if (message.length < 12 || message.readUInt16BE(0) !== id) return;
      message.writeUInt16BE(query.readUInt16BE(0), 0);
      finish(message);
    });
    // A connected socket hears its server alone, and learns at once when nothing listens there.
    socket.connect(port, server, () => socket.send(sent));
  });
}

function askTcp(query: Buffer, server: string, port: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: server, port });
    let received = Buffer.alloc(0);
    const finish = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), TIMEOUT_MS);
    socket.on("error", () => finish(undefined));
    socket.on("close", () => finish(undefined));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
      if (received.length >= length + 2) finish(received.subarray(2, length + 2));
    });
  });
}

/** A message as TCP carries it: its length first. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
