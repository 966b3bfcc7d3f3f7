import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";

/**
 * The last known manifest of each pod of the node, on disk, so that an agent that restarts while no server answers can
 * look after its pods. Manifests name Secrets and never hold them. One file a pod, gone with the pod.
 */
export interface ManifestStore {
  /** What was known when the last agent ended; files that cannot be read are left out. */
  list(): Promise<Pod[]>;
  /** Takes the newest state of a pod; written soon, never throws. */
  keep(pod: Pod): void;
  forget(uid: string): void;
}

/** A pod that starts changes several times a second: so long its newest state may wait for the disk. */
const WRITE_AFTER_MS = 1000;
const SUFFIX = ".json";

/** Manifests below one directory, which only root can read. */
export function createManifestStore(dir: string, clock: Clock, log: Logger): ManifestStore {
  const waiting = new Map<string, Pod>();
  /** Everything on the disk is done one after the other, so that a forgotten file does not come back. */
  let queue: Promise<unknown> = mkdir(dir, { recursive: true, mode: 0o700 });

  function enqueue(job: () => Promise<void>): void {
    queue = queue.then(job).catch((error: unknown) => log.warn("a manifest could not be kept", { err: error }));
  }

  async function write(uid: string): Promise<void> {
    const pod = waiting.get(uid);
    waiting.delete(uid);
    if (pod === undefined) return;
    const path = join(dir, `${uid}${SUFFIX}`);
    await writeFile(`${path}.new`, JSON.stringify(withoutOwners(pod)), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  return {
    async list() {
      await queue;
      const pods: Pod[] = [];
      for (const name of await readdir(dir)) {
        if (!name.endsWith(SUFFIX)) continue;
        try {
          pods.push(JSON.parse(await readFile(join(dir, name), "utf8")) as Pod);
        } catch (error) {
          log.warn("a kept manifest cannot be read", { file: name, err: error });
        }
      }
      return pods;
    },
    keep(pod) {
      const uid = pod.metadata.uid ?? "";
      if (!/^[\w-]+$/.test(uid)) return;
      const due = waiting.has(uid);
      waiting.set(uid, pod);
      if (!due) clock.after(WRITE_AFTER_MS, () => enqueue(() => write(uid)));
    },
    forget(uid) {
      waiting.delete(uid);
      if (/^[\w-]+$/.test(uid)) enqueue(() => rm(join(dir, `${uid}${SUFFIX}`), { force: true }));
    },
  };
}

/** Who owns which field is of no use here and the larger half of many manifests. */
function withoutOwners(pod: Pod): Pod {
  const { managedFields: _, ...metadata } = pod.metadata;
  return { ...pod, metadata };
}
