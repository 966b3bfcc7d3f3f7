import { createHash, randomInt } from "node:crypto";
import { TriremeError } from "@trireme/base";

/** A join token, taken apart: `tri1.<SHA-256 of the CA's certificate, hex>.<id>.<secret>`. */
export interface JoinToken {
  /** What the cluster's CA must hash to; checked before anything secret is sent. */
  readonly caHash: string;
  /** Public: names the token in lists. */
  readonly id: string;
  readonly secret: string;
}

const VERSION = "tri1";
const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";
/** As Kubernetes' bootstrap tokens have it. */
const ID_LENGTH = 6;
/** 165 bits. */
const SECRET_LENGTH = 32;
const TOKEN = /^tri1\.([0-9a-f]{64})\.([a-z0-9]{6})\.([a-z0-9]{32})$/;

/** Makes a new token for the cluster whose CA hashes to `caHash`. */
export function createJoinToken(caHash: string): JoinToken {
  return { caHash, id: randomText(ID_LENGTH), secret: randomText(SECRET_LENGTH) };
}

/** The token as people carry it. */
export function formatJoinToken({ caHash, id, secret }: JoinToken): string {
  return [VERSION, caHash, id, secret].join(".");
}

/** Reads a token. Throws BadRequest, without repeating what was given: it may be most of a secret. */
export function parseJoinToken(text: string): JoinToken {
  const match = TOKEN.exec(text.trim());
  if (match === null) {
    throw new TriremeError(
      "BadRequest",
      `the token is garbled: it must look like ${VERSION}.<64 hex digits>.<${ID_LENGTH} characters>.<${SECRET_LENGTH} characters>; ` +
        "copy it whole, or make another with ./tri token create",
    );
  }
  const [, caHash = "", id = "", secret = ""] = match;
  return { caHash, id, secret };
}

/** What the cluster keeps of a secret: whoever reads it can admit nobody. */
export function joinSecretHash(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
