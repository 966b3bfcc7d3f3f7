import { statfs } from "node:fs/promises";
import { type Family, Exposition } from "@trireme/telemetry";

/** A claim that a pod of this node uses, and the directory behind it. */
export interface ClaimInUse {
  readonly namespace: string;
  readonly claim: string;
  readonly path: string;
}

const FAMILIES = [
  ["capacity_bytes", "Size of the volume's file system."],
  ["available_bytes", "What is free for those who are not root."],
  ["used_bytes", "What is in use."],
  ["inodes", "Inodes of the volume's file system."],
  ["inodes_free", "Free inodes."],
  ["inodes_used", "Inodes in use."],
] as const;

/**
 * The sizes of the file systems of claims in use. A volume of the built-in class is a directory, so its numbers are those
 * of the node's disk, as with every local path in Kubernetes.
 */
export async function renderVolumeStats(claims: readonly ClaimInUse[]): Promise<string> {
  const out = new Exposition();
  const stats = new Map<string, readonly number[]>();
  const seen = new Set<string>();
  const once = claims.filter(({ namespace, claim }) => {
    const key = `${namespace}/${claim}`;
    return seen.has(key) ? false : (seen.add(key), true);
  });
  for (const { path } of once) {
    const found = await statfs(path).catch(() => undefined);
    if (found === undefined) continue;
    const { blocks, bsize, bavail, bfree, files, ffree } = found;
    stats.set(path, [blocks * bsize, bavail * bsize, (blocks - bfree) * bsize, files, ffree, files - ffree]);
  }
  for (const [i, [name, help]] of FAMILIES.entries()) {
    const family: Family = out.family(`kubelet_volume_stats_${name}`, "gauge", help);
    for (const { namespace, claim, path } of once) {
      const value = stats.get(path)?.[i];
      if (value !== undefined) family.add({ namespace, persistentvolumeclaim: claim }, value);
    }
  }
  return out.text();
}
