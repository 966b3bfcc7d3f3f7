/** Who asks. From a client certificate the common name is the user and the organisations are the groups. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  /** Tells this user from earlier ones of the same name, where there can be some. */
  readonly uid?: string;
  /** What else was proved with the identity, such as the pod that a token was made for. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** The group of every user that proved who it is. */
export const AUTHENTICATED = "system:authenticated";

/** The key of {@link User.extra} under which the certificate of a machine that has joined says which machine it is. */
export const HOST_ID = "trireme.io/host-id";

/** Whoever shows no certificate; may ask for health alone. */
export const ANONYMOUS: User = { name: "system:anonymous", groups: ["system:unauthenticated"] };

/** The event relay's election runs inside the apiserver, through the same pipeline, under this name. */
export const RELAY: User = { name: "system:trireme-relay", groups: [AUTHENTICATED] };

/** The apiserver itself: what it keeps up on its own account, such as the Service `kubernetes`. */
export const APISERVER: User = { name: "system:apiserver", groups: ["system:masters", AUTHENTICATED] };

/** The node whose agent this user is, if it is one. */
export function nodeOf(user: User): string | undefined {
  const prefix = "system:node:";
  if (!user.groups.includes("system:nodes") || !user.name.startsWith(prefix)) return undefined;
  return user.name.slice(prefix.length);
}
