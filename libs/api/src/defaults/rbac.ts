import type { ClusterRoleBinding, RoleBinding } from "../kinds.ts";

const GROUP = "rbac.authorization.k8s.io";

/** Fills in the API groups of a binding's role and subjects. */
export function defaultBinding({ roleRef, subjects }: RoleBinding | ClusterRoleBinding): void {
  if (roleRef && !roleRef.apiGroup) roleRef.apiGroup = GROUP;
  for (const subject of subjects ?? []) {
    if (!subject.apiGroup && (subject.kind === "User" || subject.kind === "Group")) subject.apiGroup = GROUP;
  }
}
