/** Which rules a user has: bindings that name them, and the roles behind those. Pure. */
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from "@trireme/api";
import type { User } from "../user.ts";

/** Where roles and bindings are looked up. */
export interface PolicySource {
  role(namespace: string, name: string): Role | undefined;
  clusterRole(name: string): ClusterRole | undefined;
  roleBindings(namespace: string): readonly RoleBinding[];
  clusterRoleBindings(): readonly ClusterRoleBinding[];
}

/** Rules, and what could not be found on the way to them. */
export interface Resolved {
  readonly rules: readonly PolicyRule[];
  /** Sentences such as `clusterrole.rbac.authorization.k8s.io "x" not found`. */
  readonly errors: readonly string[];
}

/**
 * Everything that bindings give to a user in a namespace: what holds everywhere and, unless `namespace` is empty, what
 * holds there alone. A binding to a role that is not there gives nothing and hinders nothing.
 */
export function rulesOf(source: PolicySource, user: User, namespace: string): Resolved {
  const rules: PolicyRule[] = [];
  const errors: string[] = [];
  const take = (ref: RoleRef, inNamespace: string): void => {
    const found = rulesOfRole(source, ref, inNamespace);
    if (found === undefined) errors.push(`${roleName(ref)} "${ref.name}" not found`);
    else rules.push(...found);
  };
  for (const { roleRef, subjects = [] } of source.clusterRoleBindings()) {
    if (subjects.some((subject) => isSubject(subject, user, ""))) take(roleRef, "");
  }
  if (namespace !== "") {
    for (const { roleRef, subjects = [] } of source.roleBindings(namespace)) {
      if (subjects.some((subject) => isSubject(subject, user, namespace))) take(roleRef, namespace);
    }
  }
  return { rules, errors };
}

/** The rules of the role that a binding in `namespace` ("" for the whole cluster) names; undefined: no such role. */
export function rulesOfRole(source: PolicySource, ref: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
  const role = ref.kind === "Role" ? source.role(namespace, ref.name) : source.clusterRole(ref.name);
  return role === undefined ? undefined : (role.rules ?? []);
}

/** `role.rbac.authorization.k8s.io` or the like: how a missing role is told. */
export function roleName(ref: RoleRef): string {
  return `${ref.kind.toLowerCase()}.rbac.authorization.k8s.io`;
}

function isSubject(subject: Subject, user: User, namespace: string): boolean {
  switch (subject.kind) {
    case "User":
      return subject.name === user.name;
    case "Group":
      return user.groups.includes(subject.name);
    case "ServiceAccount":
      return user.name === serviceAccountUser(subject.namespace ?? namespace, subject.name);
    default:
      return false;
  }
}

/** The user that a ServiceAccount is. */
export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}
