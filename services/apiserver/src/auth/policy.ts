/**
 * Who may do what: one table. Until RBAC objects arrive this is the whole policy; it holds the identities of our own
 * parts and the administrators.
 */
import {
  HOSTNAME_LABEL,
  LOCAL_PATH_FINALIZER,
  type NonResourceRule,
  type PersistentVolume,
  type ResourceRule,
} from "@trireme/api";
import { deepEqual } from "../registry/equality.ts";
import { AUTHENTICATED, type User, nodeOf } from "./user.ts";

/** What a request wants, as far as the policy looks. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

interface Rule {
  /** Whom it allows: one user, or a group. A name of one kind never counts as the other. */
  readonly user?: string;
  readonly group?: string;
  readonly verbs: readonly string[];
  /** `<resource>[.<group>][/<subresource>]`; `*` for all. */
  readonly resources: readonly string[];
  /** Only in this namespace. */
  readonly namespace?: string;
  /** Only objects of this name; `$node` is the asking node's own, `*` any one that the request names. */
  readonly name?: string;
}

const READ = ["get", "list", "watch"];
const WRITE = ["create", "update", "patch", "delete"];
const ALL = ["*"];

const LEASES = "leases.coordination.k8s.io";
const SLICES = "endpointslices.discovery.k8s.io";
const CLAIMS = "persistentvolumeclaims";
const VOLUMES = "persistentvolumes";
const CLASSES = "storageclasses.storage.k8s.io";

const RULES: readonly Rule[] = [
  { group: "system:masters", verbs: ALL, resources: ALL },
  {
    group: AUTHENTICATED,
    verbs: ["create"],
    resources: [
      "selfsubjectreviews.authentication.k8s.io",
      "selfsubjectaccessreviews.authorization.k8s.io",
      "selfsubjectrulesreviews.authorization.k8s.io",
    ],
  },

  {
    user: "system:kube-scheduler",
    verbs: READ,
    resources: ["pods", "nodes", "namespaces", "services", "replicasets.apps", LEASES, CLAIMS, VOLUMES, CLASSES],
  },
  // A claim that waits for its first consumer is told the node that was chosen for it.
  { user: "system:kube-scheduler", verbs: ["patch"], resources: [CLAIMS] },
  { user: "system:kube-scheduler", verbs: ["create"], resources: ["pods/binding"] },
  { user: "system:kube-scheduler", verbs: ["update", "patch"], resources: ["pods/status"] },
  { user: "system:kube-scheduler", verbs: [...READ, ...WRITE], resources: ["events"] },
  {
    user: "system:kube-scheduler",
    verbs: WRITE,
    resources: [LEASES],
    namespace: "kube-system",
    name: "trireme-scheduler",
  },

  // Controllers create, repair and collect objects of every kind on behalf of others.
  { user: "system:kube-controller-manager", verbs: ALL, resources: ALL },

  { user: "system:trireme-relay", verbs: READ, resources: [LEASES] },
  {
    user: "system:trireme-relay",
    verbs: WRITE,
    resources: [LEASES],
    namespace: "kube-system",
    name: "trireme-relay",
  },

  { group: "system:nodes", verbs: READ, resources: ["pods", "services", SLICES, "nodes", "namespaces", LEASES] },
  // Agents read and follow the ConfigMaps and Secrets that their pods name, one by one: lists of them are not for nodes.
  { group: "system:nodes", verbs: READ, resources: ["configmaps", "secrets"], name: "*" },
  { group: "system:nodes", verbs: ["get"], resources: ["serviceaccounts", CLAIMS] },
  { group: "system:nodes", verbs: READ, resources: [VOLUMES] },
  // Which volumes and what of them: see nodeMayChangeVolume.
  { group: "system:nodes", verbs: ["patch"], resources: [VOLUMES] },
  { group: "system:nodes", verbs: ["create"], resources: ["nodes"], name: "$node" },
  { group: "system:nodes", verbs: ["update", "patch"], resources: ["nodes", "nodes/status"], name: "$node" },
  // Which pods a node may change is decided by the pod's spec.nodeName: see nodeMayChangePod.
  { group: "system:nodes", verbs: ["update", "patch"], resources: ["pods/status"] },
  { group: "system:nodes", verbs: ["delete"], resources: ["pods"] },
  { group: "system:nodes", verbs: ["create", "update", "patch"], resources: ["events"] },
  { group: "system:nodes", verbs: WRITE, resources: [LEASES], namespace: "kube-node-lease", name: "$node" },

  { group: "system:dns", verbs: READ, resources: ["services", SLICES, "nodes", "namespaces", "pods"] },
];

function ruleIsFor(rule: Rule, user: User): boolean {
  if (rule.user !== undefined && rule.user !== user.name) return false;
  return rule.group === undefined || user.groups.includes(rule.group);
}

function ruleCovers(rule: Rule, user: User, want: Attributes): boolean {
  if (!ruleIsFor(rule, user)) return false;
  if (!rule.verbs.includes("*") && !rule.verbs.includes(want.verb)) return false;
  if (!rule.resources.includes("*") && !rule.resources.includes(pathOfResource(want))) return false;
  if (rule.namespace !== undefined && rule.namespace !== want.namespace) return false;
  if (rule.name === "*") return (want.name ?? "") !== "";
  const name = rule.name === "$node" ? nodeOf(user) : rule.name;
  // A create names its object in the body, not in the path: the pipeline asks again once it knows the name.
  return rule.name === undefined || (name !== undefined && (name === want.name || isUnnamedCreate(want)));
}

function isUnnamedCreate(want: Attributes): boolean {
  return want.verb === "create" && want.name === undefined;
}

function pathOfResource(want: Attributes): string {
  const resource = want.group === "" ? want.resource : `${want.resource}.${want.group}`;
  return want.subresource === undefined || want.subresource === "" ? resource : `${resource}/${want.subresource}`;
}

/** Whether some rule allows it; what no rule allows is forbidden. */
export function isAllowed(user: User, want: Attributes): boolean {
  return RULES.some((rule) => ruleCovers(rule, user, want));
}

/** What a user may do with objects in a namespace, in the form of an answer to `kubectl auth can-i --list`. */
export function rulesFor(user: User, namespace: string): ResourceRule[] {
  return RULES.filter((rule) => ruleIsFor(rule, user))
    .filter((rule) => rule.namespace === undefined || rule.namespace === namespace)
    .flatMap((rule) => {
      const name = rule.name === "$node" ? nodeOf(user) : rule.name;
      const names = name === undefined ? {} : { resourceNames: [name] };
      return rule.resources.map((path) => ({ verbs: [...rule.verbs], ...groupsAndResources(path), ...names }));
    });
}

/** `<resource>[.<group>][/<subresource>]` as the two lists of a rule. */
function groupsAndResources(path: string): Pick<ResourceRule, "apiGroups" | "resources"> {
  if (path === "*") return { apiGroups: ["*"], resources: ["*"] };
  const [, resource = "", group = "", subresource = ""] = /^([^./]+)(?:\.([^/]+))?(\/.+)?$/.exec(path) ?? [];
  return { apiGroups: [group], resources: [resource + subresource] };
}

/** The paths outside the resources that {@link mayReadPath} lets a user read. */
export function pathRulesFor(user: User): NonResourceRule[] {
  if (user.groups.includes("system:masters")) return [{ verbs: ["*"], nonResourceURLs: ["*"] }];
  const health = ["/healthz", "/livez", "/readyz"];
  const documents = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", "/version"];
  return [
    { verbs: ["get"], nonResourceURLs: user.groups.includes(AUTHENTICATED) ? [...documents, ...health] : health },
  ];
}

/** Paths outside the resources: discovery, documents and health are for everybody with an identity. */
export function mayReadPath(user: User, path: string): boolean {
  if (user.groups.includes("system:authenticated")) {
    return path !== "/metrics" || user.groups.includes("system:masters");
  }
  return ["/livez", "/readyz", "/healthz"].includes(path);
}

/** The sentence of a 403, in Kubernetes' words. */
export function forbiddenMessage(user: User, want: Attributes): string {
  const groupResource = want.group === "" ? want.resource : `${want.resource}.${want.group}`;
  const subject = want.name === undefined ? groupResource : `${groupResource} "${want.name}"`;
  const resource = want.subresource === undefined ? want.resource : `${want.resource}/${want.subresource}`;
  const scope =
    want.namespace === undefined || want.namespace === ""
      ? "at the cluster scope"
      : `in the namespace "${want.namespace}"`;
  return `${subject} is forbidden: User "${user.name}" cannot ${want.verb} resource "${resource}" in API group "${want.group}" ${scope}`;
}

/** Whether a pod bound to `podNode` may be changed by this user; anyone who is not a node is not restricted here. */
export function nodeMayChangePod(user: User, podNode: string | undefined): boolean {
  const node = nodeOf(user);
  return node === undefined || node === podNode;
}

/** Whether this change of a volume is one for this user: a node says that its directory is gone, nothing more. */
export function nodeMayChangeVolume(user: User, next: PersistentVolume, current: PersistentVolume): boolean {
  const node = nodeOf(user);
  if (node === undefined) return true;
  if (current.metadata.labels?.[HOSTNAME_LABEL] !== node) return false;
  const finalizers = (current.metadata.finalizers ?? []).filter((one) => one !== LOCAL_PATH_FINALIZER);
  const of = ({ metadata, spec, status }: PersistentVolume, kept: readonly string[]): object => {
    return { labels: metadata.labels, annotations: metadata.annotations, kept, spec, status };
  };
  return deepEqual(of(next, next.metadata.finalizers ?? []), of(current, finalizers));
}

/** The identity that may hold each election, and so use its fence. */
const ELECTED: Readonly<Record<string, string>> = {
  scheduler: "system:kube-scheduler",
  controllers: "system:kube-controller-manager",
  relay: "system:trireme-relay",
};

/** Whether this user is of the class that the election elects. */
export function mayUseFence(user: User, election: string): boolean {
  return ELECTED[election] === user.name;
}
