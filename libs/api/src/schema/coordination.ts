/**
 * Leases: elections and signs of life. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, int32, microTime, packageOf, ref, str } from "./notation.ts";
import { ObjectMeta } from "./meta.ts";

const coordination = packageOf("io.k8s.api.coordination.v1", "coordination.k8s.io", "v1");

export const LeaseSpec = coordination("LeaseSpec", {
  holderIdentity: str(1).explicit(),
  leaseDurationSeconds: int32(2).explicit(),
  acquireTime: microTime(3),
  renewTime: microTime(4),
  leaseTransitions: int32(5).explicit(),
  strategy: str(6),
  preferredHolder: str(7),
});
export interface LeaseSpec extends Infer<typeof LeaseSpec> {}

export const Lease = coordination.kind("Lease", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, LeaseSpec).always(),
});
export interface Lease extends Infer<typeof Lease> {}
