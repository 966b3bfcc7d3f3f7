/** Roles and their bindings. Each name is a schema and the type of its values; `src/openapi/texts` says what the fields mean. */
import { type Infer, list, packageOf, ref, str } from "./notation.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const rbac = packageOf("io.k8s.api.rbac.v1", "rbac.authorization.k8s.io", "v1");

export const PolicyRule = rbac("PolicyRule", {
  verbs: list(1, "string").required(),
  apiGroups: list(2, "string"),
  resources: list(3, "string"),
  resourceNames: list(4, "string"),
  nonResourceURLs: list(5, "string"),
});
export interface PolicyRule extends Infer<typeof PolicyRule> {}

export const Role = rbac.kind("Role", {
  metadata: ref(1, ObjectMeta).always(),
  rules: list(2, PolicyRule),
});
export interface Role extends Infer<typeof Role> {}

export const AggregationRule = rbac("AggregationRule", {
  clusterRoleSelectors: list(1, LabelSelector),
});
export interface AggregationRule extends Infer<typeof AggregationRule> {}

export const ClusterRole = rbac.kind("ClusterRole", {
  metadata: ref(1, ObjectMeta).always(),
  rules: list(2, PolicyRule),
  aggregationRule: ref(3, AggregationRule),
});
export interface ClusterRole extends Infer<typeof ClusterRole> {}

export const RoleRef = rbac.atomic("RoleRef", {
  apiGroup: str(1),
  kind: str(2).required(),
  name: str(3).required(),
});
export interface RoleRef extends Infer<typeof RoleRef> {}

export const Subject = rbac.atomic("Subject", {
  kind: str(1).required(),
  apiGroup: str(2),
  name: str(3).required(),
  namespace: str(4),
});
export interface Subject extends Infer<typeof Subject> {}

export const RoleBinding = rbac.kind("RoleBinding", {
  metadata: ref(1, ObjectMeta).always(),
  subjects: list(2, Subject),
  roleRef: ref(3, RoleRef).required(),
});
export interface RoleBinding extends Infer<typeof RoleBinding> {}

export const ClusterRoleBinding = rbac.kind("ClusterRoleBinding", {
  metadata: ref(1, ObjectMeta).always(),
  subjects: list(2, Subject),
  roleRef: ref(3, RoleRef).required(),
});
export interface ClusterRoleBinding extends Infer<typeof ClusterRoleBinding> {}
