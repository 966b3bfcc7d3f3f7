/**
 * Questions about permissions. Each name is a schema and the type of its values; `src/openapi/texts` says what the fields mean.
 * `extra` of a user is an open map that nothing here reads, and is not declared.
 */
import { type Infer, bool, list, packageOf, ref, str } from "./notation.ts";
import { FieldSelectorRequirement, LabelSelectorRequirement, ObjectMeta } from "./meta.ts";

const authorization = packageOf("io.k8s.api.authorization.v1", "authorization.k8s.io", "v1");
export const FieldSelectorAttributes = authorization("FieldSelectorAttributes", {
  rawSelector: str(1),
  requirements: list(2, FieldSelectorRequirement),
});
export interface FieldSelectorAttributes extends Infer<typeof FieldSelectorAttributes> {}

export const LabelSelectorAttributes = authorization("LabelSelectorAttributes", {
  rawSelector: str(1),
  requirements: list(2, LabelSelectorRequirement),
});
export interface LabelSelectorAttributes extends Infer<typeof LabelSelectorAttributes> {}

export const ResourceAttributes = authorization("ResourceAttributes", {
  namespace: str(1),
  verb: str(2),
  group: str(3),
  version: str(4),
  resource: str(5),
  subresource: str(6),
  name: str(7),
  fieldSelector: ref(8, FieldSelectorAttributes),
  labelSelector: ref(9, LabelSelectorAttributes),
});
export interface ResourceAttributes extends Infer<typeof ResourceAttributes> {}

export const NonResourceAttributes = authorization("NonResourceAttributes", {
  path: str(1),
  verb: str(2),
});
export interface NonResourceAttributes extends Infer<typeof NonResourceAttributes> {}

export const SubjectAccessReviewStatus = authorization("SubjectAccessReviewStatus", {
  allowed: bool(1).required(),
  denied: bool(4),
  reason: str(2),
  evaluationError: str(3),
});
export interface SubjectAccessReviewStatus extends Infer<typeof SubjectAccessReviewStatus> {}

export const SelfSubjectAccessReviewSpec = authorization("SelfSubjectAccessReviewSpec", {
  resourceAttributes: ref(1, ResourceAttributes),
  nonResourceAttributes: ref(2, NonResourceAttributes),
});
export interface SelfSubjectAccessReviewSpec extends Infer<typeof SelfSubjectAccessReviewSpec> {}

export const SelfSubjectAccessReview = authorization.kind("SelfSubjectAccessReview", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, SelfSubjectAccessReviewSpec).required(),
  status: ref(3, SubjectAccessReviewStatus),
});
export interface SelfSubjectAccessReview extends Infer<typeof SelfSubjectAccessReview> {}

export const SubjectAccessReviewSpec = authorization("SubjectAccessReviewSpec", {
  resourceAttributes: ref(1, ResourceAttributes),
  nonResourceAttributes: ref(2, NonResourceAttributes),
  user: str(3),
  groups: list(4, "string"),
  uid: str(6),
});
export interface SubjectAccessReviewSpec extends Infer<typeof SubjectAccessReviewSpec> {}

export const SubjectAccessReview = authorization.kind("SubjectAccessReview", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, SubjectAccessReviewSpec).required(),
  status: ref(3, SubjectAccessReviewStatus),
});
export interface SubjectAccessReview extends Infer<typeof SubjectAccessReview> {}

export const LocalSubjectAccessReview = authorization.kind("LocalSubjectAccessReview", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, SubjectAccessReviewSpec).required(),
  status: ref(3, SubjectAccessReviewStatus),
});
export interface LocalSubjectAccessReview extends Infer<typeof LocalSubjectAccessReview> {}

export const ResourceRule = authorization("ResourceRule", {
  verbs: list(1, "string").required(),
  apiGroups: list(2, "string"),
  resources: list(3, "string"),
  resourceNames: list(4, "string"),
});
export interface ResourceRule extends Infer<typeof ResourceRule> {}

export const NonResourceRule = authorization("NonResourceRule", {
  verbs: list(1, "string").required(),
  nonResourceURLs: list(2, "string"),
});
export interface NonResourceRule extends Infer<typeof NonResourceRule> {}

export const SubjectRulesReviewStatus = authorization("SubjectRulesReviewStatus", {
  resourceRules: list(1, ResourceRule).required(),
  nonResourceRules: list(2, NonResourceRule).required(),
  incomplete: bool(3).required(),
  evaluationError: str(4),
});
export interface SubjectRulesReviewStatus extends Infer<typeof SubjectRulesReviewStatus> {}

export const SelfSubjectRulesReviewSpec = authorization("SelfSubjectRulesReviewSpec", {
  namespace: str(1),
});
export interface SelfSubjectRulesReviewSpec extends Infer<typeof SelfSubjectRulesReviewSpec> {}

export const SelfSubjectRulesReview = authorization.kind("SelfSubjectRulesReview", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, SelfSubjectRulesReviewSpec).required(),
  status: ref(3, SubjectRulesReviewStatus),
});
export interface SelfSubjectRulesReview extends Infer<typeof SelfSubjectRulesReview> {}
