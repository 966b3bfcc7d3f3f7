/**
 * Nobody gives away what they do not have (Kubernetes' `pkg/registry/rbac`, policybased storage): who writes a role holds all of its rules
 * or the verb `escalate` on it; who writes a binding holds all rules of its role or the verb `bind` on it.
 */
import {
  type ClusterRole,
  type ClusterRoleBinding,
  type KubeObject,
  type PolicyRule,
  type Resource,
  type Role,
  type RoleBinding,
  groupResource,
} from "@trireme/api";
import { TriremeError } from "@trireme/base";
import { deepEqual } from "../registry/equality.ts";
import type { Authorizer } from "./authorizer.ts";
import { describeRules, quoted, uncovered } from "./rbac/cover.ts";
import { rulesOfRole } from "./rbac/policies.ts";
import { ALL } from "./rbac/rules.ts";
import type { User } from "./user.ts";

const GROUP = "rbac.authorization.k8s.io";

/** Who may say which roles are gathered decides about rules that nobody has written yet: only whoever may do everything. */
const FULL_AUTHORITY: readonly PolicyRule[] = [
  { verbs: [ALL], apiGroups: [ALL], resources: [ALL] },
  { verbs: [ALL], nonResourceURLs: [ALL] },
];

/** Throws Forbidden when this write of a role or binding gives more than its writer has. Other kinds pass. */
export function confirmNoEscalation(
  authorizer: Authorizer,
  user: User,
  resource: Resource,
  next: KubeObject,
  current: KubeObject | undefined,
): void {
  if (resource.group !== GROUP) return;
  switch (resource.resource) {
    case "roles":
    case "clusterroles":
      return confirmRole(
        authorizer,
        user,
        resource,
        next as Role | ClusterRole,
        current as Role | ClusterRole | undefined,
      );
    default:
      return confirmBinding(authorizer, user, resource, next as RoleBinding, current as RoleBinding | undefined);
  }
}

function confirmRole(
  authorizer: Authorizer,
  user: User,
  resource: Resource,
  next: Role | ClusterRole,
  current: Role | ClusterRole | undefined,
): void {
  if (current !== undefined && deepEqual(grants(next), grants(current))) return;
  const { name, namespace } = next.metadata;
  const want = { group: GROUP, resource: resource.resource, namespace, name };
  if (authorizer.authorize(user, { ...want, verb: "escalate" }).allowed) return;
  confirmHeld(authorizer, user, resource, name, namespace, next.rules ?? []);
  const aggregates = [next, current].some((role) => (role as ClusterRole | undefined)?.aggregationRule !== undefined);
  if (!aggregates) return;
  const { rules } = authorizer.rulesOf(user, namespace ?? "");
  if (uncovered(rules, FULL_AUTHORITY).length === 0) return;
  throw forbidden(resource, name, "must have cluster-admin privileges to use an aggregationRule");
}

/** What of a role matters: an owner reference or a label grants nothing by itself. */
function grants(role: Role | ClusterRole): unknown {
  return { rules: role.rules ?? [], aggregation: (role as ClusterRole).aggregationRule ?? null };
}

function confirmBinding(
  authorizer: Authorizer,
  user: User,
  resource: Resource,
  next: RoleBinding | ClusterRoleBinding,
  current: RoleBinding | ClusterRoleBinding | undefined,
): void {
  if (current !== undefined && deepEqual(next.subjects ?? [], current.subjects ?? [])) return;
  const { name, namespace } = next.metadata;
  const { roleRef } = next;
  const role = { group: GROUP, resource: `${roleRef.kind.toLowerCase()}s`, name: roleRef.name };
  if (authorizer.authorize(user, { ...role, namespace, verb: "bind" }).allowed) return;
  const rules = rulesOfRole(authorizer.source, roleRef, namespace ?? "");
  if (rules === undefined) {
    throw new TriremeError("NotFound", `${role.resource}.${GROUP} "${roleRef.name}" not found`, {
      details: { name: roleRef.name, group: GROUP, kind: role.resource },
    });
  }
  confirmHeld(authorizer, user, resource, name, namespace, rules);
}

function confirmHeld(
  authorizer: Authorizer,
  user: User,
  resource: Resource,
  name: string,
  namespace: string | undefined,
  wanted: readonly PolicyRule[],
): void {
  const held = authorizer.rulesOf(user, namespace ?? "");
  const missing = uncovered(held.rules, wanted);
  if (missing.length === 0) return;
  const errors = held.errors.length === 0 ? "" : `; resolution errors: ${quoted(held.errors)}`;
  throw forbidden(
    resource,
    name,
    `user ${JSON.stringify(user.name)} (groups=${quoted(user.groups)}) is attempting to grant RBAC permissions not currently held:\n${describeRules(missing).join("\n")}${errors}`,
  );
}

function forbidden(resource: Resource, name: string, why: string): TriremeError {
  return new TriremeError("Forbidden", `${groupResource(resource)} "${name}" is forbidden: ${why}`, {
    details: { name, group: resource.group, kind: resource.resource },
  });
}
