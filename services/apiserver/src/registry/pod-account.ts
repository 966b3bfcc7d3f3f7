/** What a pod gets from its ServiceAccount (Kubernetes' admission plugin of that name). Pure but for a suffix. */
import type { Container, Pod, ServiceAccount, Volume, VolumeMount } from "@trireme/api";

/** Where programs look for the token, the API's CA and their own namespace. */
const MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX = "kube-api-access-";
/** The ConfigMap of every namespace that holds the API's CA. */
export const ROOT_CA_CONFIGMAP = "kube-root-ca.crt";
/** Kubernetes' odd hour: its agents know by it that nobody chose the time. */
const TOKEN_SECONDS = 3607;

/** The pod with its account's image pull secrets and, unless pod or account say no, a token. `suffix` names its volume. */
export function withServiceAccount(pod: Pod, account: ServiceAccount, suffix: string): Pod {
  const spec = { ...pod.spec };
  if ((spec.imagePullSecrets ?? []).length === 0 && account.imagePullSecrets !== undefined) {
    spec.imagePullSecrets = account.imagePullSecrets;
  }
  const mounts = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
  if (!mounts) return { ...pod, spec };
  const present = (spec.volumes ?? []).find((volume) => volume.name.startsWith(VOLUME_PREFIX));
  const name = present?.name ?? `${VOLUME_PREFIX}${suffix}`;
  const mount: VolumeMount = { name, mountPath: MOUNT_PATH, readOnly: true };
  let isUsed = false;
  const mounted = <T extends Pick<Container, "volumeMounts">>(container: T): T => {
    // A manifest that brings something of its own to this place wants that.
    if ((container.volumeMounts ?? []).some((one) => one.mountPath === MOUNT_PATH)) return container;
    isUsed = true;
    return { ...container, volumeMounts: [...(container.volumeMounts ?? []), mount] };
  };
  spec.containers = (spec.containers ?? []).map(mounted);
  if (spec.initContainers !== undefined) spec.initContainers = spec.initContainers.map(mounted);
  if (isUsed && present === undefined) spec.volumes = [...(spec.volumes ?? []), accessVolume(name)];
  return { ...pod, spec };
}

function accessVolume(name: string): Volume {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: "token" } },
        { configMap: { name: ROOT_CA_CONFIGMAP, items: [{ key: "ca.crt", path: "ca.crt" }] } },
        {
          downwardAPI: {
            items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
          },
        },
      ],
    },
  } as Volume;
}
