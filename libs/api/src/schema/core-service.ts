/**
 * Services. Each name is a schema and the type of its values; `src/openapi/texts` says what the
 * fields mean.
 */
import { type Infer, bool, int32, intOrString, list, map, packageOf, ref, str } from "./notation.ts";
import { Condition, ObjectMeta } from "./meta.ts";

const core = packageOf("io.k8s.api.core.v1", "", "v1");

export const ServicePort = core("ServicePort", {
  name: str(1),
  protocol: str(2).oneOf("TCP", "UDP", "SCTP"),
  port: int32(3).required(),
  targetPort: intOrString(4),
  nodePort: int32(5),
  appProtocol: str(6),
});
export interface ServicePort extends Infer<typeof ServicePort> {}

export const ClientIPConfig = core("ClientIPConfig", {
  timeoutSeconds: int32(1).explicit(),
});
export interface ClientIPConfig extends Infer<typeof ClientIPConfig> {}

export const SessionAffinityConfig = core("SessionAffinityConfig", {
  clientIP: ref(1, ClientIPConfig),
});
export interface SessionAffinityConfig extends Infer<typeof SessionAffinityConfig> {}

export const ServiceSpec = core("ServiceSpec", {
  ports: list(1, ServicePort).by("port", "protocol"),
  selector: map(2, "string").atomic(),
  clusterIP: str(3),
  type: str(4).oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  externalIPs: list(5, "string"),
  sessionAffinity: str(7).oneOf("None", "ClientIP"),
  loadBalancerIP: str(8),
  loadBalancerSourceRanges: list(9, "string"),
  externalName: str(10),
  externalTrafficPolicy: str(11).oneOf("Cluster", "Local"),
  healthCheckNodePort: int32(12),
  publishNotReadyAddresses: bool(13),
  sessionAffinityConfig: ref(14, SessionAffinityConfig),
  ipFamilyPolicy: str(17).oneOf("SingleStack", "PreferDualStack", "RequireDualStack"),
  clusterIPs: list(18, "string"),
  ipFamilies: list(19, "string"),
  allocateLoadBalancerNodePorts: bool(20).explicit(),
  loadBalancerClass: str(21),
  internalTrafficPolicy: str(22).oneOf("Cluster", "Local"),
  trafficDistribution: str(23),
});
export interface ServiceSpec extends Infer<typeof ServiceSpec> {}

export const PortStatus = core("PortStatus", {
  port: int32(1).required(),
  protocol: str(2).required(),
  error: str(3),
});
export interface PortStatus extends Infer<typeof PortStatus> {}

export const LoadBalancerIngress = core("LoadBalancerIngress", {
  ip: str(1),
  hostname: str(2),
  ipMode: str(3),
  ports: list(4, PortStatus),
});
export interface LoadBalancerIngress extends Infer<typeof LoadBalancerIngress> {}

export const LoadBalancerStatus = core("LoadBalancerStatus", {
  ingress: list(1, LoadBalancerIngress),
});
export interface LoadBalancerStatus extends Infer<typeof LoadBalancerStatus> {}

export const ServiceStatus = core("ServiceStatus", {
  loadBalancer: ref(1, LoadBalancerStatus),
  conditions: list(2, Condition).by("type"),
});
export interface ServiceStatus extends Infer<typeof ServiceStatus> {}

export const Service = core.kind("Service", {
  metadata: ref(1, ObjectMeta).always(),
  spec: ref(2, ServiceSpec).always(),
  status: ref(3, ServiceStatus),
});
export interface Service extends Infer<typeof Service> {}
