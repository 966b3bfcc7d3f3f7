/** Ingresses and network policies: declared, and not served yet. Each name is a schema and the type of its values. */
import { type Infer, inline, int32, intOrString, list, packageOf, ref, str } from "./notation.ts";
import { TypedLocalObjectReference } from "./core-reference.ts";
import { LabelSelector, ObjectMeta } from "./meta.ts";

const networking = packageOf("io.k8s.api.networking.v1", "networking.k8s.io", "v1");

export const ServiceBackendPort = networking.atomic("ServiceBackendPort", {
  name: str(1),
  number: int32(2),
});
export interface ServiceBackendPort extends Infer<typeof ServiceBackendPort> {}

export const IngressServiceBackend = networking("IngressServiceBackend", {
  name: str(1).required(),
  port: ref(2, ServiceBackendPort),
});
export interface IngressServiceBackend extends Infer<typeof IngressServiceBackend> {}

export const IngressBackend = networking("IngressBackend", {
  resource: ref(3, TypedLocalObjectReference),
  service: ref(4, IngressServiceBackend),
});
export interface IngressBackend extends Infer<typeof IngressBackend> {}

export const HTTPIngressPath = networking("HTTPIngressPath", {
  path: str(1),
  backend: ref(2, IngressBackend).required(),
  pathType: str(3).oneOf("Exact", "Prefix", "ImplementationSpecific").required(),
});
export interface HTTPIngressPath extends Infer<typeof HTTPIngressPath> {}

export const HTTPIngressRuleValue = networking("HTTPIngressRuleValue", {
  paths: list(1, HTTPIngressPath).required(),
});
export interface HTTPIngressRuleValue extends Infer<typeof HTTPIngressRuleValue> {}

export const IngressRuleValue = networking("IngressRuleValue", {
  http: ref(1, HTTPIngressRuleValue),
});
export interface IngressRuleValue extends Infer<typeof IngressRuleValue> {}

export const IngressRule = networking("IngressRule", {
  ...inline(2, IngressRuleValue),
  host: str(1),
});
export interface IngressRule extends Infer<typeof IngressRule> {}

export const IngressTLS = networking("IngressTLS", {
  hosts: list(1, "string"),
  secretName: str(2),
});
export interface IngressTLS extends Infer<typeof IngressTLS> {}

export const IngressSpec = networking("IngressSpec", {
  defaultBackend: ref(1, IngressBackend),
  tls: list(2, IngressTLS),
  rules: list(3, IngressRule),
  ingressClassName: str(4),
});
export interface IngressSpec extends Infer<typeof IngressSpec> {}

export const IngressPortStatus = networking("IngressPortStatus", {
  port: int32(1).required(),
  protocol: str(2).required(),
  error: str(3),
});
export interface IngressPortStatus extends Infer<typeof IngressPortStatus> {}

export const IngressLoadBalancerIngress = networking("IngressLoadBalancerIngress", {
  ip: str(1),
  hostname: str(2),
  ports: list(4, IngressPortStatus),
});
export interface IngressLoadBalancerIngress extends Infer<typeof IngressLoadBalancerIngress> {}

export const IngressLoadBalancerStatus = networking("IngressLoadBalancerStatus", {
  ingress: list(1, IngressLoadBalancerIngress),
});
export interface IngressLoadBalancerStatus extends Infer<typeof IngressLoadBalancerStatus> {}

export const IngressStatus = networking("IngressStatus", {
  loadBalancer: ref(1, IngressLoadBalancerStatus),
});
export interface IngressStatus extends Infer<typeof IngressStatus> {}

export const Ingress = networking.kind("Ingress", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, IngressSpec).always(),
  status: ref(3, IngressStatus),
});
export interface Ingress extends Infer<typeof Ingress> {}

export const IngressClassParametersReference = networking("IngressClassParametersReference", {
  apiGroup: str(1),
  kind: str(2).required(),
  name: str(3).required(),
  scope: str(4),
  namespace: str(5),
});
export interface IngressClassParametersReference extends Infer<typeof IngressClassParametersReference> {}

export const IngressClassSpec = networking("IngressClassSpec", {
  controller: str(1),
  parameters: ref(2, IngressClassParametersReference),
});
export interface IngressClassSpec extends Infer<typeof IngressClassSpec> {}

export const IngressClass = networking.kind("IngressClass", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, IngressClassSpec),
});
export interface IngressClass extends Infer<typeof IngressClass> {}

export const NetworkPolicyPort = networking("NetworkPolicyPort", {
  protocol: str(1),
  port: intOrString(2),
  endPort: int32(3).explicit(),
});
export interface NetworkPolicyPort extends Infer<typeof NetworkPolicyPort> {}

export const IPBlock = networking("IPBlock", {
  cidr: str(1).required(),
  except: list(2, "string"),
});
export interface IPBlock extends Infer<typeof IPBlock> {}

export const NetworkPolicyPeer = networking("NetworkPolicyPeer", {
  podSelector: ref(1, LabelSelector),
  namespaceSelector: ref(2, LabelSelector),
  ipBlock: ref(3, IPBlock),
});
export interface NetworkPolicyPeer extends Infer<typeof NetworkPolicyPeer> {}

export const NetworkPolicyEgressRule = networking("NetworkPolicyEgressRule", {
  ports: list(1, NetworkPolicyPort),
  to: list(2, NetworkPolicyPeer),
});
export interface NetworkPolicyEgressRule extends Infer<typeof NetworkPolicyEgressRule> {}

export const NetworkPolicyIngressRule = networking("NetworkPolicyIngressRule", {
  ports: list(1, NetworkPolicyPort),
  from: list(2, NetworkPolicyPeer),
});
export interface NetworkPolicyIngressRule extends Infer<typeof NetworkPolicyIngressRule> {}

export const NetworkPolicySpec = networking("NetworkPolicySpec", {
  podSelector: ref(1, LabelSelector),
  ingress: list(2, NetworkPolicyIngressRule),
  egress: list(3, NetworkPolicyEgressRule),
  policyTypes: list(4, "string"),
});
export interface NetworkPolicySpec extends Infer<typeof NetworkPolicySpec> {}

export const NetworkPolicy = networking.kind("NetworkPolicy", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, NetworkPolicySpec).always(),
});
export interface NetworkPolicy extends Infer<typeof NetworkPolicy> {}
