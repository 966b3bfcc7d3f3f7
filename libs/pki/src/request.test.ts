import { X509Certificate, createPrivateKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  createCa,
  createRequest,
  createSigningKey,
  fingerprintOf,
  issue,
  parseRequest,
  publicKeyOf,
  resign,
  sign,
  validityOf,
} from "./ca.ts";
import { hostIdOf } from "./node-identities.ts";

describe("a certificate request", () => {
  it("says who asks, and is signed for the asker's key", async () => {
    const key = await createSigningKey();
    const text = await createRequest({ cn: "system:node:a", o: "system:nodes", sans: ["10.0.0.1", "a"] }, key);
    const request = await parseRequest(text);
    expect(request).toMatchObject({ cn: "system:node:a", o: ["system:nodes"], sans: ["10.0.0.1", "a"] });
    expect(request.publicKey.equals(publicKeyOf(key))).toBe(true);
    const ca = await createCa("ca");
    const subject = { ca, cn: "system:node:a", o: "system:nodes", ou: hostIdOf(request.publicKey), client: true };
    const cert = new X509Certificate(await sign(subject, request.publicKey));
    expect(cert.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(cert.verify(new X509Certificate(ca.cert).publicKey)).toBe(true);
    expect(cert.subject).toContain(`OU=${hostIdOf(publicKeyOf(key))}`);
  });

  it("is refused when it is none, or not its key's", async () => {
    await expect(parseRequest("nonsense")).rejects.toThrow("cannot be read");
    const text = await createRequest({ cn: "a" }, await createSigningKey());
    const [head = "", ...lines] = text.split("\n");
    const der = Buffer.from(lines.slice(0, -2).join(""), "base64");
    // The last bytes are the signature's.
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    const forged = `${head}\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    await expect(parseRequest(forged)).rejects.toThrow(/not signed with its own key|cannot be read/);
  });

  it("comes from a machine that is known by its key", async () => {
    const [a, b] = [await createSigningKey(), await createSigningKey()];
    expect(hostIdOf(publicKeyOf(a))).toMatch(/^[0-9a-f]{32}$/);
    expect(hostIdOf(publicKeyOf(a))).not.toBe(hostIdOf(publicKeyOf(b)));
  });

  it("is signed anew for the same key, subject, names and uses, by its own authority alone", async () => {
    const ca = await createCa("ca");
    const subject = { cn: "system:node:a", o: "system:nodes", ou: "host", sans: ["10.0.0.1", "a"] };
    const { cert, key } = await issue({ ca, ...subject, server: true, client: true, days: 1 });
    const [before, after] = [new X509Certificate(cert), new X509Certificate(await resign(cert, ca))];
    for (const field of ["subject", "issuer", "subjectAltName", "keyUsage", "ca"] as const) {
      expect(after[field]).toEqual(before[field]);
    }
    expect(after.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(after.verify(new X509Certificate(ca.cert).publicKey)).toBe(true);
    expect(after.serialNumber).not.toBe(before.serialNumber);
    const { fromMs, toMs } = validityOf(await resign(cert, ca));
    expect((toMs - fromMs) / 86_400_000).toBeGreaterThan(364);
    await expect(resign(cert, await createCa("ca"))).rejects.toThrow("is none that ca has signed");
    await expect(resign(ca.cert, ca)).rejects.toThrow("for a leaf");
  });

  it("is fingerprinted as openssl does", async () => {
    const { cert } = await createCa("ca");
    expect(fingerprintOf(cert)).toBe(new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase());
  });
});
