/**
 * Who somebody is, and tokens by which ServiceAccounts prove it. `extra` of a user is an open map that nothing here reads, and is not
 * declared. Each name is a schema and the type of its values; `src/openapi/texts` says what the fields mean.
 */
import { type Infer, bool, int64, list, packageOf, ref, str, time } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const authentication = packageOf("io.k8s.api.authentication.v1", "authentication.k8s.io", "v1");

export const BoundObjectReference = authentication("BoundObjectReference", {
  uid: str(4),
  kind: str(1),
  apiVersion: str(2),
  name: str(3),
});
export interface BoundObjectReference extends Infer<typeof BoundObjectReference> {}

export const TokenRequestSpec = authentication("TokenRequestSpec", {
  audiences: list(1, "string"),
  boundObjectRef: ref(3, BoundObjectReference),
  expirationSeconds: int64(4).explicit(),
});
export interface TokenRequestSpec extends Infer<typeof TokenRequestSpec> {}

export const TokenRequestStatus = authentication("TokenRequestStatus", {
  token: str(1),
  expirationTimestamp: time(2),
});
export interface TokenRequestStatus extends Infer<typeof TokenRequestStatus> {}

export const TokenRequest = authentication.kind("TokenRequest", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, TokenRequestSpec).always(),
  status: ref(3, TokenRequestStatus),
});
export interface TokenRequest extends Infer<typeof TokenRequest> {}

export const UserInfo = authentication("UserInfo", {
  username: str(1),
  uid: str(2),
  groups: list(3, "string"),
});
export interface UserInfo extends Infer<typeof UserInfo> {}

export const TokenReviewSpec = authentication("TokenReviewSpec", {
  token: str(1).required(),
  audiences: list(2, "string"),
});
export interface TokenReviewSpec extends Infer<typeof TokenReviewSpec> {}

export const TokenReviewStatus = authentication("TokenReviewStatus", {
  authenticated: bool(1),
  user: ref(2, UserInfo),
  audiences: list(4, "string"),
  error: str(3),
});
export interface TokenReviewStatus extends Infer<typeof TokenReviewStatus> {}

export const TokenReview = authentication.kind("TokenReview", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, TokenReviewSpec).required(),
  status: ref(3, TokenReviewStatus),
});
export interface TokenReview extends Infer<typeof TokenReview> {}

export const SelfSubjectReviewStatus = authentication("SelfSubjectReviewStatus", {
  userInfo: ref(1, UserInfo),
});
export interface SelfSubjectReviewStatus extends Infer<typeof SelfSubjectReviewStatus> {}

export const SelfSubjectReview = authentication.kind("SelfSubjectReview", {
  metadata: ref(1, ObjectMeta).always(),
  status: ref(2, SelfSubjectReviewStatus),
});
export interface SelfSubjectReview extends Infer<typeof SelfSubjectReview> {}
