/**
 * Goal: the key of tokens is replaced while servers come and go, and no server ever meets a token that it does not know. Method:
 * folders of three servers, and rotations that break off at every step.
 */
import { mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSigningKey, writePrivateFile } from "@trireme/pki";
import { silentLogger } from "@trireme/telemetry";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken, verifiedClaims } from "./jwt.ts";
import { type TokenKeyPeers, TokenKeyRotator } from "./key-rotator.ts";
import { SigningKeyFiles } from "./signing-keys.ts";

const NAMES = ["s1", "s2", "s3"] as const;
type Name = (typeof NAMES)[number];

let dir: string;
let servers: Map<string, SigningKeyFiles>;
let now = Date.parse("2026-11-22T10:00:00Z");

const folder = (name: string): string => join(dir, name);
const start = (name: string): void => void servers.set(name, new SigningKeyFiles(folder(name), () => now));
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "token-keys-"));
  servers = new Map();
  const first = await createSigningKey();
  for (const name of NAMES) {
    writePrivateFile(join(folder(name), "sa.key"), first);
    start(name);
  }
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A rotation at the first server; `fails` says which calls find nobody. */
function rotatorOf(fails: (what: string) => boolean = () => false): TokenKeyRotator {
  const at = (address: string, what: string): SigningKeyFiles => {
    if (fails(`${what} ${address}`)) throw new Error(`${address} does not answer`);
    return servers.get(address)!;
  };
  const peers: TokenKeyPeers = {
    others: async () => NAMES.slice(1),
    ring: async (address) => at(address, "ring").ring(),
    change: async (address, change) => {
      const keys = at(address, "add" in change ? "add" : "promote");
      if ("add" in change) keys.add(change.add);
      else keys.promote(change.promote);
      return keys.ring();
    },
  };
  return new TokenKeyRotator(servers.get("s1")!, peers, silentLogger);
}

/** Whether what each server signs counts at each. */
function allKnowAll(): boolean {
  const tokens = [...servers.values()].map((keys) => signToken(keys.signing, { iss: "x" }));
  return [...servers.values()].every((keys) =>
    tokens.every((token) => verifiedClaims(keys.verifying, token) !== undefined),
  );
}
const signing = (): string[] => [...servers.values()].map((keys) => keys.signing.id);

describe("a rotation of the token key", () => {
  it("ends with one key that signs and an old one that counts, also after a restart", async () => {
    const [old] = signing();
    const token = signToken(servers.get("s3")!.signing, { iss: "x" });
    const told = await rotatorOf().rotate();
    expect(told).toEqual({ key: expect.any(String), resumed: false, counting: [old], behind: [] });
    NAMES.forEach(start);
    expect(signing()).toEqual([told.key, told.key, told.key]);
    for (const keys of servers.values()) {
      expect([...keys.verifying.keys()].toSorted()).toEqual([old!, told.key].toSorted());
      expect(verifiedClaims(keys.verifying, token)).toBeDefined();
      expect(keys.ring().pending).toEqual([]);
    }
    // What is kept of the old key signs nothing.
    expect(readdirSync(folder("s2")).filter((file) => file.endsWith(".key"))).toEqual(["sa.key"]);
    const again = await rotatorOf().rotate();
    expect([again.resumed, again.counting.length]).toEqual([false, 2]);
  });

  it.each(["ring s2", "ring s3", "add s2", "add s3"])(
    "changes who signs nowhere when nobody answers %s",
    async (call) => {
      const before = signing();
      await expect(rotatorOf((what) => what === call).rotate()).rejects.toThrow("every server has to hold it first");
      expect(signing()).toEqual(before);
      expect(allKnowAll()).toBe(true);
      const told = await rotatorOf().rotate();
      expect(told.resumed).toBe(call.startsWith("add"));
      expect(new Set(signing())).toEqual(new Set([told.key]));
    },
  );

  it.each<Name>(["s2", "s3"])("is finished by the next when %s went away in the middle", async (name) => {
    const half = await rotatorOf((what) => what === `promote ${name}`).rotate();
    expect(half.behind).toEqual([name]);
    expect(allKnowAll()).toBe(true);
    start(name);
    const told = await rotatorOf().rotate();
    expect(told).toMatchObject({ key: half.key, resumed: true, behind: [] });
    expect(new Set(signing())).toEqual(new Set([half.key]));
  });

  it("lets an old key count for a year", async () => {
    const [old] = signing();
    await rotatorOf().rotate();
    for (const file of readdirSync(folder("s1"))) utimesSync(join(folder("s1"), file), now / 1000, now / 1000);
    now += 364 * 24 * 3600 * 1000;
    start("s1");
    expect(servers.get("s1")!.verifying.has(old!)).toBe(true);
    now += 2 * 24 * 3600 * 1000;
    start("s1");
    expect(servers.get("s1")!.verifying.has(old!)).toBe(false);
  });

  it("takes no key that is none", () => {
    expect(() => servers.get("s1")!.add("nonsense")).toThrow("holds no key");
    expect(() => servers.get("s1")!.promote("unheard")).toThrow("does not hold the token key");
  });
});
