import { type KeyObject, createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { TriremeError } from "@trireme/base";

/*
 * A recovery key is an X25519 pair. The public half stays with the servers, so that anybody may make a backup; the private
 * half is shown once and kept by people, on paper if need be. Written it is 32 bytes and 20 bits of checksum in Crockford's
 * base 32, which has no letters that look like digits, in groups of four:
 *
 *   TRIREC-0000-1111-2222-...
 */
const PREFIX = "TRIREC";
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const SECRET_BYTES = 32;
/** 256 bits in groups of five. */
const SECRET_DIGITS = 52;
/** A typing error goes unnoticed once in a million times. */
const CHECK_DIGITS = 4;
const GROUP = 4;

/** What the servers keep of a recovery key. */
export const RECOVERY_FILE = "recovery.pub";

/** DER of a raw X25519 key begins with these (RFC 8410). */
const PRIVATE_DER = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_DER = Buffer.from("302a300506032b656e032100", "hex");

/** The public half, and how people tell it from others. */
export interface RecoveryPublic {
  /** Sixteen hex digits of a hash of the public half. */
  readonly id: string;
  readonly key: KeyObject;
  /** 32 bytes. */
  readonly raw: Buffer;
}

/** The private half, as restored from what was typed. */
export interface RecoveryPrivate {
  readonly key: KeyObject;
  readonly public: RecoveryPublic;
}

/** A new key: the typable private half, and the text of the file with the public one. */
export function createRecoveryKey(): { readonly typed: string; readonly file: string; readonly id: string } {
  const { privateKey } = generateKeyPairSync("x25519");
  const raw = privateKey.export({ type: "pkcs8", format: "der" }).subarray(-SECRET_BYTES);
  const pub = publicOf(privateKey);
  return { typed: formatSecret(raw), file: renderPublic(pub), id: pub.id };
}

/** The typable form of 32 secret bytes. */
export function formatSecret(raw: Uint8Array): string {
  const digits = toDigits(raw) + checkOf(raw);
  const groups = Array.from({ length: digits.length / GROUP }, (_, i) => digits.slice(i * GROUP, (i + 1) * GROUP));
  return [PREFIX, ...groups].join("-");
}

/** Reads what a person typed: case, spaces and dashes do not matter, and O, I and L are what they look like. */
export function parseSecret(typed: string): RecoveryPrivate {
  const refuse = (why: string): never => {
    throw new TriremeError(
      "BadRequest",
      `this is no recovery key: ${why}. It reads ${PREFIX}-xxxx-xxxx-..., with 14 groups of four`,
    );
  };
  const text = typed.toUpperCase().replaceAll(/[\s-]/g, "");
  if (!text.startsWith(PREFIX)) return refuse(`it does not begin with ${PREFIX}`);
  const digits = text.slice(PREFIX.length).replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  const odd = /[^0-9A-HJKMNP-TV-Z]/u.exec(digits)?.[0];
  if (odd !== undefined) return refuse(`"${odd}" is in none`);
  const expected = SECRET_DIGITS + CHECK_DIGITS;
  if (digits.length !== expected) return refuse(`it has ${digits.length} characters after ${PREFIX}, not ${expected}`);
  const raw = fromDigits(digits.slice(0, SECRET_DIGITS));
  if (raw === undefined || checkOf(raw) !== digits.slice(SECRET_DIGITS)) {
    return refuse("its checksum is wrong: a character is mistyped, or two are swapped");
  }
  const key = createPrivateKey({ key: Buffer.concat([PRIVATE_DER, raw]), format: "der", type: "pkcs8" });
  return { key, public: publicOf(key) };
}

/** Reads the file with the public half. Throws Invalid, naming it. */
export function parsePublic(text: string, source: string): RecoveryPublic {
  const [, id, key] = /^trireme-recovery-x25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{43}=)\s*$/.exec(text) ?? [];
  const raw = Buffer.from(key ?? "", "base64");
  if (raw.length !== 32 || id !== idOf(raw)) {
    throw new TriremeError(
      "Invalid",
      `${source} is no public recovery key; make a new one with tri backup recovery-key --new`,
    );
  }
  return { id, raw, key: publicKeyOf(raw) };
}

/** A public key from its 32 bytes. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([PUBLIC_DER, raw]), format: "der", type: "spki" });
}

/** The 32 bytes of a public key. */
export function rawOf(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" }).subarray(-32);
}

function publicOf(privateKey: KeyObject): RecoveryPublic {
  const key = createPublicKey(privateKey);
  const raw = rawOf(key);
  return { id: idOf(raw), raw, key };
}

function renderPublic({ id, raw }: RecoveryPublic): string {
  return `trireme-recovery-x25519 ${id} ${raw.toString("base64")}\n`;
}

function idOf(raw: Uint8Array): string {
  return createHash("sha256").update("trireme recovery key\0").update(raw).digest("hex").slice(0, 16);
}

function checkOf(raw: Uint8Array): string {
  return toDigits(createHash("sha256").update("trireme recovery check\0").update(raw).digest().subarray(0, 3)).slice(
    0,
    CHECK_DIGITS,
  );
}

/** Five bits a digit, the first bits first, the last digit filled up with zeros. */
function toDigits(bytes: Uint8Array): string {
  let digits = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      digits += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? digits : digits + ALPHABET[(held << (5 - bits)) & 31];
}

/** Undefined when the bits that fill up the last digit are not zero: no key has that form. */
function fromDigits(digits: string): Buffer | undefined {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const digit of digits) {
    held = (held << 5) | ALPHABET.indexOf(digit);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push(held >> bits);
      held &= (1 << bits) - 1;
    }
  }
  return held === 0 ? Buffer.from(bytes) : undefined;
}
