/** What an upgrade does to default roles that are there already (Kubernetes' `pkg/registry/rbac/reconciliation`). Pure. */
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from "@trireme/api";
import { deepEqual } from "../../registry/equality.ts";
import { uncovered } from "./cover.ts";
import { AUTOUPDATE } from "./default-roles.ts";

/** What to do: nothing, write this over what is there, or, where that is impossible, remove and make it anew. */
export type Reconciliation<T> =
  | { readonly kind: "keep" }
  | { readonly kind: "update"; readonly object: T }
  | { readonly kind: "replace" };

const KEEP = { kind: "keep" } as const;

/** A default role gets the permissions that it lacks; what its owner added stays. */
export function reconcileRole<T extends Role | ClusterRole>(wanted: T, present: T): Reconciliation<T> {
  if (isProtected(present)) return KEEP;
  const missing = uncovered(present.rules ?? [], wanted.rules ?? []);
  const metadata = withMetadata(wanted, present);
  if (missing.length === 0 && metadata === undefined) return KEEP;
  // Whole rules rather than the pieces that are missing: what is written should be fit to be read.
  const added = (wanted.rules ?? []).filter((rule) => uncovered(present.rules ?? [], [rule]).length > 0);
  const rules = [...(present.rules ?? []), ...added];
  return { kind: "update", object: { ...present, rules, ...(metadata === undefined ? {} : { metadata }) } };
}

/** A default binding gets the subjects that it lacks. Its role cannot be changed: a wrong one costs the binding. */
export function reconcileBinding<T extends RoleBinding | ClusterRoleBinding>(wanted: T, present: T): Reconciliation<T> {
  if (isProtected(present)) return KEEP;
  if (!deepEqual(wanted.roleRef, present.roleRef)) return { kind: "replace" };
  const known = present.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter((one) => !known.some((other) => sameSubject(one, other)));
  const metadata = withMetadata(wanted, present);
  if (missing.length === 0 && metadata === undefined) return KEEP;
  const subjects = [...known, ...missing];
  return { kind: "update", object: { ...present, subjects, ...(metadata === undefined ? {} : { metadata }) } };
}

function isProtected(present: Role | ClusterRole | RoleBinding | ClusterRoleBinding): boolean {
  return present.metadata.annotations?.[AUTOUPDATE] === "false";
}

function sameSubject(a: Subject, b: Subject): boolean {
  return a.kind === b.kind && a.name === b.name && (a.namespace ?? "") === (b.namespace ?? "");
}

/** The present metadata with the labels that it lacks; undefined when it lacks none. */
function withMetadata<T extends Role | ClusterRole | RoleBinding | ClusterRoleBinding>(
  wanted: T,
  present: T,
): T["metadata"] | undefined {
  const { labels = {} } = present.metadata;
  const missing = Object.entries(wanted.metadata.labels ?? {}).filter(([key, value]) => labels[key] !== value);
  if (missing.length === 0) return undefined;
  return { ...present.metadata, labels: { ...labels, ...Object.fromEntries(missing) } };
}
