/**
 * Namespaces, configuration and identities. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, list, map, packageOf, ref, str, time } from "./notation.ts";
import { LocalObjectReference, ObjectReference } from "./core-reference.ts";
import { ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const NamespaceSpec = core("NamespaceSpec", {
  finalizers: list(1, "string"),
});
export interface NamespaceSpec extends Infer<typeof NamespaceSpec> {}

export const NamespaceCondition = core("NamespaceCondition", {
  type: str(1).required(),
  status: str(2).required(),
  lastTransitionTime: time(4),
  reason: str(5),
  message: str(6),
});
export interface NamespaceCondition extends Infer<typeof NamespaceCondition> {}

export const NamespaceStatus = core("NamespaceStatus", {
  phase: str(1),
  conditions: list(2, NamespaceCondition).by("type"),
});
export interface NamespaceStatus extends Infer<typeof NamespaceStatus> {}

export const Namespace = core.kind("Namespace", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, NamespaceSpec),
  status: ref(3, NamespaceStatus),
});
export interface Namespace extends Infer<typeof Namespace> {}

export const ConfigMap = core.kind("ConfigMap", {
  metadata: ref(1, ObjectMeta).always(),
  data: map(2, "string"),
  binaryData: map(3, "bytes"),
  immutable: bool(4).explicit(),
});
export interface ConfigMap extends Infer<typeof ConfigMap> {}

export const Secret = core.kind("Secret", {
  metadata: ref(1, ObjectMeta).always(),
  data: map(2, "bytes"),
  type: str(3),
  stringData: map(4, "string"),
  immutable: bool(5).explicit(),
});
export interface Secret extends Infer<typeof Secret> {}

export const ServiceAccount = core.kind("ServiceAccount", {
  metadata: ref(1, ObjectMeta).always(),
  secrets: list(2, ObjectReference).by("name"),
  imagePullSecrets: list(3, LocalObjectReference),
  automountServiceAccountToken: bool(4).explicit(),
});
export interface ServiceAccount extends Infer<typeof ServiceAccount> {}

export const Binding = core.kind("Binding", {
  metadata: ref(1, ObjectMeta).always(),
  target: ref(2, ObjectReference).required(),
});
export interface Binding extends Infer<typeof Binding> {}
