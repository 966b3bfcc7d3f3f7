import { nkeys } from "nats";
import { describe, expect, it } from "vitest";
import { type NatsRole, createNatsKeys, publicKeyOfSeed, signWithSeed, toBase32 } from "./nkeys.ts";

const text = (string: string): Uint8Array => new TextEncoder().encode(string);

describe("nkeys", () => {
  it.each<[NatsRole, string]>([
    ["operator", "O"],
    ["account", "A"],
    ["user", "U"],
  ])("makes %s keys that the library reads and agrees with", (role, letter) => {
    const { publicKey, seed } = createNatsKeys(role);
    expect(publicKey[0]).toBe(letter);
    expect(seed.startsWith(`S${letter}`)).toBe(true);
    const theirs = nkeys.fromSeed(text(seed));
    expect(theirs.getPublicKey()).toBe(publicKey);
    expect(publicKeyOfSeed(seed)).toBe(publicKey);
    const signature = signWithSeed(seed, text("nonce"));
    expect(nkeys.fromPublic(publicKey).verify(text("nonce"), signature)).toBe(true);
    expect(nkeys.fromPublic(publicKey).verify(text("other"), signature)).toBe(false);
    expect(signature).toEqual(Buffer.from(theirs.sign(text("nonce"))));
  });

  it("reads what the library makes", () => {
    const theirs = nkeys.createUser();
    const seed = new TextDecoder().decode(theirs.getSeed());
    expect(publicKeyOfSeed(seed)).toBe(theirs.getPublicKey());
  });

  it("refuses what is no seed, without showing it", () => {
    const { publicKey, seed } = createNatsKeys("user");
    const broken = `${seed.slice(0, 20)}${seed[20] === "A" ? "B" : "A"}${seed.slice(21)}`;
    for (const wrong of [publicKey, broken, seed.slice(0, -1), "", "not-base32!"]) {
      expect(() => publicKeyOfSeed(wrong)).toThrow(/^not an nkey/);
      expect(() => publicKeyOfSeed(wrong)).not.toThrow(wrong === "" ? "\0" : wrong);
    }
  });
});

describe("toBase32", () => {
  it("agrees with the examples of RFC 4648, without padding", () => {
    expect(["", "f", "fo", "foo", "foob", "fooba", "foobar"].map((it) => toBase32(text(it)))).toEqual([
      "",
      "MY",
      "MZXQ",
      "MZXW6",
      "MZXW6YQ",
      "MZXW6YTB",
      "MZXW6YTBOI",
    ]);
  });
});
