/** Acting as somebody else (Kubernetes' `Impersonate-*` headers). Pure. */
import { TriremeError } from "@trireme/base";
import type { Attributes } from "./policy.ts";
import { AUTHENTICATED, ANONYMOUS, type User } from "./user.ts";

/** The values of a header, by its name in small letters; none when it was not sent. */
export type Headers = (name: string) => readonly string[];

const SERVICE_ACCOUNT = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/;

/** Whom a request wants to act as; undefined: as itself. */
export function requestedUser(headers: Headers): User | undefined {
  const [name] = headers("impersonate-user");
  const groups = headers("impersonate-group").filter((group) => group !== "");
  const [uid] = headers("impersonate-uid");
  if (name === undefined || name === "") {
    if (groups.length === 0 && uid === undefined) return undefined;
    throw new TriremeError(
      "BadRequest",
      "requested groups or uid without impersonating a user: set Impersonate-User too",
    );
  }
  return { name, groups, ...(uid === undefined ? {} : { uid }) };
}

/** What one must be allowed to act as `user`: each of its parts. */
export function impersonationRights(user: User): Attributes[] {
  const account = SERVICE_ACCOUNT.exec(user.name);
  const verb = "impersonate";
  return [
    account === null
      ? { verb, group: "", resource: "users", name: user.name }
      : { verb, group: "", resource: "serviceaccounts", namespace: account[1], name: account[2] },
    ...user.groups.map((name) => ({ verb, group: "", resource: "groups", name })),
    ...(user.uid === undefined ? [] : [{ verb, group: "authentication.k8s.io", resource: "uids", name: user.uid }]),
  ];
}

/** The user as the rest of the server sees it: with the groups that it has by being what it is. */
export function impersonated(user: User): User {
  if (user.name === ANONYMOUS.name) return { ...user, groups: [...new Set([...user.groups, ...ANONYMOUS.groups])] };
  const account = SERVICE_ACCOUNT.exec(user.name);
  const own = account === null || user.groups.length > 0 ? [] : serviceAccountGroups(account[1]!);
  return { ...user, groups: [...new Set([...user.groups, ...own, AUTHENTICATED])] };
}

/** The groups of every ServiceAccount of a namespace. */
export function serviceAccountGroups(namespace: string): string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
}
