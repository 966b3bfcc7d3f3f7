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

/** Each controller's ServiceAccount in kube-system, by Kubernetes' names where it has the controller. */
export const CONTROLLER_ACCOUNTS = [
  "cluster-dns-controller",
  "clusterrole-aggregation-controller",
  "cronjob-controller",
  "daemon-set-controller",
  "deployment-controller",
  "disruption-controller",
  "endpointslice-controller",
  "generic-garbage-collector",
  "horizontal-pod-autoscaler",
  "job-controller",
  "monitoring-controller",
  "namespace-controller",
  "node-controller",
  "persistent-volume-binder",
  "replicaset-controller",
  "root-ca-cert-publisher",
  "service-account-controller",
  "statefulset-controller",
] as const;

/** One of {@link CONTROLLER_ACCOUNTS}. */
export type ControllerAccount = (typeof CONTROLLER_ACCOUNTS)[number];

/** The user that a controller acts as. */
export function controllerUser(account: ControllerAccount): string {
  return `system:serviceaccount:kube-system:${account}`;
}
