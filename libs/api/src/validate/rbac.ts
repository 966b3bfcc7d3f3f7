import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject } from "../kinds.ts";
import { jsonEqual } from "../patch/value.ts";
import type { Problems } from "./field-error.ts";
import { validateSelector } from "./metadata.ts";
import { dnsSubdomainProblems, pathSegmentProblems } from "./names.ts";

const GROUP = "rbac.authorization.k8s.io";

/** Checks a Role. */
export function validateRole({ rules = [] }: Role, problems: Problems): void {
  for (const [index, rule] of rules.entries()) validateRule(rule, `rules[${index}]`, true, problems);
}

/** Checks a ClusterRole. */
export function validateClusterRole({ rules = [], aggregationRule }: ClusterRole, problems: Problems): void {
  for (const [index, rule] of rules.entries()) validateRule(rule, `rules[${index}]`, false, problems);
  if (aggregationRule === undefined) return;
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  const path = "aggregationRule.clusterRoleSelectors";
  if (selectors.length === 0) {
    problems.required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
  }
  for (const [index, selector] of selectors.entries()) validateSelector(selector, `${path}[${index}]`, problems);
}

function validateRule(rule: PolicyRule, path: string, isNamespaced: boolean, problems: Problems): void {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  if ((verbs ?? []).length === 0) problems.required(`${path}.verbs`, "verbs must contain at least one value");
  if (nonResourceURLs.length > 0) {
    const at = `${path}.nonResourceURLs`;
    if (isNamespaced) problems.invalid(at, nonResourceURLs, "namespaced rules cannot apply to non-resource URLs");
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      problems.invalid(at, nonResourceURLs, "rules cannot apply to both regular resources and non-resource URLs");
    }
    return;
  }
  if (apiGroups.length === 0)
    problems.required(`${path}.apiGroups`, "resource rules must supply at least one api group");
  if (resources.length === 0)
    problems.required(`${path}.resources`, "resource rules must supply at least one resource");
}

/** Checks a RoleBinding, or a ClusterRoleBinding, which has no namespace to take Roles from. */
export function validateBinding(
  { metadata, roleRef, subjects = [] }: RoleBinding | ClusterRoleBinding,
  problems: Problems,
): void {
  if (roleRef !== undefined) {
    if (roleRef.apiGroup !== GROUP) problems.notSupported("roleRef.apiGroup", roleRef.apiGroup, [GROUP]);
    const kinds = metadata.namespace === undefined ? ["ClusterRole"] : ["Role", "ClusterRole"];
    if (!kinds.includes(roleRef.kind)) problems.notSupported("roleRef.kind", roleRef.kind, kinds);
    if (roleRef.name) problems.each("roleRef.name", roleRef.name, pathSegmentProblems(roleRef.name));
  }
  for (const [index, subject] of subjects.entries()) validateSubject(subject, `subjects[${index}]`, problems);
}

function validateSubject({ kind, apiGroup = "", name, namespace }: Subject, path: string, problems: Problems): void {
  switch (kind) {
    case "ServiceAccount":
      if (name) problems.each(`${path}.name`, name, dnsSubdomainProblems(name));
      if (apiGroup !== "") problems.notSupported(`${path}.apiGroup`, apiGroup, [""]);
      if (!namespace) problems.required(`${path}.namespace`);
      return;
    case "User":
    case "Group":
      if (apiGroup !== GROUP) problems.notSupported(`${path}.apiGroup`, apiGroup, [GROUP]);
      return;
    default:
      problems.notSupported(`${path}.kind`, kind, ["ServiceAccount", "User", "Group"]);
  }
}

/** Whoever was given a binding to edit may not turn it into one to another role. */
export function validateBindingUpdate(
  { roleRef }: RoleBinding | ClusterRoleBinding,
  { roleRef: old }: RoleBinding | ClusterRoleBinding,
  problems: Problems,
): void {
  if (!jsonEqual(roleRef ?? null, old ?? null)) problems.invalid("roleRef", roleRef, "cannot change roleRef");
}
