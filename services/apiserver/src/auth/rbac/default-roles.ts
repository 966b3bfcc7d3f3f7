/**
 * The roles and bindings that every cluster begins with: Kubernetes' own (`plugin/pkg/auth/authorizer/rbac/bootstrappolicy`), as
 * far as their kinds are served, and what each of our parts needs, which is all that it has.
 */
import {
  type ClusterRole,
  type ClusterRoleBinding,
  type PolicyRule,
  type Role,
  type RoleBinding,
  type Subject,
  CONTROLLER_ACCOUNTS,
  aggregatedRules,
} from "@trireme/api";
import { CONTROLLER_RULES, OWN_SERVICES_ACCOUNTS, OWN_SERVICES_RULES, controllerRole } from "./controller-roles.ts";

const GROUP = "rbac.authorization.k8s.io";
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
/** Set to "false" on a default role or binding, it stays as its owner made it. */
export const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];
const READ_WRITE = [...READ, ...WRITE].toSorted();
const CORE = "";
const KUBE_SYSTEM = "kube-system";

/** What every cluster has from its beginning. */
export interface DefaultPolicy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

function rule(verbs: readonly string[], group: string, ...resources: string[]): PolicyRule {
  return { verbs: [...verbs], apiGroups: [group], resources };
}

function paths(...nonResourceURLs: string[]): PolicyRule {
  return { verbs: ["get"], nonResourceURLs };
}

function clusterRole(name: string, rules: readonly PolicyRule[], labels: Record<string, string> = {}): ClusterRole {
  return {
    metadata: { name, labels: { ...LABELS, ...labels }, annotations: { [AUTOUPDATE]: "true" } },
    rules: [...rules],
  };
}

function aggregateTo(role: string): Record<string, string> {
  return { [`${GROUP}/aggregate-to-${role}`]: "true" };
}

/** A role for people that gathers others: whoever installs a kind labels a role for it, and it is part of these. */
function gathering(name: string, labels: Record<string, string>): ClusterRole {
  const { metadata } = clusterRole(name, [], labels);
  return { metadata, aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregateTo(name) }] } };
}

const OWN_READ_STATUS = (...resources: string[]): string[] => resources.flatMap((one) => [one, `${one}/status`]);

const VIEW: readonly PolicyRule[] = [
  rule(
    READ,
    CORE,
    "configmaps",
    "endpoints",
    ...OWN_READ_STATUS("persistentvolumeclaims"),
    "pods",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "serviceaccounts",
    ...OWN_READ_STATUS("services"),
  ),
  rule(
    READ,
    CORE,
    "bindings",
    "events",
    "limitranges",
    "namespaces/status",
    "pods/log",
    "pods/status",
    "replicationcontrollers/status",
    ...OWN_READ_STATUS("resourcequotas"),
  ),
  rule(READ, CORE, "namespaces"),
  rule(READ, "discovery.k8s.io", "endpointslices"),
  rule(
    READ,
    "apps",
    "controllerrevisions",
    ...OWN_READ_STATUS("daemonsets"),
    ...OWN_READ_STATUS("deployments"),
    "deployments/scale",
    ...OWN_READ_STATUS("replicasets"),
    "replicasets/scale",
    ...OWN_READ_STATUS("statefulsets"),
    "statefulsets/scale",
  ),
  rule(READ, "autoscaling", ...OWN_READ_STATUS("horizontalpodautoscalers")),
  rule(READ, "batch", ...OWN_READ_STATUS("cronjobs", "jobs")),
  rule(READ, "policy", ...OWN_READ_STATUS("poddisruptionbudgets")),
  rule(READ, "networking.k8s.io", ...OWN_READ_STATUS("ingresses"), "networkpolicies"),
];

const EDIT: readonly PolicyRule[] = [
  rule(READ, CORE, "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"),
  rule(["impersonate"], CORE, "serviceaccounts"),
  rule(WRITE, CORE, "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
  rule(["create"], CORE, "pods/eviction"),
  rule(
    WRITE,
    CORE,
    "configmaps",
    "events",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "secrets",
    "serviceaccounts",
    "services",
    "services/proxy",
  ),
  rule(["create"], CORE, "serviceaccounts/token"),
  rule(
    WRITE,
    "apps",
    "daemonsets",
    "deployments",
    "deployments/rollback",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
    "statefulsets/scale",
  ),
  rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
  rule(WRITE, "batch", "cronjobs", "jobs"),
  rule(WRITE, "policy", "poddisruptionbudgets"),
  rule(WRITE, "networking.k8s.io", "ingresses", "networkpolicies"),
  rule(READ_WRITE, "coordination.k8s.io", "leases"),
];

const ADMIN: readonly PolicyRule[] = [
  rule(["create"], "authorization.k8s.io", "localsubjectaccessreviews"),
  rule(READ_WRITE, GROUP, "roles", "rolebindings"),
];

/** Who reads metrics is asked of the API by those who serve them. */
const DELEGATE: readonly PolicyRule[] = [
  rule(["create"], "authentication.k8s.io", "tokenreviews"),
  rule(["create"], "authorization.k8s.io", "subjectaccessreviews"),
];

const HEALTH = ["/healthz", "/livez", "/readyz"];
const VERSION = ["/version", "/version/"];

const PEOPLE: readonly ClusterRole[] = [
  clusterRole("cluster-admin", [rule(["*"], "*", "*"), { verbs: ["*"], nonResourceURLs: ["*"] }]),
  gathering("admin", {}),
  gathering("edit", aggregateTo("admin")),
  gathering("view", aggregateTo("edit")),
  clusterRole("system:aggregate-to-admin", ADMIN, aggregateTo("admin")),
  clusterRole("system:aggregate-to-edit", EDIT, aggregateTo("edit")),
  clusterRole("system:aggregate-to-view", VIEW, aggregateTo("view")),
  clusterRole("system:aggregated-metrics-reader", [rule(READ, "metrics.k8s.io", "nodes", "pods")], {
    ...aggregateTo("admin"),
    ...aggregateTo("edit"),
    ...aggregateTo("view"),
  }),
  clusterRole("system:basic-user", [
    rule(["create"], "authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectrulesreviews"),
    rule(["create"], "authentication.k8s.io", "selfsubjectreviews"),
  ]),
  clusterRole("system:discovery", [
    paths("/api", "/api/*", "/apis", "/apis/*", ...HEALTH, "/openapi", "/openapi/*", ...VERSION),
  ]),
  clusterRole("system:public-info-viewer", [paths(...HEALTH, ...VERSION)]),
  clusterRole("system:monitoring", [paths(...HEALTH, ...HEALTH.map((path) => `${path}/*`), "/metrics", "/metrics/*")]),
  clusterRole("system:auth-delegator", DELEGATE),
  clusterRole("system:service-account-issuer-discovery", [
    paths("/.well-known/openid-configuration", "/openid/v1/jwks"),
  ]),
];

const EVENTS = rule(["create", "patch", "update"], CORE, "events");
const LEASES = "coordination.k8s.io";

/** What an agent may do beyond what its pods name: which objects of these is decided by the node authorizer. */
export const NODE_RULES: readonly PolicyRule[] = [
  // Traffic rules, names and drains need the whole of these.
  rule(READ, CORE, "services", "nodes", "namespaces"),
  rule(READ, "discovery.k8s.io", "endpointslices"),
  rule(READ, CORE, "pods"),
  rule(["patch", "update"], CORE, "pods/status"),
  rule(["delete"], CORE, "pods"),
  rule(["create", "patch", "update"], CORE, "nodes"),
  rule(["patch", "update"], CORE, "nodes/status"),
  EVENTS,
  rule(["get"], CORE, "persistentvolumeclaims"),
  rule([...READ, "patch"], CORE, "persistentvolumes"),
  rule(READ, CORE, "configmaps", "secrets"),
  rule(["create"], CORE, "serviceaccounts/token"),
  rule([...READ, "create", "delete", "patch", "update"], LEASES, "leases"),
  ...DELEGATE,
];

const PARTS: readonly ClusterRole[] = [
  clusterRole("system:node", NODE_RULES),
  // Kubernetes' has more, for what ours does not do: it evicts nobody, and spreads by what pods say themselves.
  clusterRole("system:kube-scheduler", [
    // Which servers there are.
    rule(["get"], "discovery.k8s.io", "endpointslices"),
    rule(READ, CORE, "nodes", "pods"),
    rule(["create"], CORE, "pods/binding"),
    rule(["patch"], CORE, "pods/status"),
    EVENTS,
  ]),
  clusterRole("system:volume-scheduler", [
    rule(READ, CORE, "persistentvolumes"),
    rule([...READ, "patch"], CORE, "persistentvolumeclaims"),
    rule(READ, "storage.k8s.io", "storageclasses"),
  ]),
  // Its controllers act as accounts of their own (controller-roles.ts); for all of them it reads, and tells what they did.
  clusterRole("system:kube-controller-manager", [
    rule(["list", "watch"], "*", "*"),
    // Which servers there are.
    rule(["get"], "discovery.k8s.io", "endpointslices"),
    EVENTS,
  ]),
  ...CONTROLLER_RULES.map(([account, rules]) => clusterRole(controllerRole(account), rules)),
  clusterRole("system:trireme-dns", [
    rule(READ, CORE, "services"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    ...DELEGATE,
  ]),
  clusterRole("system:trireme-balancer", [
    rule(READ, CORE, "nodes", "services"),
    // Which servers there are.
    rule(["get"], "discovery.k8s.io", "endpointslices"),
  ]),
];

function bound(role: string, ...subjects: Subject[]): ClusterRoleBinding {
  return {
    metadata: { name: role, labels: LABELS, annotations: { [AUTOUPDATE]: "true" } },
    roleRef: { apiGroup: GROUP, kind: "ClusterRole", name: role },
    subjects,
  };
}

const group = (name: string): Subject => ({ apiGroup: GROUP, kind: "Group", name });
const user = (name: string): Subject => ({ apiGroup: GROUP, kind: "User", name });

const accountOf = (name: string): Subject => ({ kind: "ServiceAccount", namespace: KUBE_SYSTEM, name });

const AUTHENTICATED = group("system:authenticated");

const BINDINGS: readonly ClusterRoleBinding[] = [
  bound("cluster-admin", group("system:masters")),
  bound("system:basic-user", AUTHENTICATED),
  bound("system:discovery", AUTHENTICATED),
  bound("system:public-info-viewer", AUTHENTICATED, group("system:unauthenticated")),
  bound("system:monitoring", group("system:monitoring")),
  bound("system:service-account-issuer-discovery", group("system:serviceaccounts")),
  bound("system:kube-scheduler", user("system:kube-scheduler")),
  bound("system:volume-scheduler", user("system:kube-scheduler")),
  bound("system:kube-controller-manager", user("system:kube-controller-manager")),
  ...CONTROLLER_RULES.map(([account]) => bound(controllerRole(account), accountOf(account))),
  bound("system:trireme-dns", group("system:dns")),
  // The second is the balancer's name in clusters that were made before it had one of its own.
  bound("system:trireme-balancer", user("system:trireme-balancer"), user("system:dns:balancer")),
];

/** Elections, each held by one identity: `lease` is the name after `trireme-`. */
const ELECTIONS: readonly (readonly [lease: string, user: string])[] = [
  ["scheduler", "system:kube-scheduler"],
  ["controllers", "system:kube-controller-manager"],
  ["relay", "system:trireme-relay"],
];

function electionRole([lease]: readonly [string, string]): Role {
  return {
    metadata: {
      name: `system::leader-locking-${lease}`,
      namespace: KUBE_SYSTEM,
      labels: LABELS,
      annotations: { [AUTOUPDATE]: "true" },
    },
    rules: [
      rule(READ, LEASES, "leases"),
      // A create cannot be restricted to a name; whose election it is the fence decides.
      rule(["create"], LEASES, "leases"),
      { ...rule(["delete", "patch", "update"], LEASES, "leases"), resourceNames: [`trireme-${lease}`] },
    ],
  };
}

/** What is given in kube-system alone: a role and whose it is. */
function grantsInKubeSystem(): (readonly [Role, Subject])[] {
  const role = (name: string, rules: PolicyRule[]): Role => ({
    metadata: { name, namespace: KUBE_SYSTEM, labels: LABELS, annotations: { [AUTOUPDATE]: "true" } },
    rules,
  });
  const acting = { ...rule(["impersonate"], CORE, "serviceaccounts"), resourceNames: [...CONTROLLER_ACCOUNTS] };
  return [
    ...ELECTIONS.map((election) => [electionRole(election), user(election[1])] as const),
    [role("system::controller-accounts", [acting]), user("system:kube-controller-manager")],
    ...OWN_SERVICES_ACCOUNTS.map((account) => {
      return [role(controllerRole(account), [...OWN_SERVICES_RULES]), accountOf(account)] as const;
    }),
  ];
}

function boundInKubeSystem([{ metadata }, subject]: readonly [Role, Subject]): RoleBinding {
  return { metadata, roleRef: { apiGroup: GROUP, kind: "Role", name: metadata.name }, subjects: [subject] };
}

/** Gathering roles as the controller will keep them, so that they are whole from the first moment. */
function gathered(roles: readonly ClusterRole[]): ClusterRole[] {
  const done = roles.filter((role) => role.aggregationRule === undefined);
  // From the narrowest to the widest: edit gathers view, admin gathers edit.
  for (const name of ["view", "edit", "admin"]) {
    const role = roles.find((one) => one.metadata.name === name)!;
    done.push({ ...role, rules: aggregatedRules(role, done) ?? [] });
  }
  return done;
}

/** The roles and bindings of a new cluster, and what later releases add to those of an old one. */
export function defaultPolicy(): DefaultPolicy {
  return {
    clusterRoles: gathered([...PEOPLE, ...PARTS]),
    clusterRoleBindings: BINDINGS,
    roles: grantsInKubeSystem().map(([role]) => role),
    roleBindings: grantsInKubeSystem().map(boundInKubeSystem),
  };
}
