import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { createCgroup } from "../local/cgroups.ts";
import { loadImages, ownImages } from "../local/images.ts";
import { createProgress } from "../local/progress.ts";
import { repoRoot } from "../local/programs.ts";
import type { Machine } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import { type Invitation, admit } from "./admission.ts";
import { readHostFile, writeRunFiles } from "./files.ts";
import { startForeground } from "./foreground.ts";
import { checkSame } from "./run-server.ts";

/** Runs a node in the foreground: joins a cluster, or starts again what is in the folder. Answers the exit code. */
export async function runAgent(host: Machine, invitation: Invitation | undefined, programs: Programs): Promise<number> {
  const found = readHostFile(host.dir);
  if (found !== undefined) checkSame(host, found);
  if (found === undefined && invitation === undefined) {
    throw new TriremeError(
      "BadRequest",
      `${host.dir} has joined no cluster yet: give --join https://SERVER:6443 --token TOKEN (a server's ./tri token create)`,
    );
  }
  const file = found ?? (await admit(host, invitation!));
  createCgroup(`${host.cgroup}/pods`);
  writeRunFiles(host, file, programs);
  const supervisor = startForeground(host, programs);
  const progress = createProgress();
  if (existsSync(`${repoRoot()}/.build/images/images.txt`)) {
    await progress.step("images", () => loadImages(host, ownImages()));
  } else progress.note("there are no images of ours to load: pods need the pause image trireme.local/pause:1");
  process.stdout.write(`node "${host.name}" of cluster "${file.cluster}" runs at ${host.address}\n`);
  return supervisor.ended;
}
