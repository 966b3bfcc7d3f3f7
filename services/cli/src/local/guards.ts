import { TriremeError } from "@trireme/base";
import { tryLock } from "./state.ts";

/** Refuses early and plainly: network namespaces and containers need root. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) {
    throw new TriremeError(
      "Forbidden",
      "a local cluster needs root (network namespaces, cgroups, containers); use sudo",
    );
  }
}

/** Runs `work` while no other `tri` changes this cluster; refuses when one does. */
export async function withClusterLock<T>(cluster: string, work: () => Promise<T>): Promise<T> {
  const release = await tryLock(`cluster-${cluster}`);
  if (release === undefined) {
    throw new TriremeError(
      "Conflict",
      `another tri up or down of cluster "${cluster}" is running; wait until it is done`,
    );
  }
  try {
    return await work();
  } finally {
    release();
  }
}
