/** What a ServiceAccount's token says (Kubernetes' `pkg/serviceaccount/claims.go`). Pure. */
import { serviceAccountGroups } from "../impersonation.ts";
import { serviceAccountUser } from "../rbac/policies.ts";
import type { User } from "../user.ts";

/** An object by name and uid. */
export interface Reference {
  readonly name: string;
  readonly uid: string;
}

/** Kinds of objects that a token can live with. */
export type BoundKind = "pod" | "secret" | "node";

/** Whose a token is, and what it lives with. A pod's token names its node as well, for information. */
export interface TokenSubject extends Partial<Readonly<Record<BoundKind, Reference>>> {
  readonly namespace: string;
  readonly serviceaccount: Reference;
}

/** A token's claims. Times are seconds. */
export interface Claims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly "kubernetes.io": TokenSubject;
  readonly nbf: number;
  readonly sub: string;
}

/** The claims of a new token. */
export function newClaims(
  subject: TokenSubject,
  of: {
    readonly issuer: string;
    readonly audiences: readonly string[];
    readonly lifeSeconds: number;
    readonly nowMs: number;
    readonly id: string;
  },
): Claims {
  const now = Math.floor(of.nowMs / 1000);
  return {
    aud: of.audiences,
    exp: now + of.lifeSeconds,
    iat: now,
    iss: of.issuer,
    jti: of.id,
    "kubernetes.io": subject,
    nbf: now,
    sub: serviceAccountUser(subject.namespace, subject.serviceaccount.name),
  };
}

/** The claims of a verified token, if they are of the form that we issue; a signature by our key is no proof of that. */
export function parseClaims(value: Readonly<Record<string, unknown>>): Claims | undefined {
  const { aud, exp, iat, iss, jti, nbf, sub } = value;
  const subject = parseSubject(value["kubernetes.io"]);
  const audiences = typeof aud === "string" ? [aud] : aud;
  if (!Array.isArray(audiences) || !audiences.every((one) => typeof one === "string")) return undefined;
  if (typeof exp !== "number" || typeof iat !== "number" || typeof nbf !== "number") return undefined;
  if (typeof iss !== "string" || typeof sub !== "string" || subject === undefined) return undefined;
  if (sub !== serviceAccountUser(subject.namespace, subject.serviceaccount.name)) return undefined;
  return { aud: audiences, exp, iat, iss, jti: typeof jti === "string" ? jti : "", "kubernetes.io": subject, nbf, sub };
}

function parseSubject(value: unknown): TokenSubject | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const { namespace } = given;
  const serviceaccount = parseReference(given["serviceaccount"]);
  if (typeof namespace !== "string" || serviceaccount === undefined) return undefined;
  const bound: Partial<Record<BoundKind, Reference>> = {};
  for (const kind of ["pod", "secret", "node"] as const) {
    if (given[kind] === undefined) continue;
    const reference = parseReference(given[kind]);
    // A token that is bound to something unreadable is not one that is bound to nothing.
    if (reference === undefined) return undefined;
    bound[kind] = reference;
  }
  return { namespace, serviceaccount, ...bound };
}

function parseReference(value: unknown): Reference | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, uid } = value as { name?: unknown; uid?: unknown };
  return typeof name === "string" && typeof uid === "string" && uid !== "" ? { name, uid } : undefined;
}

/** Seconds by which clocks of two servers may differ. */
const SKEW_SECONDS = 10;

/** Why these claims do not count now for one of `audiences`; undefined: they do. */
export function claimsProblem(
  claims: Claims,
  of: { readonly issuer: string; readonly audiences: readonly string[]; readonly nowMs: number },
): string | undefined {
  const now = of.nowMs / 1000;
  if (claims.iss !== of.issuer) return "another issuer's token";
  if (claims.exp <= now) return "the token has expired";
  if (claims.nbf > now + SKEW_SECONDS) return "the token is not valid yet";
  if (!claims.aud.some((one) => of.audiences.includes(one))) return "the token is for another audience";
  return undefined;
}

/** The user that a token's holder is. */
export function userOfClaims({ sub, jti, "kubernetes.io": subject }: Claims): User {
  const extra: Record<string, string[]> = {};
  if (jti !== "") extra["authentication.kubernetes.io/credential-id"] = [`JTI=${jti}`];
  for (const kind of ["pod", "node"] as const) {
    const reference = subject[kind];
    if (reference === undefined) continue;
    extra[`authentication.kubernetes.io/${kind}-name`] = [reference.name];
    extra[`authentication.kubernetes.io/${kind}-uid`] = [reference.uid];
  }
  const groups = [...serviceAccountGroups(subject.namespace), "system:authenticated"];
  return { name: sub, groups, uid: subject.serviceaccount.uid, extra };
}
