/**
 * Signed tokens (RFC 7519) in the one form that we issue: compact, ES256. What a token says of its own algorithm decides
 * nothing: it has to name the one that we use, so that neither `none` nor a MAC keyed with our public key is ever tried.
 */
import { type KeyObject, createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { TriremeError } from "@trireme/base";

const ALGORITHM = "ES256";
/** P-256 signatures as the token format has them: two numbers of 32 bytes, not DER. */
const ENCODING = "ieee-p1363";
const SIGNATURE_BYTES = 64;

/** Longest token that is looked at; ours have about a kilobyte. */
const MAX_TOKEN_LENGTH = 16 * 1024;

/** A key that tokens are signed or verified with. */
export interface TokenKey {
  /** Names it in a token's header: a digest of the public key, as Kubernetes makes it. */
  readonly id: string;
  readonly publicKey: KeyObject;
  readonly privateKey?: KeyObject;
}

/** Reads a private or public EC P-256 key; `origin` is told when it is none. */
export function tokenKeyFromPem(pem: string, origin: string): TokenKey {
  let privateKey: KeyObject | undefined;
  let publicKey: KeyObject;
  try {
    privateKey = pem.includes("PRIVATE KEY") ? createPrivateKey(pem) : undefined;
    publicKey = createPublicKey(pem);
  } catch (cause) {
    throw new TriremeError("Invalid", `${origin} holds no key for signing tokens`, { cause });
  }
  if (publicKey.asymmetricKeyType !== "ec" || publicKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw new TriremeError("Invalid", `${origin} holds no EC P-256 key, which tokens are signed with`);
  }
  const der = publicKey.export({ type: "spki", format: "der" });
  const id = createHash("sha256").update(der).digest("base64url");
  return { id, publicKey, ...(privateKey === undefined ? {} : { privateKey }) };
}

/** Signs claims. The key must be a private one. */
export function signToken(key: TokenKey, claims: object): string {
  const head = encode({ alg: ALGORITHM, kid: key.id, typ: "JWT" });
  const content = `${head}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(content), { key: key.privateKey!, dsaEncoding: ENCODING });
  return `${content}.${signature.toString("base64url")}`;
}

/** The claims of a token that one of the keys has signed; undefined for anything else. Times are not looked at. */
export function verifiedClaims(
  keys: ReadonlyMap<string, TokenKey>,
  token: string,
): Record<string, unknown> | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const parts = token.split(".");
  if (parts.length !== 3) return undefined;
  const [head, body, mark] = parts as [string, string, string];
  const header = decode(head);
  if (header?.["alg"] !== ALGORITHM || typeof header["kid"] !== "string") return undefined;
  // Extensions that must be understood are not.
  if (header["crit"] !== undefined) return undefined;
  const key = keys.get(header["kid"]);
  const signature = Buffer.from(mark, "base64url");
  if (key === undefined || signature.length !== SIGNATURE_BYTES) return undefined;
  const content = Buffer.from(`${head}.${body}`);
  if (!verify("sha256", content, { key: key.publicKey, dsaEncoding: ENCODING }, signature)) return undefined;
  return decode(body);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
