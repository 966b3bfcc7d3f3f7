import type { ClusterRole, PolicyRule } from "./kinds.ts";
import { jsonEqual } from "./patch/value.ts";
import { labelSelectorMatches } from "./selectors.ts";

/**
 * The rules that an aggregating role should have: those of every role that one of its selectors matches, in order of
 * names and without repeats. Undefined for a role that does not aggregate. Pure.
 */
export function aggregatedRules(role: ClusterRole, roles: readonly ClusterRole[]): PolicyRule[] | undefined {
  const selectors = role.aggregationRule?.clusterRoleSelectors;
  if (selectors === undefined) return undefined;
  const matching = roles
    .filter((other) => other.metadata.name !== role.metadata.name)
    .filter((other) => selectors.some((selector) => labelSelectorMatches(selector, other.metadata.labels)))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const gathered: PolicyRule[] = [];
  for (const rule of matching.flatMap((other) => other.rules ?? [])) {
    if (!gathered.some((known) => jsonEqual(known, rule))) gathered.push(rule);
  }
  return gathered;
}
