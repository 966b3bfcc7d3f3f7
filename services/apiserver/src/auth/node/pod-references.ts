/** What a pod names (Kubernetes' `pkg/api/v1/pod` visitors): all that the node it is bound to may read for its sake. Pure. */
import type { Container, Pod, PodSpec } from "@trireme/api";

/** Kinds that a node may read because a pod names them. */
export type ReferencedKind = "configmaps" | "secrets" | "persistentvolumeclaims" | "serviceaccounts";

/** The key of something named by pods of a namespace. */
export function referenceKey(kind: ReferencedKind, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** The {@link referenceKey}s of everything that the pod names. */
export function referencesOf(pod: Pod): ReadonlySet<string> {
  const found = new Set<string>();
  const take = (kind: ReferencedKind, name: string | undefined): void => {
    if (name) found.add(referenceKey(kind, pod.metadata.namespace ?? "", name));
  };
  const { spec } = pod;
  take("serviceaccounts", spec.serviceAccountName);
  for (const { name } of spec.imagePullSecrets ?? []) take("secrets", name);
  for (const container of containersOf(spec)) visitContainer(container, take);
  for (const volume of spec.volumes ?? []) {
    take("configmaps", volume.configMap?.name);
    take("secrets", volume.secret?.secretName);
    take("persistentvolumeclaims", volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral !== undefined) take("persistentvolumeclaims", `${pod.metadata.name}-${volume.name}`);
    take("secrets", volume.csi?.nodePublishSecretRef?.name);
    for (const source of volume.projected?.sources ?? []) {
      take("configmaps", source.configMap?.name);
      take("secrets", source.secret?.name);
    }
  }
  return found;
}

function containersOf(spec: PodSpec): Pick<Container, "env" | "envFrom">[] {
  return [...(spec.containers ?? []), ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])];
}

function visitContainer(
  { env = [], envFrom = [] }: Pick<Container, "env" | "envFrom">,
  take: (kind: ReferencedKind, name: string | undefined) => void,
): void {
  for (const { valueFrom } of env) {
    take("configmaps", valueFrom?.configMapKeyRef?.name);
    take("secrets", valueFrom?.secretKeyRef?.name);
  }
  for (const { configMapRef, secretRef } of envFrom) {
    take("configmaps", configMapRef?.name);
    take("secrets", secretRef?.name);
  }
}
