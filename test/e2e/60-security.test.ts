/**
 * Goal: every address and port that status lists refuses plaintext, a client without a certificate, and one whose
 * certificate another CA signed. Method: raw sockets and TLS by hand, so that no client library helps.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTls } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClusterStatus, adminCredentials, ensureCluster, status } from "./cluster.ts";
import { must } from "./process.ts";

const strip = (address: string): string => address.replace(/^[a-z]+:\/\//, "").replace(/\/.*$/, "");

/** Every host:port that status tells, whatever the field. */
function addressesOf(now: ClusterStatus): Map<string, string> {
  const out = new Map<string, string>();
  for (const server of now.servers) {
    for (const [kind, address] of Object.entries(server.endpoints)) out.set(`${server.name} ${kind}`, strip(address));
  }
  out.set("api", strip(now.apiAddress));
  for (const [i, endpoint] of now.etcd.endpoints.entries()) out.set(`etcd ${i}`, strip(endpoint));
  return out;
}

/** Sends a plaintext HTTP request and tells what came back within two seconds. */
function plaintext(address: string): Promise<string> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    let got = "";
    const socket = connectTcp({ host: host!, port: Number(port) }, () =>
      socket.write("GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\n\r\n"),
    );
    const done = (): void => {
      socket.destroy();
      resolve(got);
    };
    socket.setTimeout(2_000, done);
    socket.on("data", (chunk) => (got += chunk.toString("latin1")));
    socket.on("error", done);
    socket.on("close", done);
  });
}

interface Credentials {
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Asks over TLS and tells the status line, or the error that ended the connection. */
async function overTls(address: string, credentials: Credentials): Promise<string> {
  const first = await overHttp1(address, credentials);
  // A gRPC port agrees on HTTP/2 alone; that it refuses HTTP/1.1 says nothing of certificates.
  return first.includes("no application protocol") ? overHttp2(address, credentials) : first;
}

function overHttp1(address: string, credentials: Credentials): Promise<string> {
  const [host, port] = address.split(":");
  return new Promise((resolve) => {
    let got = "";
    const options = { host: host!, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
    const socket = connectTls({ ...options, ...credentials }, () => {
      socket.write("GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    const done = (): void => {
      socket.destroy();
      resolve(got);
    };
    socket.setTimeout(2_000, done);
    socket.on("data", (chunk) => (got += chunk.toString("latin1")));
    socket.on("error", (error) => {
      got += `error: ${error.message}`;
      done();
    });
    socket.on("close", done);
  });
}

function overHttp2(address: string, credentials: Credentials): Promise<string> {
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${address}`, { rejectUnauthorized: false, ...credentials });
    const done = (told: string): void => {
      session.destroy();
      resolve(told);
    };
    session.on("error", (error) => done(`error: ${error.message}`));
    session.on("close", () => done("error: closed"));
    session.setTimeout(2_000, () => done("error: no answer"));
    const stream = session.request({
      ":method": "POST",
      ":path": "/trireme.api.v1.ManifestService/List",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", (error) => done(`error: ${error.message}`));
    stream.on("response", (headers) => done(`HTTP/2 ${headers[":status"]} grpc-status ${headers["grpc-status"]}`));
    // One empty message: not compressed, no bytes.
    stream.end(Buffer.alloc(5));
  });
}

/** The record type of a TLS alert, and the major version. */
const TLS_ALERT = String.fromCharCode(0x15, 3);

/** An answer that gives nothing away: a TLS alert, an end of connection, 401, or gRPC's UNAUTHENTICATED (16). */
const isRefusal = (answer: string): boolean =>
  /^HTTP\/1\.1 (400|401) |^HTTP\/2 200 grpc-status 16$|^$|error: |alert/.test(answer) || answer.startsWith(TLS_ALERT);

describe("security floor", () => {
  let addresses: Map<string, string>;
  let dir = "";
  let stranger: Credentials;

  beforeAll(async () => {
    await ensureCluster();
    addresses = addressesOf(await status());
    dir = mkdtempSync(join(tmpdir(), "trireme-ca-"));
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const subject = ["-subj", "/O=system:masters/CN=admin"];
    await must("openssl", [
      "req",
      "-x509",
      ...ec,
      ...subject,
      "-days",
      "1",
      "-keyout",
      `${dir}/key`,
      "-out",
      `${dir}/crt`,
    ]);
    stranger = { cert: readFileSync(`${dir}/crt`), key: readFileSync(`${dir}/key`) };
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it("refuses plaintext everywhere", async () => {
    expect(addresses.size).toBeGreaterThanOrEqual(13);
    for (const [what, address] of addresses) {
      const answer = await plaintext(address);
      expect(answer.includes("200 OK") || answer.includes("NamespaceList"), `${what} ${address}: ${answer}`).toBe(
        false,
      );
    }
  });

  it("refuses a client without a certificate everywhere", async () => {
    for (const [what, address] of addresses) {
      const answer = await overTls(address, {});
      expect(isRefusal(answer), `${what} ${address}: ${JSON.stringify(answer.slice(0, 200))}`).toBe(true);
    }
  });

  it("refuses another CA's certificate everywhere, though it says system:masters", async () => {
    for (const [what, address] of addresses) {
      const answer = await overTls(address, stranger);
      expect(isRefusal(answer), `${what} ${address}: ${JSON.stringify(answer.slice(0, 200))}`).toBe(true);
    }
  });

  it("lets the admin in, so that the refusals mean something", async () => {
    const { server, cert, key } = await adminCredentials();
    expect(await overTls(strip(server), { cert, key })).toMatch(/^HTTP\/1\.1 200/);
    const { grpc } = (await status()).servers[0]!.endpoints;
    const answer = await overTls(strip(grpc!), { cert, key });
    expect(answer).toMatch(/^HTTP\/2 200/);
    expect(isRefusal(answer), answer).toBe(false);
  });

  it("keeps the runtime's sockets and every key to root", async () => {
    const now = await status();
    for (const node of now.nodes) {
      const { mode, uid, gid } = statSync(node.criSocket);
      expect([mode & 0o007, uid, gid], node.criSocket).toEqual([0, 0, 0]);
    }
    expect(statSync(now.etcd.key).mode & 0o077).toBe(0);
    expect(statSync(now.kubeconfig).mode & 0o077).toBe(0);
  });
});
