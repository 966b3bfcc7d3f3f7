import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TLSSocket, connect, createServer } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { createCa, issue, readCa, readKeyPair, writeKeyPair, writePrivateFile } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-pki-"));
afterAll(() => rmSync(dir, { recursive: true }));

describe("issue", () => {
  it("puts user, groups, names and addresses into a certificate that its CA signed", async () => {
    const ca = await createCa("test CA");
    const pair = await issue({
      ca,
      cn: "system:node:node1",
      o: ["system:nodes", "extra, group"],
      sans: ["172.30.1.21", "node1"],
      server: true,
      client: true,
    });
    const cert = new X509Certificate(pair.cert);
    expect(cert.subject.split("\n").toSorted()).toEqual(["CN=system:node:node1", "O=extra\\, group", "O=system:nodes"]);
    expect(cert.subjectAltName).toBe("IP Address:172.30.1.21, DNS:node1");
    expect(cert.verify(new X509Certificate(ca.cert).publicKey)).toBe(true);
    expect(cert.checkIssued(new X509Certificate(ca.cert))).toBe(true);
    expect(cert.ca).toBe(false);
    const days = (Date.parse(cert.validTo) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(364);
    expect(days).toBeLessThan(366);
    expect(cert.verify(new X509Certificate((await createCa("test CA")).cert).publicKey)).toBe(false);
  });

  it("makes what both ends of a mutual TLS connection accept", async () => {
    const ca = await createCa("test CA");
    const serving = await issue({ ca, cn: "server", sans: ["127.0.0.1"], server: true });
    const visitor = await issue({ ca, cn: "alice", o: "people", client: true });
    const server = createServer({ ...serving, ca: ca.cert, requestCert: true, rejectUnauthorized: true }, (socket) => {
      socket.end(`${(socket as TLSSocket).getPeerCertificate().subject.CN as string}`);
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    const port = (server.address() as { port: number }).port;
    const seen = await new Promise<string>((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, ca: ca.cert, ...visitor });
      socket.on("data", (data) => resolve(String(data))).on("error", reject);
    });
    server.close();
    expect(seen).toBe("alice");
  });
});

describe("files", () => {
  it("writes owner-only files and leaves no temporary behind", async () => {
    const ca = await createCa("kept CA");
    writeKeyPair(join(dir, "sub"), "ca", ca);
    expect(readCa(join(dir, "sub"), "ca")).toEqual(ca);
    expect(readdirSync(join(dir, "sub")).toSorted()).toEqual(["ca.crt", "ca.key"]);
    expect(statSync(join(dir, "sub", "ca.key")).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, "sub")).mode & 0o777).toBe(0o700);
    writePrivateFile(join(dir, "sub", "note"), "one");
    writePrivateFile(join(dir, "sub", "note"), "two");
    expect(readFileSync(join(dir, "sub", "note"), "utf8")).toBe("two");
  });

  it("refuses a CA whose key is another's", async () => {
    writeKeyPair(dir, "mixed", { cert: (await createCa("a")).cert, key: (await createCa("b")).key });
    expect(() => readCa(dir, "mixed")).toThrow('the key of CA "CN=a" is not its certificate\'s key');
    expect(readKeyPair(dir, "mixed").cert).toContain("BEGIN CERTIFICATE");
  });
});
