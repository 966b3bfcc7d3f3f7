import { TriremeError } from "@trireme/base";
import type { IdentityRequests, JoinRequest } from "@trireme/pki";

/** Reads a join's body, or throws the BadRequest that names what is wrong. */
export function parseJoinRequest(body: unknown): JoinRequest {
  const from = objectOf(body, "the body");
  const role = textOf(from, "role");
  if (role !== "server" && role !== "node") throw new TriremeError("BadRequest", 'role must be "server" or "node"');
  const replace = from["replace"] === undefined ? {} : { replace: textOf(from, "replace") };
  return {
    token: textOf(from, "token"),
    role,
    name: textOf(from, "name"),
    address: textOf(from, "address"),
    host: textOf(from, "host"),
    ...replace,
    ...parseRenewal(from),
  };
}

/** Reads what is to be signed. */
export function parseRenewal(body: unknown): IdentityRequests {
  const from = objectOf(body, "the body");
  return { certificates: textsOf(from, "certificates"), bus: textsOf(from, "bus") };
}

type Fields = Readonly<Record<string, unknown>>;

function objectOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new TriremeError("BadRequest", `${what} must be a JSON object`);
}

function textOf(from: Fields, field: string): string {
  const value = from[field];
  if (typeof value === "string" && value !== "") return value;
  throw new TriremeError("BadRequest", `${field} must be a text`);
}

function textsOf(from: Fields, field: string): Record<string, string> {
  const fields = objectOf(from[field] ?? {}, field);
  return Object.fromEntries(Object.keys(fields).map((name) => [name, textOf(fields, name)]));
}
