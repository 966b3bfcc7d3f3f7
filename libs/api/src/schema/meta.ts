/**
 * What every kind is made of: metadata, selectors, Status, options. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, anything, bool, int32, int64, list, map, packageOf, ref, str, time } from "./notation.ts";

const meta = packageOf("io.k8s.apimachinery.pkg.apis.meta.v1", "", "v1");

export const ShardInfo = meta("ShardInfo", {
  selector: str(1).required(),
});
export interface ShardInfo extends Infer<typeof ShardInfo> {}

export const ListMeta = meta("ListMeta", {
  selfLink: str(1),
  resourceVersion: str(2),
  continue: str(3),
  remainingItemCount: int64(4).explicit(),
  shardInfo: ref(5, ShardInfo),
});
export interface ListMeta extends Infer<typeof ListMeta> {}

export const Preconditions = meta("Preconditions", {
  uid: str(1),
  resourceVersion: str(2),
});
export interface Preconditions extends Infer<typeof Preconditions> {}

export const DeleteOptions = meta.kind("DeleteOptions", {
  gracePeriodSeconds: int64(1).explicit(),
  preconditions: ref(2, Preconditions),
  orphanDependents: bool(3).explicit(),
  propagationPolicy: str(4).oneOf("Orphan", "Background", "Foreground"),
  dryRun: list(5, "string"),
  ignoreStoreReadErrorWithClusterBreakingPotential: bool(6),
});
export interface DeleteOptions extends Infer<typeof DeleteOptions> {}

export const StatusCause = meta("StatusCause", {
  reason: str(1),
  message: str(2),
  field: str(3),
});
export interface StatusCause extends Infer<typeof StatusCause> {}

export const StatusDetails = meta("StatusDetails", {
  name: str(1),
  group: str(2),
  kind: str(3),
  causes: list(4, StatusCause),
  retryAfterSeconds: int32(5),
  uid: str(6),
});
export interface StatusDetails extends Infer<typeof StatusDetails> {}

export const Status = meta.kind("Status", {
  metadata: ref(1, ListMeta).always(),
  status: str(2),
  message: str(3),
  reason: str(4),
  details: ref(5, StatusDetails),
  code: int32(6),
});
export interface Status extends Infer<typeof Status> {}

export const Condition = meta("Condition", {
  type: str(1).required(),
  status: str(2).required(),
  observedGeneration: int64(3),
  lastTransitionTime: time(4).required(),
  reason: str(5).required(),
  message: str(6).required(),
});
export interface Condition extends Infer<typeof Condition> {}

export const LabelSelectorRequirement = meta("LabelSelectorRequirement", {
  key: str(1).required(),
  operator: str(2).oneOf("In", "NotIn", "Exists", "DoesNotExist").required(),
  values: list(3, "string"),
});
export interface LabelSelectorRequirement extends Infer<typeof LabelSelectorRequirement> {}

export const FieldSelectorRequirement = meta("FieldSelectorRequirement", {
  key: str(1).required(),
  operator: str(2).required(),
  values: list(3, "string"),
});
export interface FieldSelectorRequirement extends Infer<typeof FieldSelectorRequirement> {}

export const LabelSelector = meta.atomic("LabelSelector", {
  matchLabels: map(1, "string"),
  matchExpressions: list(2, LabelSelectorRequirement),
});
export interface LabelSelector extends Infer<typeof LabelSelector> {}

export const ManagedFieldsEntry = meta("ManagedFieldsEntry", {
  manager: str(1),
  operation: str(2),
  apiVersion: str(3),
  time: time(4),
  fieldsType: str(6),
  fieldsV1: anything(7),
  subresource: str(8),
});
export interface ManagedFieldsEntry extends Infer<typeof ManagedFieldsEntry> {}

export const OwnerReference = meta.atomic("OwnerReference", {
  kind: str(1).required(),
  name: str(3).required(),
  uid: str(4).required(),
  apiVersion: str(5).required(),
  controller: bool(6).explicit(),
  blockOwnerDeletion: bool(7).explicit(),
});
export interface OwnerReference extends Infer<typeof OwnerReference> {}

export const ObjectMeta = meta("ObjectMeta", {
  name: str(1).always(),
  generateName: str(2),
  namespace: str(3),
  selfLink: str(4),
  uid: str(5),
  resourceVersion: str(6),
  generation: int64(7),
  creationTimestamp: time(8),
  deletionTimestamp: time(9),
  deletionGracePeriodSeconds: int64(10).explicit(),
  labels: map(11, "string"),
  annotations: map(12, "string"),
  ownerReferences: list(13, OwnerReference).by("uid"),
  finalizers: list(14, "string").set().mergeBy(""),
  managedFields: list(17, ManagedFieldsEntry),
});
export interface ObjectMeta extends Infer<typeof ObjectMeta> {}
