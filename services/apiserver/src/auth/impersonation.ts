import { TriremeError } from "@trireme/base";
import { forbiddenMessage, isAllowed } from "./policy.ts";
import { AUTHENTICATED, type User } from "./user.ts";

/** Whom a request wants to be taken for (`kubectl --as`, `--as-group`); a uid or extra means nothing to our policy. */
export interface Impersonation {
  readonly user: string | undefined;
  readonly groups: readonly string[];
}

/** The user as whom the request goes on. Throws Forbidden when `user` may not act as another. */
export function impersonated(user: User, asked: Impersonation): User {
  if (asked.user === undefined && asked.groups.length === 0) return user;
  if (asked.user === undefined) {
    throw new TriremeError("BadRequest", "groups are impersonated together with a user alone: name one (--as)");
  }
  const wanted = [
    { resource: "users", name: asked.user },
    ...asked.groups.map((name) => ({ resource: "groups", name })),
  ];
  for (const of of wanted) {
    const want = { verb: "impersonate", group: "", ...of };
    if (!isAllowed(user, want)) throw new TriremeError("Forbidden", forbiddenMessage(user, want));
  }
  return { name: asked.user, groups: [...new Set([...asked.groups, AUTHENTICATED])] };
}
