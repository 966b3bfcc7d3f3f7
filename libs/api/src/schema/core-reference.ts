/**
 * Parts that many kinds of the core group use. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, int32, list, map, packageOf, quantity, str } from "./notation.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const NodeSelectorRequirement = core("NodeSelectorRequirement", {
  key: str(1).required(),
  operator: str(2).oneOf("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt").required(),
  values: list(3, "string"),
});
export interface NodeSelectorRequirement extends Infer<typeof NodeSelectorRequirement> {}

export const NodeSelectorTerm = core.atomic("NodeSelectorTerm", {
  matchExpressions: list(1, NodeSelectorRequirement),
  matchFields: list(2, NodeSelectorRequirement),
});
export interface NodeSelectorTerm extends Infer<typeof NodeSelectorTerm> {}

export const NodeSelector = core.atomic("NodeSelector", {
  nodeSelectorTerms: list(1, NodeSelectorTerm).required(),
});
export interface NodeSelector extends Infer<typeof NodeSelector> {}

export const LocalObjectReference = core.atomic("LocalObjectReference", {
  name: str(1),
});
export interface LocalObjectReference extends Infer<typeof LocalObjectReference> {}

export const ObjectFieldSelector = core.atomic("ObjectFieldSelector", {
  apiVersion: str(1),
  fieldPath: str(2).required(),
});
export interface ObjectFieldSelector extends Infer<typeof ObjectFieldSelector> {}

export const ResourceFieldSelector = core.atomic("ResourceFieldSelector", {
  containerName: str(1),
  resource: str(2).required(),
  divisor: quantity(3),
});
export interface ResourceFieldSelector extends Infer<typeof ResourceFieldSelector> {}

export const ResourceClaim = core("ResourceClaim", {
  name: str(1).required(),
  request: str(2),
});
export interface ResourceClaim extends Infer<typeof ResourceClaim> {}

export const ResourceRequirements = core("ResourceRequirements", {
  limits: map(1, "quantity"),
  requests: map(2, "quantity"),
  claims: list(3, ResourceClaim).keyed("name"),
});
export interface ResourceRequirements extends Infer<typeof ResourceRequirements> {}

export const KeyToPath = core("KeyToPath", {
  key: str(1).required(),
  path: str(2).required(),
  mode: int32(3).explicit(),
});
export interface KeyToPath extends Infer<typeof KeyToPath> {}

export const TypedLocalObjectReference = core.atomic("TypedLocalObjectReference", {
  apiGroup: str(1),
  kind: str(2).required(),
  name: str(3).required(),
});
export interface TypedLocalObjectReference extends Infer<typeof TypedLocalObjectReference> {}

export const TypedObjectReference = core("TypedObjectReference", {
  apiGroup: str(1),
  kind: str(2).required(),
  name: str(3).required(),
  namespace: str(4),
});
export interface TypedObjectReference extends Infer<typeof TypedObjectReference> {}

export const ObjectReference = core.atomic("ObjectReference", {
  kind: str(1),
  namespace: str(2),
  name: str(3),
  uid: str(4),
  apiVersion: str(5),
  resourceVersion: str(6),
  fieldPath: str(7),
});
export interface ObjectReference extends Infer<typeof ObjectReference> {}
