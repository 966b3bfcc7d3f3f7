import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Service } from "@trireme/api";
import { createRegistry, silentLogger } from "@trireme/telemetry";
import { decode, encode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RCODE, readQuery, writeCode } from "./message.ts";
import { dnsMetrics } from "./metrics.ts";
import { serveDns } from "./server.ts";
import { createUpstream, framed } from "./upstream.ts";
import type { Zone } from "./zone.ts";
import { buildZone } from "./zone.ts";

// Goal: what clients send by UDP and TCP is answered on real sockets, and other names by an upstream server. Method: one
// server of ours on the loopback, and a second socket that plays the upstream.

const HOST = "127.0.0.1";
const registry = createRegistry({ processMetrics: false });
const service: Service = { metadata: { name: "web", namespace: "default" }, spec: { clusterIP: "10.96.0.9" } };
let zone: Zone | undefined;
let port = 0;
let stop: () => Promise<void>;
const upstream = createSocket("udp4");

/** A port that is free for both protocols just now. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, HOST, resolve));
  const { port: found } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return found;
}

const question = (name: string): Buffer =>
  encode({ type: "query", id: 77, flags: 256, questions: [{ name, type: "A" }] });
const code = (bytes: Buffer): number => bytes[3]! & 15;

function askUdp(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.on("message", (message) => {
      socket.close();
      resolve(message);
    });
    socket.send(bytes, port, HOST);
  });
}

function askTcp(...messages: Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        socket.destroy();
        resolve(received.subarray(2));
      }
    });
    socket.on("error", reject);
    // In two pieces, as a network may deliver them.
    const all = Buffer.concat(messages);
    socket.write(all.subarray(0, 5));
    setTimeout(() => socket.write(all.subarray(5)), 10);
  });
}

beforeAll(async () => {
  upstream.on("message", (bytes, from) => {
    const query = readQuery(bytes)!;
    const packet = { ...writeCode(query, RCODE.NOERROR), answers: [] };
    upstream.send(encode(packet), from.port, from.address);
  });
  await new Promise<void>((resolve) => upstream.bind(0, HOST, resolve));
  port = await freePort();
  stop = await serveDns({
    address: HOST,
    port,
    zone: () => zone,
    upstream: createUpstream([HOST], upstream.address().port),
    metrics: dnsMetrics(registry, "dns://test", "cluster.local"),
    log: silentLogger,
  });
});
afterAll(async () => {
  await stop();
  upstream.close();
});

describe("serveDns", () => {
  it("says SERVFAIL until it knows the cluster, then answers by both protocols", async () => {
    const asked = question("web.default.svc.cluster.local");
    expect(code(await askUdp(asked))).toBe(RCODE.SERVFAIL);
    zone = buildZone("cluster.local", [service], [], 1);
    for (const bytes of [await askUdp(asked), await askTcp(framed(asked))]) {
      const packet = decode(bytes);
      expect([packet.id, packet.answers?.map((a) => "data" in a && a.data)]).toEqual([77, ["10.96.0.9"]]);
    }
  });

  it("passes other names on and puts the client's id back", async () => {
    const answered = decode(await askUdp(question("example.org")));
    expect([answered.id, answered.questions?.[0]?.name]).toEqual([77, "example.org"]);
  });

  it("stays up after garbage", async () => {
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.send("garbage", port, HOST, resolve));
    socket.close();
    expect(code(await askUdp(question("nope.default.svc.cluster.local")))).toBe(RCODE.NXDOMAIN);
    expect(await registry.render()).toContain('coredns_dns_responses_total{server="dns://test"');
  });
});

describe("createUpstream", () => {
  it("gives up on servers that do not listen, quickly", async () => {
    const dead = await freePort();
    await expect(createUpstream([HOST], dead).ask(question("example.org"), "tcp")).rejects.toThrow("no upstream");
    await expect(createUpstream([]).ask(question("example.org"), "udp")).rejects.toThrow("no upstream");
  });
});
