/** What one rule allows (Kubernetes' `pkg/apis/rbac/v1/evaluation_helpers.go`). Pure. */
import type { PolicyRule } from "@trireme/api";
import type { Attributes } from "../policy.ts";

/** Stands for all verbs, groups, resources or paths. */
export const ALL = "*";

/** Whether the rule allows this verb on this resource. A rule on paths allows none. */
export function ruleAllows(rule: PolicyRule, want: Attributes): boolean {
  return (
    holds(rule.verbs, want.verb) &&
    holds(rule.apiGroups ?? [], want.group) &&
    resourceMatches(rule.resources ?? [], want.resource, want.subresource ?? "") &&
    nameMatches(rule.resourceNames ?? [], want.name ?? "")
  );
}

/** Whether the rule allows this verb on this path. */
export function ruleAllowsPath(rule: PolicyRule, verb: string, path: string): boolean {
  return holds(rule.verbs, verb) && (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, path));
}

function holds(values: readonly string[], wanted: string): boolean {
  return values.includes(ALL) || values.includes(wanted);
}

// `pods` is the resource alone, `pods/log` one subresource, `*/scale` that subresource of all.
function resourceMatches(resources: readonly string[], resource: string, subresource: string): boolean {
  const path = subresource === "" ? resource : `${resource}/${subresource}`;
  return resources.some((one) => one === ALL || one === path || (subresource !== "" && one === `*/${subresource}`));
}

/** Invariant: a request without a name is never allowed by a rule for names, so that it cannot reach the others. */
function nameMatches(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

function pathMatches(pattern: string, path: string): boolean {
  if (pattern === ALL || pattern === path) return true;
  return pattern.endsWith(ALL) && path.startsWith(pattern.replace(/\*+$/, ""));
}
