import type { Pod } from "@trireme/api";
import type { Snapshot } from "./snapshot.ts";
import { type VolumeNeeds, volumeNeeds } from "./volumes.ts";
import { type ResourceAmounts, podRequests, podRequestsForScoring } from "./resources.ts";

/** A host port that a pod wants. */
export interface HostPort {
  readonly protocol: string;
  readonly ip: string;
  readonly port: number;
}

/** A pod with what the filters and scorers need of it, worked out once. */
export interface PodContext {
  readonly pod: Pod;
  readonly requests: ResourceAmounts;
  readonly requestsForScoring: ResourceAmounts;
  readonly hostPorts: readonly HostPort[];
  /** uid of its controller, by which its siblings are known. */
  readonly owner: string | undefined;
  readonly volumes: VolumeNeeds;
}

/** Works out a pod's context. */
export function podContext(pod: Pod, snapshot: Snapshot = { nodes: [] }): PodContext {
  return {
    pod,
    requests: podRequests(pod),
    requestsForScoring: podRequestsForScoring(pod),
    hostPorts: hostPortsOf(pod),
    owner: controllerUid(pod),
    volumes: volumeNeeds(pod, snapshot),
  };
}

/** The host ports of a pod; a pod in the host's network takes each container port there. */
export function hostPortsOf(pod: Pod): HostPort[] {
  const ports: HostPort[] = [];
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]) {
    for (const one of container.ports ?? []) {
      const port = one.hostPort ?? (pod.spec.hostNetwork === true ? one.containerPort : 0);
      if (port > 0) ports.push({ protocol: one.protocol ?? "TCP", ip: one.hostIP || "0.0.0.0", port });
    }
  }
  return ports;
}

/** uid of the owner that controls a pod. */
export function controllerUid(pod: Pod): string | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.controller === true)?.uid;
}

function isSidecar(container: { restartPolicy?: string }): boolean {
  return container.restartPolicy === "Always";
}
