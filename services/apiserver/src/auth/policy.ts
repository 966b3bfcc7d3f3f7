/** What a request wants, and what is said when it may not. */
import type { User } from "./user.ts";

/** What a request wants, as far as authorizers look. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  /** Absent for lists, and for creates, whose object has no name in the path. */
  readonly name?: string | undefined;
  /** The node that a list of pods is narrowed to. */
  readonly nodeName?: string | undefined;
}

/** An authorizer's answer. What nobody allows is forbidden; `reason` may be empty. */
export type Decision = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/** The sentence of a 403, in Kubernetes' words. */
export function forbiddenMessage(user: User, want: Attributes, reason = ""): string {
  const groupResource = want.group === "" ? want.resource : `${want.resource}.${want.group}`;
  const subject = (want.name ?? "") === "" ? groupResource : `${groupResource} "${want.name}"`;
  const resource = (want.subresource ?? "") === "" ? want.resource : `${want.resource}/${want.subresource}`;
  const scope =
    want.namespace === undefined || want.namespace === ""
      ? "at the cluster scope"
      : `in the namespace "${want.namespace}"`;
  const why = reason === "" ? "" : `: ${reason}`;
  return `${subject} is forbidden: User "${user.name}" cannot ${want.verb} resource "${resource}" in API group "${want.group}" ${scope}${why}`;
}

/** The identity that may hold each election, and so use its fence. */
const ELECTED: Readonly<Record<string, string>> = {
  scheduler: "system:kube-scheduler",
  controllers: "system:kube-controller-manager",
  relay: "system:trireme-relay",
};

/** Whether this user is of the class that the election elects. */
export function mayUseFence(user: User, election: string): boolean {
  return ELECTED[election] === user.name;
}
