import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@trireme/telemetry";
import type { createVolumes } from "../volumes/volumes.ts";
import { uidOfLogDirectory } from "./cri-config.ts";

/** What may be on disk of pods that nobody knows any more. */
export interface Leftovers {
  readonly volumes: Pick<ReturnType<typeof createVolumes>, "uids" | "remove">;
  readonly logRoot: string;
  /** Whether the API wants this pod here, or an actor still looks after it. */
  isKnown(uid: string): boolean;
  readonly log: Logger;
}

/** Removes the directories of pods that ended while no agent ran, or whose agent died before it had cleared all away. */
export async function removeLeftovers({ volumes, logRoot, isKnown, log }: Leftovers): Promise<void> {
  const attempt = async (what: string, uid: string, work: () => Promise<void>): Promise<void> => {
    if (isKnown(uid)) return;
    await work().catch((error: unknown) => log.warn(`${what} could not be removed`, { uid, err: error }));
  };
  for (const uid of await volumes.uids()) await attempt("a volume", uid, () => volumes.remove(uid));
  for (const name of await readdir(logRoot)) {
    const remove = (): Promise<void> => rm(join(logRoot, name), { recursive: true, force: true });
    await attempt("a pod's logs", uidOfLogDirectory(name), remove);
  }
}
