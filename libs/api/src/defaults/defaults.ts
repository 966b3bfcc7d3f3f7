import { toBase64 } from "../base64.ts";
import type { Deployment, EndpointSlice, Namespace, Node, Pod, ReplicaSet, Secret } from "../kinds.ts";
import { defaultCronJob, defaultJob } from "./batch.ts";
import type { KubeObject, Resource } from "../resources.ts";
import { defaultAutoscaler } from "./autoscaling.ts";
import { defaultPod, defaultPodSpec } from "./pod.ts";
import { defaultBinding } from "./rbac.ts";
import { defaultService } from "./service.ts";
import { defaultDaemonSet, defaultStatefulSet } from "./sets.ts";
import { defaultPersistentVolume, defaultPersistentVolumeClaim, defaultStorageClass } from "./storage.ts";

/**
 * Fills in what a manifest leaves out, in place, with Kubernetes' defaults; returns the same object. Doing it twice
 * changes nothing more. Runs before validation, so nothing here may assume that required fields are there.
 */
export function applyDefaults<T extends KubeObject>(resource: Resource<T>, object: T): T {
  object.metadata ??= { name: "" };
  SETTERS.get(`${resource.group}/${resource.kind}`)?.(object);
  return object;
}

type Setter = (object: KubeObject) => void;
const setter = <T extends KubeObject>(set: (object: T) => void): Setter => set as unknown as Setter;

const SETTERS: ReadonlyMap<string, Setter> = new Map([
  ["/Pod", setter(defaultPodObject)],
  ["/Service", setter(defaultService)],
  ["/Namespace", setter(defaultNamespace)],
  ["/Node", setter(defaultNode)],
  ["/Secret", setter(defaultSecret)],
  ["apps/Deployment", setter(defaultDeployment)],
  ["apps/ReplicaSet", setter(defaultReplicaSet)],
  ["apps/DaemonSet", setter(defaultDaemonSet)],
  ["apps/StatefulSet", setter(defaultStatefulSet)],
  ["batch/Job", setter(defaultJob)],
  ["batch/CronJob", setter(defaultCronJob)],
  ["autoscaling/HorizontalPodAutoscaler", setter(defaultAutoscaler)],
  ["discovery.k8s.io/EndpointSlice", setter(defaultEndpointSlice)],
  ["/PersistentVolume", setter(defaultPersistentVolume)],
  ["/PersistentVolumeClaim", setter(defaultPersistentVolumeClaim)],
  ["storage.k8s.io/StorageClass", setter(defaultStorageClass)],
  ["rbac.authorization.k8s.io/RoleBinding", setter(defaultBinding)],
  ["rbac.authorization.k8s.io/ClusterRoleBinding", setter(defaultBinding)],
]);

function defaultPodObject(pod: Pod): void {
  pod.spec ??= { containers: [] };
  defaultPod(pod);
}

function defaultDeployment({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  const strategy = (spec.strategy ??= {});
  if (!strategy.type) strategy.type = "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxSurge ??= "25%";
    strategy.rollingUpdate.maxUnavailable ??= "25%";
  }
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

function defaultReplicaSet({ spec }: ReplicaSet): void {
  if (!spec) return;
  spec.replicas ??= 1;
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

function defaultNamespace(namespace: Namespace): void {
  // The one label that a namespace selector can count on.
  if (!namespace.metadata.name) return;
  const labels = (namespace.metadata.labels ??= {});
  labels["kubernetes.io/metadata.name"] = namespace.metadata.name;
}

function defaultNode(node: Node): void {
  if (node.status?.capacity && !node.status.allocatable) node.status.allocatable = { ...node.status.capacity };
}

function defaultSecret(secret: Secret): void {
  if (!secret.type) secret.type = "Opaque";
  if (secret.stringData === undefined) return;
  const encoder = new TextEncoder();
  const data = (secret.data ??= {});
  for (const [key, text] of Object.entries(secret.stringData)) data[key] = toBase64(encoder.encode(text));
  delete secret.stringData;
}

function defaultEndpointSlice(slice: EndpointSlice): void {
  for (const port of slice.ports ?? []) {
    port.name ??= "";
    if (!port.protocol) port.protocol = "TCP";
  }
}
