import type { Secret } from "@trireme/api";
import { SECRETS } from "@trireme/api";
import { TriremeError, errorFrom, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import {
  type HostRole,
  TOKEN_SECRET_TYPE,
  type TokenData,
  createJoinToken,
  fingerprintOf,
  formatJoinToken,
  joinSecretHash,
  tokenSecretName,
} from "@trireme/pki";
import type { Access } from "./access.ts";

const NAMESPACE = "kube-system";

/** A token in a list: everything but its secret, which nobody keeps. */
export interface TokenRow {
  readonly id: string;
  readonly role: string;
  readonly expires: string;
  /** The machine that it has admitted. */
  readonly usedBy: string;
  readonly state: "valid" | "used" | "expired" | "spent";
}

/** A server that is busy, or has just lost its leader, answers soon after. */
const TRIES = 3;

/**
 * Makes a token that admits one machine; answers it whole, for the only time. Where no answer came, another one is made: a token
 * that nobody was told admits nobody, and expires.
 */
export async function createToken(access: Access, role: HostRole, ttlMs: number): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      return await createOne(access, role, ttlMs);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (tries === TRIES || !(error.retryable || error.code === "Unknown")) throw error;
    }
  }
}

async function createOne({ client, ca }: Access, role: HostRole, ttlMs: number): Promise<string> {
  const token = createJoinToken(fingerprintOf(ca));
  const data: TokenData = {
    "token-id": token.id,
    "token-secret-hash": joinSecretHash(token.secret),
    expiration: new Date(Date.now() + ttlMs).toISOString(),
    "usage-trireme-join": role,
  };
  const metadata = { name: tokenSecretName(token.id), namespace: NAMESPACE };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, type: TOKEN_SECRET_TYPE, stringData: { ...data } };
  await secretsOf(client).create(secret as Secret & { metadata: typeof metadata });
  return formatJoinToken(token);
}

/** Every join token, oldest end first. */
export async function listTokens({ client }: Access): Promise<TokenRow[]> {
  const { items } = await secretsOf(client).list();
  return items
    .flatMap((secret) => rowOf(secret, Date.now()) ?? [])
    .toSorted((a, b) => (a.expires < b.expires ? -1 : 1));
}

/** Takes a token away; what has joined with it stays. */
export async function revokeToken({ client }: Access, text: string): Promise<string> {
  // Somebody who pastes the whole token means its id.
  const id = text.split(".").at(-2) ?? text;
  try {
    await secretsOf(client).delete(tokenSecretName(id));
  } catch (thrown) {
    if (!hasCode(thrown, "NotFound")) throw thrown;
    throw new TriremeError("NotFound", `there is no token "${id}"; ./tri token list shows them`);
  }
  return id;
}

/** One line of the list; nothing for a Secret of another type. */
export function rowOf(secret: Secret, nowMs: number): TokenRow | undefined {
  if (secret.type !== TOKEN_SECRET_TYPE) return undefined;
  const data = dataOf(secret);
  const expires = data.expiration ?? "";
  const expired = !(Date.parse(expires) > nowMs);
  const used = data["used-by-name"];
  return {
    id: data["token-id"] ?? "",
    role: data["usage-trireme-join"] ?? "",
    expires,
    usedBy: used ?? "",
    state: data.spent !== undefined ? "spent" : expired ? "expired" : used === undefined ? "valid" : "used",
  };
}

function dataOf(secret: Secret): Partial<TokenData> {
  const entries = Object.entries(secret.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

function secretsOf(client: ApiClient) {
  return client.resource<Secret>(SECRETS, NAMESPACE);
}
