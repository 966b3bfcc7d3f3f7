import { type KeyObject, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { TriremeError, assert } from "@trireme/base";

/**
 * NATS' keys: Ed25519 keys in base32 with a letter for their role and a checksum. Node's own Ed25519 signs in well under
 * a millisecond; the library's, written in JavaScript, takes some fifty, which every connection of every process would
 * pay at start.
 */
export interface NatsKeys {
  readonly publicKey: string;
  readonly seed: string;
}

/** Whose keys they are; the letter that starts a public key. */
export type NatsRole = "operator" | "account" | "user";

const ROLE_BYTES: Readonly<Record<NatsRole, number>> = { operator: 14 << 3, account: 0, user: 20 << 3 };
const SEED_BYTE = 18 << 3;
const KEY_BYTES = 32;
const CHECKSUM_BYTES = 2;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** What PKCS #8 puts before the 32 bytes of an Ed25519 private key. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

/** Makes a new key pair. */
export function createNatsKeys(role: NatsRole): NatsKeys {
  const { privateKey } = generateKeyPairSync("ed25519");
  const { d, x } = privateKey.export({ format: "jwk" });
  assert(d !== undefined && x !== undefined, "an Ed25519 key has both halves");
  const roleByte = ROLE_BYTES[role];
  return {
    publicKey: encode([roleByte], Buffer.from(x, "base64url")),
    seed: encode([SEED_BYTE | (roleByte >> 5), (roleByte & 31) << 3], Buffer.from(d, "base64url")),
  };
}

/** The public key of a seed. */
export function publicKeyOfSeed(seed: string): string {
  const { role, key } = readSeed(seed);
  const { x } = createPublicKey(key).export({ format: "jwk" });
  assert(x !== undefined, "an Ed25519 key has a public half");
  return encode([role], Buffer.from(x, "base64url"));
}

/** Signs with a seed. */
export function signWithSeed(seed: string, data: Uint8Array): Buffer {
  return sign(null, data, readSeed(seed).key);
}

function readSeed(seed: string): { role: number; key: KeyObject } {
  const bytes = fromBase32(seed);
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const [first = 0, second = 0] = body;
  const isSeed = bytes.length === 2 + KEY_BYTES + CHECKSUM_BYTES && (first & 0xf8) === SEED_BYTE;
  // Never shown: a seed is a secret, also a broken one.
  if (!isSeed || bytes.readUInt16LE(body.length) !== crc16(body))
    throw new TriremeError("BadRequest", "not an nkey seed");
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, body.subarray(2)]), format: "der", type: "pkcs8" });
  return { role: ((first & 7) << 5) | (second >> 3), key };
}

function encode(prefix: readonly number[], raw: Uint8Array): string {
  const body = Buffer.concat([Buffer.from(prefix), raw]);
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt16LE(crc16(body));
  return toBase32(Buffer.concat([body, checksum]));
}

/** CRC-16/XMODEM, as NATS has it. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
  }
  return crc;
}

/** RFC 4648 base32 without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >>> bits) & 31];
    }
    value &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text;
}

function fromBase32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let value = 0;
  for (const letter of text) {
    const digit = ALPHABET.indexOf(letter);
    if (digit === -1) throw new TriremeError("BadRequest", "not an nkey: it holds what is not base32");
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
    }
    value &= (1 << bits) - 1;
  }
  return Buffer.from(bytes);
}
