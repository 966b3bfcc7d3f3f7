/** StatefulSets, DaemonSets and their revisions. Each name is a schema and the type of its values. */
import { type Infer, anything, int32, int64, intOrString, list, packageOf, ref, str, time } from "./notation.ts";
import { PodTemplateSpec } from "./core-pod.ts";
import { PersistentVolumeClaim } from "./core-storage.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const apps = packageOf("io.k8s.api.apps.v1", "apps", "v1");

export const StatefulSetOrdinals = apps("StatefulSetOrdinals", {
  start: int32(1),
});
export interface StatefulSetOrdinals extends Infer<typeof StatefulSetOrdinals> {}

export const StatefulSetPersistentVolumeClaimRetentionPolicy = apps("StatefulSetPersistentVolumeClaimRetentionPolicy", {
  whenDeleted: str(1),
  whenScaled: str(2),
});
export interface StatefulSetPersistentVolumeClaimRetentionPolicy extends Infer<
  typeof StatefulSetPersistentVolumeClaimRetentionPolicy
> {}

export const RollingUpdateStatefulSetStrategy = apps("RollingUpdateStatefulSetStrategy", {
  partition: int32(1).explicit(),
  maxUnavailable: intOrString(2),
});
export interface RollingUpdateStatefulSetStrategy extends Infer<typeof RollingUpdateStatefulSetStrategy> {}

export const StatefulSetUpdateStrategy = apps("StatefulSetUpdateStrategy", {
  type: str(1).oneOf("RollingUpdate", "OnDelete"),
  rollingUpdate: ref(2, RollingUpdateStatefulSetStrategy),
});
export interface StatefulSetUpdateStrategy extends Infer<typeof StatefulSetUpdateStrategy> {}

export const StatefulSetSpec = apps("StatefulSetSpec", {
  replicas: int32(1).explicit(),
  selector: ref(2, LabelSelector).required(),
  template: ref(3, PodTemplateSpec).required(),
  volumeClaimTemplates: list(4, PersistentVolumeClaim),
  serviceName: str(5),
  podManagementPolicy: str(6).oneOf("OrderedReady", "Parallel"),
  updateStrategy: ref(7, StatefulSetUpdateStrategy),
  revisionHistoryLimit: int32(8).explicit(),
  minReadySeconds: int32(9),
  persistentVolumeClaimRetentionPolicy: ref(10, StatefulSetPersistentVolumeClaimRetentionPolicy),
  ordinals: ref(11, StatefulSetOrdinals),
});
export interface StatefulSetSpec extends Infer<typeof StatefulSetSpec> {}

export const StatefulSetCondition = apps("StatefulSetCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastTransitionTime: time(3),
  reason: str(4),
  message: str(5),
});
export interface StatefulSetCondition extends Infer<typeof StatefulSetCondition> {}

export const StatefulSetStatus = apps("StatefulSetStatus", {
  observedGeneration: int64(1),
  replicas: int32(2).required(),
  readyReplicas: int32(3),
  currentReplicas: int32(4),
  updatedReplicas: int32(5),
  currentRevision: str(6),
  updateRevision: str(7),
  collisionCount: int32(9).explicit(),
  conditions: list(10, StatefulSetCondition).by("type"),
  availableReplicas: int32(11),
});
export interface StatefulSetStatus extends Infer<typeof StatefulSetStatus> {}

export const StatefulSet = apps.kind("StatefulSet", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, StatefulSetSpec).always(),
  status: ref(3, StatefulSetStatus),
});
export interface StatefulSet extends Infer<typeof StatefulSet> {}

export const RollingUpdateDaemonSet = apps("RollingUpdateDaemonSet", {
  maxUnavailable: intOrString(1),
  maxSurge: intOrString(2),
});
export interface RollingUpdateDaemonSet extends Infer<typeof RollingUpdateDaemonSet> {}

export const DaemonSetUpdateStrategy = apps("DaemonSetUpdateStrategy", {
  type: str(1).oneOf("RollingUpdate", "OnDelete"),
  rollingUpdate: ref(2, RollingUpdateDaemonSet),
});
export interface DaemonSetUpdateStrategy extends Infer<typeof DaemonSetUpdateStrategy> {}

export const DaemonSetSpec = apps("DaemonSetSpec", {
  selector: ref(1, LabelSelector).required(),
  template: ref(2, PodTemplateSpec).required(),
  updateStrategy: ref(3, DaemonSetUpdateStrategy),
  minReadySeconds: int32(4),
  revisionHistoryLimit: int32(6).explicit(),
});
export interface DaemonSetSpec extends Infer<typeof DaemonSetSpec> {}

export const DaemonSetCondition = apps("DaemonSetCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastTransitionTime: time(3),
  reason: str(4),
  message: str(5),
});
export interface DaemonSetCondition extends Infer<typeof DaemonSetCondition> {}

export const DaemonSetStatus = apps("DaemonSetStatus", {
  currentNumberScheduled: int32(1).required(),
  numberMisscheduled: int32(2).required(),
  desiredNumberScheduled: int32(3).required(),
  numberReady: int32(4).required(),
  observedGeneration: int64(5),
  updatedNumberScheduled: int32(6),
  numberAvailable: int32(7),
  numberUnavailable: int32(8),
  collisionCount: int32(9).explicit(),
  conditions: list(10, DaemonSetCondition).by("type"),
});
export interface DaemonSetStatus extends Infer<typeof DaemonSetStatus> {}

export const DaemonSet = apps.kind("DaemonSet", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, DaemonSetSpec).always(),
  status: ref(3, DaemonSetStatus),
});
export interface DaemonSet extends Infer<typeof DaemonSet> {}

export const ControllerRevision = apps.kind("ControllerRevision", {
  metadata: ref(1, ObjectMeta).always(),
  data: anything(2),
  revision: int64(3).required(),
});
export interface ControllerRevision extends Infer<typeof ControllerRevision> {}
