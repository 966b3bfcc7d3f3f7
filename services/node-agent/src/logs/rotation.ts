import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { Logger } from "@trireme/telemetry";

/** A log file is set aside at this size, and so many are kept with it: kubelet's defaults. */
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_FILES = 5;
const CHECK_MS = 10_000;

/** A running container and where its log is. */
export interface LiveLog {
  readonly containerId: string;
  readonly path: string;
}

/** Keeps logs small: renames what has grown too large and has the runtime begin anew. Answers a function that stops it. */
export function startLogRotation(options: {
  readonly cri: Cri;
  readonly logs: () => readonly LiveLog[];
  readonly clock: Clock;
  readonly log: Logger;
}): () => void {
  const { clock, log } = options;
  let cancel: () => void;
  const look = async (): Promise<void> => {
    for (const live of options.logs()) {
      try {
        const { size } = await stat(live.path);
        if (size > MAX_BYTES) await rotate(options.cri, live, clock.now());
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") log.warn("a log could not be rotated", { err: error });
      }
    }
    cancel = clock.after(CHECK_MS, () => void look());
  };
  cancel = clock.after(CHECK_MS, () => void look());
  return () => cancel();
}

async function rotate(cri: Cri, live: LiveLog, now: number): Promise<void> {
  const stamp = new Date(now).toISOString().replaceAll(/[-:]/g, "").replace("T", "-").slice(0, 15);
  await rename(live.path, `${live.path}.${stamp}`);
  await cri.reopenContainerLog(live.containerId);
  const dir = join(live.path, "..");
  const name = live.path.slice(dir.length + 1);
  const old = (await readdir(dir)).filter((entry) => entry.startsWith(`${name}.`)).toSorted();
  for (const entry of old.slice(0, Math.max(0, old.length - (MAX_FILES - 1)))) await rm(join(dir, entry));
}
