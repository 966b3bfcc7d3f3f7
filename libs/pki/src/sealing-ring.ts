import { createHash, randomBytes } from "node:crypto";
import { TriremeError } from "@trireme/base";

/** The ring's file in a server's folder of keys. */
export const SEALING_FILE = "sealing.json";

/** AES-256. */
const KEY_BYTES = 32;

/**
 * Keys of one ring at most. A rotation holds two at a time, one that was interrupted again and again a few more; whoever
 * has more has another problem.
 */
const MAX_KEYS = 16;

/** One key-encryption key: what data keys are wrapped with. */
export interface SealingKey {
  /** Sixteen hex digits that follow from the key itself, so that a key never goes by another's name. */
  readonly id: string;
  /** RFC 3339: when it was made. */
  readonly created: string;
  readonly secret: Buffer;
}

/** The keys of one server. All of them read; the first writes where the cluster has not said which does. */
export interface SealingRing {
  readonly keys: readonly SealingKey[];
}

/** The name of a key, which tells nothing of it. */
export function sealingKeyId(secret: Uint8Array): string {
  return createHash("sha256").update("trireme sealing key\0").update(secret).digest("hex").slice(0, 16);
}

/** A new key, as of `created` (RFC 3339). */
export function createSealingKey(created: string): SealingKey {
  const secret = randomBytes(KEY_BYTES);
  return { id: sealingKeyId(secret), created, secret };
}

/** The ring as the text of its file. */
export function renderSealingRing(ring: SealingRing): string {
  const keys = ring.keys.map(({ id, created, secret }) => ({ id, created, key: secret.toString("base64") }));
  return `${JSON.stringify({ version: 1, keys }, null, 2)}\n`;
}

/** The text of a new cluster's ring: one key, made now. */
export function createSealingRing(): string {
  return renderSealingRing({ keys: [createSealingKey(new Date().toISOString())] });
}

/** Reads the text of a ring's file. Throws Invalid, naming `source`, for anything that is not one. */
export function parseSealingRing(text: string, source: string): SealingRing {
  const refuse = (why: string): never => {
    throw new TriremeError(
      "Invalid",
      `${source} is not a ring of sealing keys: ${why}. Every server holds the same one: copy it from another server, or ` +
        "restore it from a backup",
    );
  };
  let parsed: { version?: unknown; keys?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch (thrown) {
    return refuse(`it is not JSON (${(thrown as Error).message.split(",")[0]})`);
  }
  if (typeof parsed !== "object" || parsed === null) return refuse("it holds no object");
  if (parsed.version !== 1) return refuse(`it has version ${String(parsed.version)}, and this release reads version 1`);
  if (!Array.isArray(parsed.keys) || parsed.keys.length === 0) return refuse("it holds no keys");
  if (parsed.keys.length > MAX_KEYS)
    return refuse(`it holds ${parsed.keys.length} keys, at most ${MAX_KEYS} are allowed`);
  const keys = parsed.keys.map((one: unknown, i): SealingKey => {
    const { id, created, key } = (one ?? {}) as Record<string, unknown>;
    if (typeof key !== "string" || typeof created !== "string") return refuse(`keys[${i}] wants id, created and key`);
    const secret = Buffer.from(key, "base64");
    if (secret.length !== KEY_BYTES || secret.toString("base64") !== key) {
      return refuse(`keys[${i}].key is not the base64 of ${KEY_BYTES} bytes`);
    }
    if (id !== sealingKeyId(secret)) return refuse(`keys[${i}].key is not the key of that id: it was changed by hand`);
    return { id: sealingKeyId(secret), created, secret };
  });
  if (new Set(keys.map((one) => one.id)).size < keys.length) return refuse("a key is in it twice");
  return { keys };
}

/** The ring with these keys added behind its own; those that it has stay as they are. */
export function withSealingKeys(ring: SealingRing, added: readonly SealingKey[]): SealingRing {
  const keys = [...ring.keys];
  for (const key of added) if (!keys.some((one) => one.id === key.id)) keys.push(key);
  if (keys.length > MAX_KEYS) {
    throw new TriremeError(
      "Invalid",
      `a ring holds at most ${MAX_KEYS} sealing keys, and this would be ${keys.length}`,
    );
  }
  return { keys };
}

/** The ring without these keys. Throws Invalid rather than leave none. */
export function withoutSealingKeys(ring: SealingRing, dropped: readonly string[]): SealingRing {
  const keys = ring.keys.filter((one) => !dropped.includes(one.id));
  if (keys.length === 0) throw new TriremeError("Invalid", "the last sealing key of a ring is never dropped");
  return { keys };
}
