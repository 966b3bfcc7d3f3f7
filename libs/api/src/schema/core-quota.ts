/** Quotas and limits of namespaces: declared, and not served yet. Each name is a schema and the type of its values. */
import { type Infer, list, map, packageOf, ref, str } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const ScopedResourceSelectorRequirement = core("ScopedResourceSelectorRequirement", {
  scopeName: str(1).required(),
  operator: str(2).required(),
  values: list(3, "string"),
});
export interface ScopedResourceSelectorRequirement extends Infer<typeof ScopedResourceSelectorRequirement> {}

export const ScopeSelector = core.atomic("ScopeSelector", {
  matchExpressions: list(1, ScopedResourceSelectorRequirement),
});
export interface ScopeSelector extends Infer<typeof ScopeSelector> {}

export const ResourceQuotaSpec = core("ResourceQuotaSpec", {
  hard: map(1, "quantity"),
  scopes: list(2, "string"),
  scopeSelector: ref(3, ScopeSelector),
});
export interface ResourceQuotaSpec extends Infer<typeof ResourceQuotaSpec> {}

export const ResourceQuotaStatus = core("ResourceQuotaStatus", {
  hard: map(1, "quantity"),
  used: map(2, "quantity"),
});
export interface ResourceQuotaStatus extends Infer<typeof ResourceQuotaStatus> {}

export const ResourceQuota = core.kind("ResourceQuota", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, ResourceQuotaSpec).always(),
  status: ref(3, ResourceQuotaStatus),
});
export interface ResourceQuota extends Infer<typeof ResourceQuota> {}

export const LimitRangeItem = core("LimitRangeItem", {
  type: str(1).required(),
  max: map(2, "quantity"),
  min: map(3, "quantity"),
  default: map(4, "quantity"),
  defaultRequest: map(5, "quantity"),
  maxLimitRequestRatio: map(6, "quantity"),
});
export interface LimitRangeItem extends Infer<typeof LimitRangeItem> {}

export const LimitRangeSpec = core("LimitRangeSpec", {
  limits: list(1, LimitRangeItem).required(),
});
export interface LimitRangeSpec extends Infer<typeof LimitRangeSpec> {}

export const LimitRange = core.kind("LimitRange", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, LimitRangeSpec).always(),
});
export interface LimitRange extends Infer<typeof LimitRange> {}
