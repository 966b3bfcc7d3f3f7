import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { TriremeError } from "@trireme/base";
import { FORMAT_MSGPACK, SEALED, isSealed } from "../storage/codec.ts";

/**
 * What a sealed value looks like. It carries its own data key, wrapped, so that whoever holds the ring opens it: any
 * server, from history, from a snapshot, from a backup.
 *
 *   0   format byte, as in an open value
 *   1   SEALED
 *   2   id of the key-encryption key                     8
 *   10  wrapped data key: nonce 12, key 32, tag 16      60
 *   70  nonce                                           12
 *   82  the object, AES-256-GCM                          n
 *       tag                                             16
 *
 * Associated data of the object is everything before it and the key that it is stored under: a value that is moved to
 * another key, or given another data key, does not open. That of a wrapped key is its key-encryption key's id.
 */
const KEY_ID_AT = 2;
const WRAPPED_AT = 10;
const NONCE_AT = 70;
const BODY_AT = 82;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = "aes-256-gcm";

/** What sealing adds to a value. */
export const SEALING_OVERHEAD = BODY_AT + TAG_BYTES - 2;

/** A data key in use and the form in which it travels with each value. */
export interface DataKey {
  /** Of the key-encryption key, sixteen hex digits. */
  readonly keyId: string;
  readonly key: KeyObject;
  readonly wrapped: Buffer;
}

/** Wraps `secret` (32 bytes) for use as a data key. `nonce` (12 bytes) is random and used once with that key. */
export function wrapDataKey(keyId: string, wrapping: Uint8Array, secret: Uint8Array, nonce: Uint8Array): DataKey {
  const cipher = createCipheriv(CIPHER, wrapping, nonce);
  cipher.setAAD(Buffer.from(keyId, "hex"));
  const wrapped = Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
  return { keyId, key: createSecretKey(secret), wrapped };
}

/** Seals an open value for the place `path` in the store. `nonce` (12 bytes) is used once with that data key. */
export function sealValue(path: string, value: Uint8Array, dataKey: DataKey, nonce: Uint8Array): Uint8Array {
  const head = Buffer.concat([
    Buffer.from([FORMAT_MSGPACK, SEALED]),
    Buffer.from(dataKey.keyId, "hex"),
    dataKey.wrapped,
    nonce,
  ]);
  const cipher = createCipheriv(CIPHER, dataKey.key, nonce);
  cipher.setAAD(associated(head, path));
  return Buffer.concat([head, cipher.update(value.subarray(2)), cipher.final(), cipher.getAuthTag()]);
}

/** The id of the key-encryption key that a sealed value needs; undefined for an open one. */
export function sealingKeyOf(value: Uint8Array): string | undefined {
  if (!isSealed(value)) return undefined;
  return Buffer.from(value.subarray(KEY_ID_AT, WRAPPED_AT)).toString("hex");
}

/** The wrapped data key of a sealed value: the same bytes are the same data key. */
export function wrappedKeyOf(value: Uint8Array): Buffer {
  return Buffer.from(value.subarray(WRAPPED_AT, NONCE_AT));
}

/** Opens a wrapped data key. Throws when it is damaged or was wrapped by another key. */
export function unwrapDataKey(keyId: string, wrapping: Uint8Array, wrapped: Buffer): KeyObject {
  const decipher = createDecipheriv(CIPHER, wrapping, wrapped.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(keyId, "hex"));
  decipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
  return createSecretKey(Buffer.concat([decipher.update(wrapped.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]));
}

/** The open value of a sealed one. Throws InternalError when it is damaged or stands where it was not sealed for. */
export function openValue(path: string, value: Uint8Array, key: KeyObject): Uint8Array {
  if (value.length < BODY_AT + TAG_BYTES) throw damaged(path, "it is cut short");
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(NONCE_AT, BODY_AT), { authTagLength: TAG_BYTES });
  decipher.setAAD(associated(bytes.subarray(0, BODY_AT), path));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const head = Buffer.from([FORMAT_MSGPACK, 0]);
    return Buffer.concat([head, decipher.update(bytes.subarray(BODY_AT, -TAG_BYTES)), decipher.final()]);
  } catch (thrown) {
    throw damaged(path, "its bytes are not those that were sealed for this key", thrown);
  }
}

/** The error of a value that its own key does not open. */
export function damaged(path: string, why: string, cause?: unknown): TriremeError {
  return new TriremeError(
    "InternalError",
    `the sealed value of ${path} does not open: ${why}. It was damaged, or written past the API; ` +
      "restore a backup (tri restore)",
    { cause },
  );
}

function associated(head: Uint8Array, path: string): Buffer {
  return Buffer.concat([head, Buffer.from(path)]);
}
