import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, issue, sharedFolderOf, writeKeyPair, writePrivateFile } from "@trireme/pki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renewLeaf } from "./server-renewal.ts";

const DAY_MS = 86_400_000;
const dir = mkdtempSync(join(tmpdir(), "trireme-server-renewal-"));
afterAll(() => rmSync(dir, { recursive: true }));

beforeAll(async () => {
  for (const name of ["ca", "store-ca"]) {
    const ca = await createCa(name);
    writeKeyPair(sharedFolderOf(dir), name, ca);
    writePrivateFile(join(dir, `${name}.crt`), ca.cert);
    writeKeyPair(dir, `of-${name}`, await issue({ ca, cn: `part of ${name}`, sans: ["10.0.0.1"], server: true }));
  }
  writeKeyPair(dir, "stranger", await issue({ ca: await createCa("ca"), cn: "stranger", server: true }));
});

const read = (name: string): X509Certificate => new X509Certificate(readFileSync(join(dir, `${name}.crt`)));

describe("a server's own certificate", () => {
  it("is renewed by the authority that signed it, once it is due, and stays what it was", async () => {
    for (const ca of ["ca", "store-ca"]) {
      const name = `of-${ca}`;
      const before = read(name);
      expect(await renewLeaf(dir, name, Date.now() + 200 * DAY_MS)).toBe(false);
      expect(read(name).serialNumber).toBe(before.serialNumber);
      expect(await renewLeaf(dir, name, Date.now() + 300 * DAY_MS)).toBe(true);
      const after = read(name);
      expect(after.serialNumber).not.toBe(before.serialNumber);
      expect([after.subject, after.subjectAltName]).toEqual([before.subject, before.subjectAltName]);
      expect(after.verify(new X509Certificate(readFileSync(join(sharedFolderOf(dir), `${ca}.crt`))).publicKey)).toBe(
        true,
      );
    }
  });

  it("of an authority that is not ours is left alone, whatever its name", async () => {
    const { serialNumber } = read("stranger");
    expect(await renewLeaf(dir, "stranger", Date.now() + 300 * DAY_MS)).toBe(false);
    expect(read("stranger").serialNumber).toBe(serialNumber);
  });
});
