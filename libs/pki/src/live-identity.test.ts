import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Ca, LiveIdentity, createCa, issue, writeKeyPair, writePrivateFile } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "trireme-live-identity-"));
const open: LiveIdentity[] = [];
afterAll(() => {
  for (const one of open) one.close();
  rmSync(dir, { recursive: true });
});

async function setUp(name: string): Promise<{ ca: Ca; live: LiveIdentity; problems: string[] }> {
  const ca = await createCa("live");
  writePrivateFile(join(dir, "ca.crt"), ca.cert);
  writeKeyPair(dir, name, await issue({ ca, cn: "first", server: true }));
  const problems: string[] = [];
  const live = new LiveIdentity({ dir, name }, (error) => void problems.push(error.message));
  open.push(live);
  return { ca, live, problems };
}

const subjectOf = (pem: Buffer): string => new X509Certificate(pem).subject;

describe("LiveIdentity", () => {
  it("is what the files say, and tells who asked to be told", async () => {
    const { ca, live, problems } = await setUp("a");
    const told: string[] = [];
    const stop = live.onChange(() => void told.push(subjectOf(live.cert)));
    live.look();
    expect(told).toEqual([]);
    writeKeyPair(dir, "a", await issue({ ca, cn: "second", server: true }));
    live.look();
    expect(told).toEqual(["CN=second"]);
    stop();
    writeKeyPair(dir, "a", await issue({ ca, cn: "third", server: true }));
    live.look();
    expect(told).toEqual(["CN=second"]);
    expect(subjectOf(live.cert)).toBe("CN=third");
    expect(problems).toEqual([]);
  });

  it("notices a change by itself", async () => {
    const { ca, live } = await setUp("b");
    const changed = new Promise<void>((resolve) => void live.onChange(resolve));
    writeKeyPair(dir, "b", await issue({ ca, cn: "second", server: true }));
    await changed;
    expect(subjectOf(live.cert)).toBe("CN=second");
  });

  it("keeps the last good one, and says what is wrong with the new", async () => {
    const { ca, live, problems } = await setUp("c");
    const other = await issue({ ca, cn: "of another key", server: true });
    writePrivateFile(join(dir, "c.crt"), other.cert);
    live.look();
    writePrivateFile(join(dir, "c.crt"), "half a file");
    live.look();
    expect(subjectOf(live.cert)).toBe("CN=first");
    expect(problems).toEqual([
      expect.stringContaining("c.key is not the key of c.crt"),
      expect.stringContaining("cannot be read"),
    ]);
    expect(() => new LiveIdentity({ dir, name: "c" }, () => undefined)).toThrow("cannot be read");
  });

  it("provides gRPC with each pair, the first a turn after it was asked", async () => {
    const { ca, live } = await setUp("d");
    const got: string[] = [];
    const onIdentity = (update: { certificate: Buffer }): void => void got.push(subjectOf(update.certificate));
    live.addIdentityCertificateListener(onIdentity);
    live.addCaCertificateListener((update) => void got.push(subjectOf(update.caCertificate)));
    expect(got).toEqual([]);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    expect(got).toEqual(["CN=first", "CN=live"]);
    writeKeyPair(dir, "d", await issue({ ca, cn: "second", server: true }));
    live.look();
    expect(got.slice(2).toSorted()).toEqual(["CN=live", "CN=second"]);
    live.removeIdentityCertificateListener(onIdentity);
    writeKeyPair(dir, "d", await issue({ ca, cn: "third", server: true }));
    live.look();
    expect(got).not.toContain("CN=third");
  });
});
