/**
 * The kinds of group apps/v1 that keep Pods running. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, int64, intOrString, list, packageOf, ref, str, time } from "./notation.ts";
import { PodTemplateSpec } from "./core-pod.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const apps = packageOf("io.k8s.api.apps.v1", "apps", "v1");

export const RollingUpdateDeployment = apps("RollingUpdateDeployment", {
  maxUnavailable: intOrString(1),
  maxSurge: intOrString(2),
});
export interface RollingUpdateDeployment extends Infer<typeof RollingUpdateDeployment> {}

export const DeploymentStrategy = apps("DeploymentStrategy", {
  type: str(1).oneOf("Recreate", "RollingUpdate"),
  rollingUpdate: ref(2, RollingUpdateDeployment),
});
export interface DeploymentStrategy extends Infer<typeof DeploymentStrategy> {}

export const DeploymentSpec = apps("DeploymentSpec", {
  replicas: int32(1).explicit(),
  selector: ref(2, LabelSelector).required(),
  template: ref(3, PodTemplateSpec).required(),
  strategy: ref(4, DeploymentStrategy).retainKeys(),
  minReadySeconds: int32(5),
  revisionHistoryLimit: int32(6).explicit(),
  paused: bool(7),
  progressDeadlineSeconds: int32(9).explicit(),
});
export interface DeploymentSpec extends Infer<typeof DeploymentSpec> {}

export const DeploymentCondition = apps("DeploymentCondition", {
  type: str(1).required(),
  status: str(2).required(),
  reason: str(4),
  message: str(5),
  lastUpdateTime: time(6),
  lastTransitionTime: time(7),
});
export interface DeploymentCondition extends Infer<typeof DeploymentCondition> {}

export const DeploymentStatus = apps("DeploymentStatus", {
  observedGeneration: int64(1),
  replicas: int32(2),
  updatedReplicas: int32(3),
  availableReplicas: int32(4),
  unavailableReplicas: int32(5),
  conditions: list(6, DeploymentCondition).by("type"),
  readyReplicas: int32(7),
  collisionCount: int32(8).explicit(),
  terminatingReplicas: int32(9).explicit(),
});
export interface DeploymentStatus extends Infer<typeof DeploymentStatus> {}

export const Deployment = apps.kind("Deployment", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, DeploymentSpec).always(),
  status: ref(3, DeploymentStatus),
});
export interface Deployment extends Infer<typeof Deployment> {}

export const ReplicaSetSpec = apps("ReplicaSetSpec", {
  replicas: int32(1).explicit(),
  selector: ref(2, LabelSelector).required(),
  template: ref(3, PodTemplateSpec).always(),
  minReadySeconds: int32(4),
});
export interface ReplicaSetSpec extends Infer<typeof ReplicaSetSpec> {}

export const ReplicaSetCondition = apps("ReplicaSetCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastTransitionTime: time(3),
  reason: str(4),
  message: str(5),
});
export interface ReplicaSetCondition extends Infer<typeof ReplicaSetCondition> {}

export const ReplicaSetStatus = apps("ReplicaSetStatus", {
  replicas: int32(1).required(),
  fullyLabeledReplicas: int32(2),
  observedGeneration: int64(3),
  readyReplicas: int32(4),
  availableReplicas: int32(5),
  conditions: list(6, ReplicaSetCondition).by("type"),
  terminatingReplicas: int32(7).explicit(),
});
export interface ReplicaSetStatus extends Infer<typeof ReplicaSetStatus> {}

export const ReplicaSet = apps.kind("ReplicaSet", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, ReplicaSetSpec).always(),
  status: ref(3, ReplicaSetStatus),
});
export interface ReplicaSet extends Infer<typeof ReplicaSet> {}
