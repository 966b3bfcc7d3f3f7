import { type KubeObject, type Resource, type Subresource, apiVersionOf } from "./resource.ts";
import { type Message } from "./schema/notation.ts";
import { Deployment, ReplicaSet } from "./schema/apps.ts";
import { ControllerRevision, DaemonSet, StatefulSet } from "./schema/apps-sets.ts";
import { CronJob, Job } from "./schema/batch.ts";
import { autoscalerToV1, autoscalerToV2 } from "./conversion/autoscaling.ts";
import { HorizontalPodAutoscaler } from "./schema/autoscaling-v2.ts";
import { HorizontalPodAutoscalerV1 } from "./schema/autoscaling.ts";
import { Lease } from "./schema/coordination.ts";
import { ConfigMap, Namespace, Secret, ServiceAccount } from "./schema/core-config.ts";
import { Event } from "./schema/core-event.ts";
import { Node } from "./schema/core-node.ts";
import { Pod } from "./schema/core-pod.ts";
import { Service } from "./schema/core-service.ts";
import { PersistentVolume, PersistentVolumeClaim } from "./schema/core-storage.ts";
import { PodDisruptionBudget } from "./schema/policy.ts";
import { EndpointSlice } from "./schema/discovery.ts";
import { StorageClass } from "./schema/storage.ts";
import { SelfSubjectReview, TokenReview } from "./schema/authentication.ts";
import {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  SubjectAccessReview,
} from "./schema/authorization.ts";
import { NodeMetrics, PodMetrics } from "./schema/metrics.ts";
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from "./schema/rbac.ts";

export { type Conversion, type KubeObject, type Resource, type Subresource, apiVersionOf } from "./resource.ts";

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS = ["get", "patch", "update"];

interface Options {
  verbs?: readonly string[];
  namespaced?: boolean;
  shortNames?: readonly string[];
  categories?: readonly string[];
  status?: boolean;
  subresources?: readonly Subresource[];
}

function define<T extends KubeObject>(schema: Message, plural: string, options: Options): Resource<T> {
  const gvk = schema.kind!;
  const status = { name: "status", ...gvk, verbs: STATUS_VERBS };
  return {
    ...gvk,
    resource: plural,
    namespaced: options.namespaced ?? true,
    singular: gvk.kind.toLowerCase(),
    shortNames: options.shortNames ?? [],
    categories: options.categories ?? [],
    verbs: options.verbs ?? VERBS,
    subresources: [...(options.status ? [status] : []), ...(options.subresources ?? [])],
    schema,
  };
}

const scale: Subresource = {
  name: "scale",
  group: "autoscaling",
  version: "v1",
  kind: "Scale",
  verbs: STATUS_VERBS,
};
const podSubresources: Subresource[] = [
  { name: "binding", group: "", version: "v1", kind: "Binding", verbs: ["create"] },
  { name: "eviction", group: "policy", version: "v1", kind: "Eviction", verbs: ["create"] },
  { name: "ephemeralcontainers", group: "", version: "v1", kind: "Pod", verbs: STATUS_VERBS },
  { name: "log", group: "", version: "v1", kind: "Pod", verbs: ["get"] },
  { name: "exec", group: "", version: "v1", kind: "PodExecOptions", verbs: ["create", "get"] },
  { name: "attach", group: "", version: "v1", kind: "PodAttachOptions", verbs: ["create", "get"] },
  { name: "portforward", group: "", version: "v1", kind: "PodPortForwardOptions", verbs: ["create", "get"] },
];

/** `namespaces`, the scope of most other kinds. */
export const NAMESPACES = define<Namespace>(Namespace, "namespaces", {
  namespaced: false,
  shortNames: ["ns"],
  status: true,
});
/** `pods`. */
export const PODS = define<Pod>(Pod, "pods", {
  shortNames: ["po"],
  categories: ["all"],
  status: true,
  subresources: podSubresources,
});
/** `services`. */
export const SERVICES = define<Service>(Service, "services", {
  shortNames: ["svc"],
  categories: ["all"],
  status: true,
});
/** `configmaps`. */
export const CONFIGMAPS = define<ConfigMap>(ConfigMap, "configmaps", { shortNames: ["cm"] });
/** `secrets`. */
export const SECRETS = define<Secret>(Secret, "secrets", {});
/** `serviceaccounts`. */
export const SERVICEACCOUNTS = define<ServiceAccount>(ServiceAccount, "serviceaccounts", {
  shortNames: ["sa"],
  subresources: [
    { name: "token", group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", verbs: ["create"] },
  ],
});
/** `nodes`, the machines that run pods. */
export const NODES = define<Node>(Node, "nodes", { namespaced: false, shortNames: ["no"], status: true });
/** `events` of the core group. */
export const EVENTS = define<Event>(Event, "events", { shortNames: ["ev"] });
/** `deployments`. */
export const DEPLOYMENTS = define<Deployment>(Deployment, "deployments", {
  shortNames: ["deploy"],
  categories: ["all"],
  status: true,
  subresources: [scale],
});
/** `replicasets`. */
export const REPLICASETS = define<ReplicaSet>(ReplicaSet, "replicasets", {
  shortNames: ["rs"],
  categories: ["all"],
  status: true,
  subresources: [scale],
});
/** `daemonsets`. */
export const DAEMONSETS = define<DaemonSet>(DaemonSet, "daemonsets", {
  shortNames: ["ds"],
  categories: ["all"],
  status: true,
});
/** `statefulsets`. */
export const STATEFULSETS = define<StatefulSet>(StatefulSet, "statefulsets", {
  shortNames: ["sts"],
  categories: ["all"],
  status: true,
  subresources: [scale],
});
/** `controllerrevisions`: the templates that a set has had. */
export const CONTROLLERREVISIONS = define<ControllerRevision>(ControllerRevision, "controllerrevisions", {});
/** `jobs`. */
export const JOBS = define<Job>(Job, "jobs", { categories: ["all"], status: true });
/** `cronjobs`. */
export const CRONJOBS = define<CronJob>(CronJob, "cronjobs", {
  shortNames: ["cj"],
  categories: ["all"],
  status: true,
});
/** `endpointslices`. */
export const ENDPOINTSLICES = define<EndpointSlice>(EndpointSlice, "endpointslices", {});
/** `leases`, by which actors elect one of them. */
export const LEASES = define<Lease>(Lease, "leases", {});

/** `horizontalpodautoscalers`. */
export const HORIZONTALPODAUTOSCALERS = define<HorizontalPodAutoscaler>(
  HorizontalPodAutoscaler,
  "horizontalpodautoscalers",
  { shortNames: ["hpa"], categories: ["all"], status: true },
);
/** `horizontalpodautoscalers` as clients of autoscaling/v1 see them. */
export const HORIZONTALPODAUTOSCALERS_V1: Resource<HorizontalPodAutoscalerV1> = {
  ...define<HorizontalPodAutoscalerV1>(HorizontalPodAutoscalerV1, "horizontalpodautoscalers", {
    shortNames: ["hpa"],
    categories: ["all"],
    status: true,
  }),
  conversion: {
    stored: HORIZONTALPODAUTOSCALERS as Resource,
    toStored: (spoken) => autoscalerToV2(spoken as HorizontalPodAutoscalerV1),
    fromStored: (stored) => autoscalerToV1(stored as HorizontalPodAutoscaler),
  },
};

/** `persistentvolumes`: storage that lives longer than pods. */
export const PERSISTENTVOLUMES = define<PersistentVolume>(PersistentVolume, "persistentvolumes", {
  namespaced: false,
  shortNames: ["pv"],
  status: true,
});
/** `persistentvolumeclaims`: what pods ask of such storage. */
export const PERSISTENTVOLUMECLAIMS = define<PersistentVolumeClaim>(PersistentVolumeClaim, "persistentvolumeclaims", {
  shortNames: ["pvc"],
  status: true,
});
/** `storageclasses`: how volumes come about. */
export const STORAGECLASSES = define<StorageClass>(StorageClass, "storageclasses", {
  namespaced: false,
  shortNames: ["sc"],
});

/** `poddisruptionbudgets`, which hold evictions back. */
export const PODDISRUPTIONBUDGETS = define<PodDisruptionBudget>(PodDisruptionBudget, "poddisruptionbudgets", {
  shortNames: ["pdb"],
  status: true,
});

/** `roles`: what may be done in one namespace. */
export const ROLES = define<Role>(Role, "roles", {});
/** `rolebindings`: who has a role in one namespace. */
export const ROLEBINDINGS = define<RoleBinding>(RoleBinding, "rolebindings", {});
/** `clusterroles`: what may be done, wherever it is bound. */
export const CLUSTERROLES = define<ClusterRole>(ClusterRole, "clusterroles", { namespaced: false });
/** `clusterrolebindings`: who has a role everywhere. */
export const CLUSTERROLEBINDINGS = define<ClusterRoleBinding>(ClusterRoleBinding, "clusterrolebindings", {
  namespaced: false,
});

const ASKED = { namespaced: false, verbs: ["create"] };
/** `selfsubjectaccessreviews`: may I? */
export const SELFSUBJECTACCESSREVIEWS = define(SelfSubjectAccessReview, "selfsubjectaccessreviews", ASKED);
/** `subjectaccessreviews`: may they? */
export const SUBJECTACCESSREVIEWS = define(SubjectAccessReview, "subjectaccessreviews", ASKED);
/** `localsubjectaccessreviews`: may they, in this namespace? */
export const LOCALSUBJECTACCESSREVIEWS = define(LocalSubjectAccessReview, "localsubjectaccessreviews", {
  verbs: ["create"],
});
/** `selfsubjectrulesreviews`: what may I? */
export const SELFSUBJECTRULESREVIEWS = define(SelfSubjectRulesReview, "selfsubjectrulesreviews", ASKED);
/** `selfsubjectreviews`: who am I? */
export const SELFSUBJECTREVIEWS = define(SelfSubjectReview, "selfsubjectreviews", ASKED);
/** `tokenreviews`: whose token is this? */
export const TOKENREVIEWS = define(TokenReview, "tokenreviews", ASKED);

/** Questions in the form of objects: the answer to a create, and never stored. */
export const REVIEW_RESOURCES: readonly Resource[] = [
  SELFSUBJECTACCESSREVIEWS,
  SUBJECTACCESSREVIEWS,
  LOCALSUBJECTACCESSREVIEWS,
  SELFSUBJECTRULESREVIEWS,
  SELFSUBJECTREVIEWS,
  TOKENREVIEWS,
];

const READ_ONLY = ["get", "list"];
/** `nodes` of metrics.k8s.io: what each node uses now. */
export const NODE_METRICS = define<NodeMetrics>(NodeMetrics, "nodes", { namespaced: false, verbs: READ_ONLY });
/** `pods` of metrics.k8s.io: what each pod uses now. */
export const POD_METRICS = define<PodMetrics>(PodMetrics, "pods", { verbs: READ_ONLY });

/** Kinds that are computed when asked for: nobody can store, watch or cache them. */
export const COMPUTED_RESOURCES: readonly Resource[] = [NODE_METRICS, POD_METRICS];

/** Every kind that the API stores. */
export const RESOURCES: readonly Resource[] = [
  NAMESPACES,
  PODS,
  SERVICES,
  CONFIGMAPS,
  SECRETS,
  SERVICEACCOUNTS,
  NODES,
  EVENTS,
  DEPLOYMENTS,
  REPLICASETS,
  DAEMONSETS,
  STATEFULSETS,
  CONTROLLERREVISIONS,
  JOBS,
  CRONJOBS,
  ENDPOINTSLICES,
  LEASES,
  HORIZONTALPODAUTOSCALERS,
  PERSISTENTVOLUMES,
  PERSISTENTVOLUMECLAIMS,
  STORAGECLASSES,
  PODDISRUPTIONBUDGETS,
  ROLES,
  ROLEBINDINGS,
  CLUSTERROLES,
  CLUSTERROLEBINDINGS,
];

/** Other versions of stored kinds; within a group the version that comes first here and above is the preferred one. */
export const CONVERTED_RESOURCES: readonly Resource[] = [HORIZONTALPODAUTOSCALERS_V1 as Resource];

/** Every kind that the API answers for. */
export const SERVED_RESOURCES: readonly Resource[] = [
  ...RESOURCES,
  ...CONVERTED_RESOURCES,
  ...REVIEW_RESOURCES,
  ...COMPUTED_RESOURCES,
];

const byPlural = new Map(SERVED_RESOURCES.map((r) => [`${r.group}/${r.version}/${r.resource}`, r]));
const byKind = new Map([...RESOURCES, ...CONVERTED_RESOURCES].map((r) => [`${apiVersionOf(r)}/${r.kind}`, r]));

/** The resource served at `/apis/<group>/<version>/<plural>`; the core group is "". */
export function resourceFor(group: string, version: string, plural: string): Resource | undefined {
  return byPlural.get(`${group}/${version}/${plural}`);
}

/** The resource of a manifest's apiVersion and kind; there are no manifests of computed kinds. */
export function resourceForKind(apiVersion: string, kind: string): Resource | undefined {
  return byKind.get(`${apiVersion}/${kind}`);
}

/** The resource under which objects of this one are stored: itself, but for versions that are only spoken. */
export function storedResource(spoken: Resource): Resource {
  return spoken.conversion?.stored ?? spoken;
}

/** A stored object as a client of this resource's version sees it. */
export function spokenForm(spoken: Resource, stored: KubeObject): KubeObject {
  const { conversion } = spoken;
  // Answers of subresources, such as a Scale, are the same in all versions.
  return conversion === undefined || stored.kind !== spoken.kind ? stored : conversion.fromStored(stored);
}

/** `deployments.apps`, or `pods` in the core group: how errors and permissions name a resource. */
export function groupResource(resource: Resource): string {
  return resource.group === "" ? resource.resource : `${resource.resource}.${resource.group}`;
}

/** `<namespace>/<name>`; the namespace of cluster-scoped objects is "". */
export function keyOf(object: { metadata: { namespace?: string; name: string } }): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

/** The two halves of {@link keyOf}. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
