/** Requests for tokens: declared, and not served yet. Each name is a schema and the type of its values. */
import { type Infer, int64, list, packageOf, ref, str, time } from "./notation.ts";
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
