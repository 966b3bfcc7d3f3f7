import type { Pod } from "@trireme/api";

/** Kubernetes' quality of service class: what the kernel and the eviction order make of a pod's requests and limits. */
export function qosClassOf(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  let any = false;
  let guaranteed = true;
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const limits = container.resources?.limits ?? {};
    const requests = container.resources?.requests ?? {};
    for (const name of ["cpu", "memory"]) {
      any ||= limits[name] !== undefined || requests[name] !== undefined;
      guaranteed &&= limits[name] !== undefined && (requests[name] ?? limits[name]) === limits[name];
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}
