/**
 * What each controller may do as its own account: Kubernetes' roles of the same names (`bootstrappolicy/controller_policy.go`), less
 * what ours do not do, and with the reads and patches that ours do instead of others. Lists come from the informers that all
 * controllers share, under the name of the process; `get` asks the API itself before something that cannot be undone.
 */
import type { ControllerAccount, PolicyRule } from "@trireme/api";

const CORE = "";

function rule(verbs: string, group: string, ...resources: string[]): PolicyRule {
  return { verbs: verbs.split(" "), apiGroups: [group], resources };
}

/** Pods of an owner: made by name (a lost answer is asked for), ended, taken over. */
const PODS_OF_OWNER = rule("create delete get patch", CORE, "pods");
const REVISIONS = rule("create delete get patch update", "apps", "controllerrevisions");

/** In kube-system alone: Services of the cluster's own parts and their endpoints, which are its machines. */
export const OWN_SERVICES_RULES: readonly PolicyRule[] = [
  rule("create", CORE, "services"),
  rule("create update", "discovery.k8s.io", "endpointslices"),
];

/** Controllers that keep such Services, and work nowhere else. */
export const OWN_SERVICES_ACCOUNTS = ["cluster-dns-controller", "monitoring-controller"] as const;

/** Controllers that work everywhere. */
type ClusterWide = Exclude<ControllerAccount, (typeof OWN_SERVICES_ACCOUNTS)[number]>;

const RULES: Readonly<Record<ClusterWide, readonly PolicyRule[]>> = {
  // Who gathers what others may do has to be able to write what it may not do itself.
  "clusterrole-aggregation-controller": [
    rule("escalate get patch update", "rbac.authorization.k8s.io", "clusterroles"),
  ],
  "cronjob-controller": [
    rule("get", "batch", "cronjobs"),
    rule("update", "batch", "cronjobs/status"),
    rule("create delete get", "batch", "jobs"),
  ],
  "daemon-set-controller": [
    rule("get", "apps", "daemonsets"),
    rule("update", "apps", "daemonsets/status"),
    PODS_OF_OWNER,
    REVISIONS,
  ],
  "deployment-controller": [
    rule("get patch", "apps", "deployments"),
    rule("update", "apps", "deployments/status"),
    rule("create delete get patch update", "apps", "replicasets"),
  ],
  "disruption-controller": [
    rule("get", "policy", "poddisruptionbudgets"),
    rule("update", "policy", "poddisruptionbudgets/status"),
  ],
  "endpointslice-controller": [rule("create delete get update", "discovery.k8s.io", "endpointslices")],
  // They reach every kind, also those that are not known yet; they make nothing and get into nothing.
  "generic-garbage-collector": [rule("delete get patch", "*", "*")],
  "namespace-controller": [
    rule("delete deletecollection get list", "*", "*"),
    rule("update", CORE, "namespaces/finalize", "namespaces/status"),
  ],
  "horizontal-pod-autoscaler": [
    rule("get", "autoscaling", "horizontalpodautoscalers"),
    rule("update", "autoscaling", "horizontalpodautoscalers/status"),
    rule("get update", "*", "*/scale"),
  ],
  "job-controller": [rule("delete get", "batch", "jobs"), rule("update", "batch", "jobs/status"), PODS_OF_OWNER],
  "node-controller": [
    rule("get patch", CORE, "nodes"),
    rule("patch", CORE, "nodes/status", "pods/status"),
    rule("delete get", CORE, "pods"),
  ],
  "persistent-volume-binder": [
    rule("create delete get patch update", CORE, "persistentvolumes"),
    rule("get patch update", CORE, "persistentvolumeclaims"),
    rule("update", CORE, "persistentvolumes/status", "persistentvolumeclaims/status"),
    rule("get list", CORE, "pods"),
  ],
  "replicaset-controller": [
    rule("get", "apps", "replicasets"),
    rule("update", "apps", "replicasets/status"),
    PODS_OF_OWNER,
  ],
  "root-ca-cert-publisher": [rule("create update", CORE, "configmaps")],
  "service-account-controller": [rule("create", CORE, "serviceaccounts")],
  "statefulset-controller": [
    rule("get", "apps", "statefulsets"),
    rule("update", "apps", "statefulsets/status"),
    PODS_OF_OWNER,
    REVISIONS,
    rule("create get patch", CORE, "persistentvolumeclaims"),
  ],
};

/** The role of a controller's account. */
export function controllerRole(account: ControllerAccount): string {
  return `system:controller:${account}`;
}

/** The controllers' ClusterRoles: whose, and the rules. Those of {@link OWN_SERVICES_ACCOUNTS} have Roles in kube-system. */
export const CONTROLLER_RULES = Object.entries(RULES) as readonly (readonly [ClusterWide, readonly PolicyRule[]])[];
