import { lstat, mkdir, chmod, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  HOSTNAME_LABEL,
  LOCAL_PATH_PROVISIONER,
  type Node,
  PERSISTENTVOLUMECLAIMS,
  PERSISTENTVOLUMES,
  type PersistentVolume,
  type PersistentVolumeClaim,
} from "@trireme/api";
import { TriremeError, hasCode } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import { isBound, volumeReaches } from "@trireme/scheduling";

/** Finds the volumes that claims are bound to. */
export interface ClaimSource {
  /** Throws, in kubelet's words, when the claim has no volume that this node can reach. */
  volumeOf(namespace: string, claim: string): Promise<PersistentVolume>;
}

/** Reads claims and volumes from the API: a pod must not start on what a cache believes. */
export function apiClaimSource(client: ApiClient, node: () => Node | undefined): ClaimSource {
  return {
    async volumeOf(namespace, name) {
      const failed = (why: string): TriremeError =>
        new TriremeError("NotFound", `error processing PVC ${namespace}/${name}: ${why}`);
      let claim: PersistentVolumeClaim;
      let volume: PersistentVolume;
      try {
        claim = await client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, namespace).get(name);
        if (!isBound(claim)) throw failed("PVC is not bound");
        volume = await client.resource<PersistentVolume>(PERSISTENTVOLUMES).get(claim.spec.volumeName ?? "");
      } catch (error) {
        if (hasCode(error, "NotFound") && !(error as Error).message.startsWith("error processing")) {
          throw failed(`failed to fetch PVC from API server: ${(error as Error).message}`);
        }
        throw error;
      }
      const { claimRef } = volume.spec;
      if (claimRef?.uid !== claim.metadata.uid) {
        throw failed(
          `PV "${volume.metadata.name}" is bound to another claim: ${claimRef?.namespace}/${claimRef?.name}`,
        );
      }
      const here = node();
      if (here !== undefined && !volumeReaches(volume, here)) {
        throw failed(`MountVolume.NodeAffinity check failed for volume "${volume.metadata.name}"`);
      }
      return volume;
    },
  };
}

/** Where the directory of a volume of the built-in class is; undefined for one of another kind or node. */
export function localPathOf(volume: PersistentVolume, root: string, node: string): string | undefined {
  const { name, annotations, labels } = volume.metadata;
  if (annotations?.["pv.kubernetes.io/provisioned-by"] !== LOCAL_PATH_PROVISIONER) return undefined;
  if (labels?.[HOSTNAME_LABEL] !== node) return undefined;
  // The path is told by the API and acted upon as root: it counts only where it is exactly what we would make.
  return volume.spec.local?.path === join(root, name) && /^[a-z0-9][a-z0-9.-]*$/.test(name)
    ? join(root, name)
    : undefined;
}

/** The directory of such a volume, made if it is missing. Everyone may write in it, as in Kubernetes' local-path. */
export async function makeLocalPath(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777);
}

/** The path of a local volume that an administrator made. */
export async function existingLocalPath(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new TriremeError("NotFound", `path "${path}" does not exist on this node`);
  return path;
}
