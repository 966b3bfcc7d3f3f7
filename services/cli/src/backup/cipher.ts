import {
  type KeyObject,
  createCipheriv,
  createDecipheriv,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
} from "node:crypto";
import { TriremeError } from "@trireme/base";
import { type RecoveryPrivate, type RecoveryPublic, publicKeyOf, rawOf } from "./recovery-key.ts";

/*
 * A backup file: head | chunk*. The head is magic 8 | version u16 | id of the recovery key 8 | ephemeral X25519 public key 32,
 * big endian. The key of the chunks follows from both public keys and their shared secret (HKDF-SHA256); it is new for every
 * backup, so nonces may count.
 *
 * A chunk is 64 KiB of plaintext, the last one 1 to 64 KiB, each AES-256-GCM with its tag behind it (the STREAM construction):
 * nonce = number of the chunk, 11 bytes | 1 in the last one, else 0; associated data = the head. So a chunk that is missing,
 * repeated, in another place or of another backup does not open, and neither does a file that ends early.
 */
const MAGIC = Buffer.from("TRIBACKP", "latin1");
const VERSION = 1;
const KEY_ID_BYTES = 8;
const HEAD_BYTES = MAGIC.length + 2 + KEY_ID_BYTES + 32;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** Plaintext of one chunk: what is held in memory, and what is trusted before it is checked. */
export const CHUNK_BYTES = 64 * 1024;
const SEALED_BYTES = CHUNK_BYTES + TAG_BYTES;

/** Encrypts a backup as it comes. `push` and `finish` answer what is to be written next. */
export class BackupSealer {
  /** What the file begins with. */
  readonly head: Buffer;
  private readonly key: Buffer;
  private held: Buffer = Buffer.alloc(0);
  private chunk = 0;

  constructor(to: RecoveryPublic) {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    const version = Buffer.alloc(2);
    version.writeUInt16BE(VERSION);
    this.head = Buffer.concat([MAGIC, version, Buffer.from(to.id, "hex"), rawOf(publicKey)]);
    this.key = chunkKey(privateKey, to.key, rawOf(publicKey), to.raw);
  }

  push(plain: Uint8Array): Buffer {
    this.held = Buffer.concat([this.held, plain]);
    const sealed: Buffer[] = [];
    // One byte stays behind, so that the last chunk is never empty.
    while (this.held.length > CHUNK_BYTES) {
      sealed.push(this.seal(this.held.subarray(0, CHUNK_BYTES), false));
      this.held = this.held.subarray(CHUNK_BYTES);
    }
    return Buffer.concat(sealed);
  }

  finish(): Buffer {
    return this.seal(this.held, true);
  }

  private seal(plain: Uint8Array, isLast: boolean): Buffer {
    const cipher = createCipheriv(CIPHER, this.key, nonceOf(this.chunk++, isLast));
    cipher.setAAD(this.head);
    return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
}

/** Decrypts a backup as it comes: nothing is handed out before its chunk has proved whole and in its place. */
export class BackupOpener {
  private readonly secret: RecoveryPrivate;
  private head: Buffer | undefined;
  private key: Buffer = Buffer.alloc(0);
  private held: Buffer = Buffer.alloc(0);
  private chunk = 0;

  constructor(secret: RecoveryPrivate) {
    this.secret = secret;
  }

  /** Takes in more of the file. Throws Invalid for what is no backup, damaged, or of another release, Forbidden for another key's. */
  push(bytes: Uint8Array): Buffer {
    this.held = Buffer.concat([this.held, bytes]);
    if (this.head === undefined && !this.readHead()) return Buffer.alloc(0);
    const opened: Buffer[] = [];
    // What may be the last chunk waits for what comes behind it.
    while (this.held.length > SEALED_BYTES) {
      const sealed = this.held.subarray(0, SEALED_BYTES);
      const plain = this.open(sealed, false);
      if (plain === undefined) throw this.damaged();
      opened.push(plain);
      this.chunk += 1;
      this.held = this.held.subarray(SEALED_BYTES);
    }
    return Buffer.concat(opened);
  }

  /** The file is at its end. Throws Invalid when that is not where it was written to end. */
  finish(): Buffer {
    if (this.head === undefined) throw notABackup();
    const last = this.open(this.held, true);
    if (last !== undefined) return last;
    const isWhole = this.held.length === SEALED_BYTES && this.open(this.held, false) !== undefined;
    if (isWhole || this.held.length < SEALED_BYTES) throw truncated();
    throw this.damaged();
  }

  private readHead(): boolean {
    if (!MAGIC.subarray(0, this.held.length).equals(this.held.subarray(0, MAGIC.length))) throw notABackup();
    if (this.held.length < HEAD_BYTES) return false;
    const head = this.held.subarray(0, HEAD_BYTES);
    const version = head.readUInt16BE(MAGIC.length);
    if (version !== VERSION) {
      throw new TriremeError(
        "Invalid",
        `the backup has format ${version}, and this release reads format ${VERSION}: restore it with the release that made it`,
      );
    }
    const id = head.subarray(MAGIC.length + 2, MAGIC.length + 2 + KEY_ID_BYTES).toString("hex");
    const { public: own, key } = this.secret;
    if (id !== own.id) {
      throw new TriremeError(
        "Forbidden",
        `the backup was made for recovery key ${id}, and this is recovery key ${own.id}: find the key that was shown when ` +
          "the former was made",
      );
    }
    const ephemeral = head.subarray(-32);
    this.key = chunkKey(key, publicKeyOf(ephemeral), ephemeral, own.raw);
    this.head = Buffer.from(head);
    this.held = this.held.subarray(HEAD_BYTES);
    return true;
  }

  private open(sealed: Buffer, isLast: boolean): Buffer | undefined {
    if (sealed.length <= TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.key, nonceOf(this.chunk, isLast), { authTagLength: TAG_BYTES });
    decipher.setAAD(this.head!);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
    } catch (thrown) {
      // The one thing that `final` tells is that the bytes are not those that were written.
      void thrown;
      return undefined;
    }
  }

  private damaged(): TriremeError {
    const at = HEAD_BYTES + this.chunk * SEALED_BYTES;
    return new TriremeError(
      "Invalid",
      `the backup is damaged: the ${CHUNK_BYTES / 1024} KiB from byte ${at} on are not what was written; take another copy`,
    );
  }
}

function chunkKey(own: KeyObject, other: KeyObject, ephemeral: Uint8Array, recovery: Uint8Array): Buffer {
  const shared = diffieHellman({ privateKey: own, publicKey: other });
  const salt = Buffer.concat([ephemeral, recovery]);
  return Buffer.from(hkdfSync("sha256", shared, salt, "trireme backup 1", 32));
}

function nonceOf(chunk: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(chunk), 3);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function notABackup(): TriremeError {
  return new TriremeError("Invalid", "the file is no backup that tri backup made");
}

function truncated(): TriremeError {
  return new TriremeError("Invalid", "the backup is truncated: its end is missing; take another copy");
}
