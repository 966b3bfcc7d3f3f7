import { type JsonWebKey } from "node:crypto";
import type { SigningKeys } from "../auth/tokens/signing-keys.ts";
import { ISSUER } from "../auth/tokens/token-authority.ts";
import { type Exchange, sendBytes } from "./exchange.ts";

const KEYS_PATH = "/openid/v1/jwks";

/**
 * Answers what others need to verify our tokens by themselves (OpenID Connect discovery); false for any other path. Who may
 * read it is a matter of roles.
 */
export function serveIssuerDocument({ path, response }: Exchange, keys: SigningKeys): boolean {
  if (path === "/.well-known/openid-configuration") {
    const document = {
      issuer: ISSUER,
      jwks_uri: `${ISSUER}${KEYS_PATH}`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
    };
    sendBytes(response, 200, JSON.stringify(document));
    return true;
  }
  if (path !== KEYS_PATH) return false;
  const jwks = [...keys.verifying.values()].map(({ id, publicKey }): JsonWebKey => {
    return { ...publicKey.export({ format: "jwk" }), use: "sig", kid: id, alg: "ES256" };
  });
  sendBytes(response, 200, JSON.stringify({ keys: jwks }), "application/jwk-set+json");
  return true;
}
