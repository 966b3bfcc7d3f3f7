import { TriremeError } from "@trireme/base";
import { createHash } from "node:crypto";
import { createNatsKeys, publicKeyOfSeed, signWithSeed, toBase32 } from "./nkeys.ts";
import type { BusPermissions } from "./permissions.ts";

/** An identity that signs others: the public key names it, the seed is its secret. */
export interface NatsSigner {
  readonly publicKey: string;
  readonly seed: string;
  /** Its own claims, signed by its issuer (an operator signs itself). */
  readonly jwt: string;
}

/** What a client presents: its claims and the seed that proves they are its own. Stored as `nats-creds/<identity>.json`. */
export interface NatsCredentials {
  readonly jwt: string;
  readonly seed: string;
}

/** What a user JWT says. */
export interface NatsUserClaims extends BusPermissions {
  /** The identity, e.g. `relay` or `node:node1`. */
  readonly name: string;
  /** Seconds since the epoch after which the server cuts the client; absent: never. */
  readonly expires?: number;
}

/** No limit, in the words of the claims. */
const UNLIMITED = -1;

function toBase64Url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString("base64url");
}

interface Claims {
  readonly sub: string;
  readonly name: string;
  readonly exp?: number;
  readonly nats: Readonly<Record<string, unknown>>;
}

function signClaims(claims: Claims, issuerSeed: string, nowMs: number): string {
  const body = { ...claims, iss: publicKeyOfSeed(issuerSeed), iat: Math.floor(nowMs / 1000) };
  // The id of a claim is the hash of the claim without its id.
  const jti = toBase32(createHash("sha512-256").update(JSON.stringify(body)).digest());
  const head = toBase64Url(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" }));
  const unsigned = `${head}.${toBase64Url(JSON.stringify({ jti, ...body }))}`;
  return `${unsigned}.${toBase64Url(signWithSeed(issuerSeed, new TextEncoder().encode(unsigned)))}`;
}

/** Creates the root of trust of one cluster's bus. */
export function createOperator(name: string, nowMs = Date.now()): NatsSigner {
  const keys = createNatsKeys("operator");
  const jwt = signClaims({ sub: keys.publicKey, name, nats: { type: "operator", version: 2 } }, keys.seed, nowMs);
  return { ...keys, jwt };
}

/** Creates the one account in which all identities of a cluster live; without JetStream, imports or exports. */
export function createAccount(name: string, operator: NatsSigner, nowMs = Date.now()): NatsSigner {
  const keys = createNatsKeys("account");
  const limits = {
    subs: UNLIMITED,
    data: UNLIMITED,
    payload: UNLIMITED,
    imports: 0,
    exports: 0,
    wildcards: false,
    conn: UNLIMITED,
    leaf: 0,
  };
  const nats = { type: "account", version: 2, limits, default_permissions: { pub: {}, sub: {} } };
  return { ...keys, jwt: signClaims({ sub: keys.publicKey, name, nats }, operator.seed, nowMs) };
}

/** Signs a new identity. An empty `pub` or `sub` list means nothing at all, not everything. */
export function createUser(claims: NatsUserClaims, account: NatsSigner, nowMs = Date.now()): NatsCredentials {
  const keys = createNatsKeys("user");
  return { jwt: signUser(claims, keys.publicKey, account, nowMs), seed: keys.seed };
}

/** The secret of a user whose claims somebody else signs: its public key is {@link publicKeyOfSeed}. */
export function createUserSeed(): string {
  return createNatsKeys("user").seed;
}

/** Signs claims for a key pair that already exists, e.g. to renew a user whose seed stays where it is. */
export function signUser(claims: NatsUserClaims, publicKey: string, account: NatsSigner, nowMs = Date.now()): string {
  if (!publicKey.startsWith("U")) throw new TriremeError("BadRequest", "a user's public key starts with U");
  const only = (list: readonly string[]): Record<string, readonly string[]> =>
    // An absent allow list allows everything, so "nothing" has to be spelled as a refusal of everything.
    list.length === 0 ? { deny: [">"] } : { allow: list };
  const nats = {
    type: "user",
    version: 2,
    pub: only(claims.pub),
    sub: only(claims.sub),
    subs: UNLIMITED,
    data: UNLIMITED,
    payload: UNLIMITED,
    allowed_connection_types: ["STANDARD"],
  };
  const exp = claims.expires === undefined ? {} : { exp: claims.expires };
  return signClaims({ sub: publicKey, name: claims.name, ...exp, nats }, account.seed, nowMs);
}

/** Reads the claims of a JWT without verifying them: for display and for expiry. */
export function readClaims(jwt: string): {
  readonly name: string;
  readonly sub: string;
  readonly iat?: number;
  readonly exp?: number;
} {
  const body = jwt.split(".")[1];
  if (body === undefined) throw new TriremeError("BadRequest", "not a JWT");
  return JSON.parse(Buffer.from(body, "base64url").toString()) as {
    name: string;
    sub: string;
    iat?: number;
    exp?: number;
  };
}
