import { type Message } from "./schema/notation.ts";
import { Deployment, ReplicaSet } from "./schema/apps.ts";
import { ControllerRevision, DaemonSet, StatefulSet } from "./schema/apps-sets.ts";
import { CronJob, Job } from "./schema/batch.ts";
import { HorizontalPodAutoscaler } from "./schema/autoscaling-v2.ts";
import { Lease } from "./schema/coordination.ts";
import { ConfigMap, Namespace, Secret, ServiceAccount } from "./schema/core-config.ts";
import { Event } from "./schema/core-event.ts";
import { Node } from "./schema/core-node.ts";
import { Pod } from "./schema/core-pod.ts";
import { Service } from "./schema/core-service.ts";
import { EndpointSlice } from "./schema/discovery.ts";
import type { ObjectMeta } from "./schema/meta.ts";
import { NodeMetrics, PodMetrics } from "./schema/metrics.ts";

/** What every API object has. The typed kinds (Pod, Deployment, ...) are assignable to it. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A path under an object with a life of its own, such as `status`; `kind` is what its requests carry. */
export interface Subresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** One kind as the API serves it. `T` is the TypeScript type of its objects. */
export interface Resource<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  /** The plural in paths, such as `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: readonly Subresource[];
  readonly schema: Message;
  /** Carries the type of the objects; never set. */
  readonly phantom?: T;
}

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
export const SERVICEACCOUNTS = define<ServiceAccount>(ServiceAccount, "serviceaccounts", { shortNames: ["sa"] });
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
];

/** Every kind that the API answers for. */
export const SERVED_RESOURCES: readonly Resource[] = [...RESOURCES, ...COMPUTED_RESOURCES];

const byPlural = new Map(SERVED_RESOURCES.map((r) => [`${r.group}/${r.version}/${r.resource}`, r]));
const byKind = new Map(RESOURCES.map((r) => [`${apiVersionOf(r)}/${r.kind}`, r]));

/** `v1` for the core group, `apps/v1` for others. */
export function apiVersionOf(of: { readonly group: string; readonly version: string }): string {
  return of.group === "" ? of.version : `${of.group}/${of.version}`;
}

/** The resource served at `/apis/<group>/<version>/<plural>`; the core group is "". */
export function resourceFor(group: string, version: string, plural: string): Resource | undefined {
  return byPlural.get(`${group}/${version}/${plural}`);
}

/** The resource of a manifest's apiVersion and kind; there are no manifests of computed kinds. */
export function resourceForKind(apiVersion: string, kind: string): Resource | undefined {
  return byKind.get(`${apiVersion}/${kind}`);
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
