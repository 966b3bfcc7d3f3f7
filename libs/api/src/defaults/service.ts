import type { Service } from "../kinds.ts";

/** Kubernetes' default of ClientIP affinity: three hours. */
const AFFINITY_TIMEOUT_SECONDS = 10_800;

/** Kubernetes' SetDefaults_Service, and the IP family that its allocator would fill in for a single-stack cluster. */
export function defaultService(service: Service): void {
  const spec = (service.spec ??= {});
  if (!spec.type) spec.type = "ClusterIP";
  if (!spec.sessionAffinity) spec.sessionAffinity = "None";
  if (spec.sessionAffinity === "ClientIP") {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= AFFINITY_TIMEOUT_SECONDS;
  } else {
    delete spec.sessionAffinityConfig;
  }
  for (const port of spec.ports ?? []) {
    if (!port.protocol) port.protocol = "TCP";
    if (!port.targetPort) port.targetPort = port.port;
  }
  service.status ??= {};
  service.status.loadBalancer ??= {};
  if (spec.type === "ExternalName") return;
  if (!spec.internalTrafficPolicy) spec.internalTrafficPolicy = "Cluster";
  const external = spec.type !== "ClusterIP" || (spec.externalIPs?.length ?? 0) > 0;
  if (external && !spec.externalTrafficPolicy) spec.externalTrafficPolicy = "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
  if (!spec.ipFamilyPolicy) spec.ipFamilyPolicy = "SingleStack";
  if (!spec.ipFamilies?.length) spec.ipFamilies = ["IPv4"];
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  else if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
}
