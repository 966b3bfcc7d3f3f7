import { request } from "node:https";
import { readFileSync } from "node:fs";
import { TriremeError, sleep } from "@trireme/base";
import { createProgress } from "../local/progress.ts";
import { type Machine, PORTS } from "../plan/cluster-plan.ts";
import type { HostFile } from "../plan/host-file.ts";
import type { Programs } from "../plan/processes.ts";
import { readLivePid } from "../supervisor/process-id.ts";
import { removedReason } from "../supervisor/removed.ts";
import { openAccess } from "./access.ts";
import { type Invitation, admit } from "./admission.ts";
import { readHostFile, writeHostFile, writeRunFiles } from "./files.ts";
import { foundServer } from "./found.ts";
import { startForeground } from "./foreground.ts";
import { becomeMember } from "./membership.ts";
import { forgetMachine } from "./remove.ts";
import { createServerIdentities } from "./server-identities.ts";

/** A server that votes serves within seconds; on an overloaded machine within minutes. */
const READY_WITHIN_MS = 180_000;
const POLL_MS = 200;

/**
 * Runs a server in the foreground: founds a cluster, joins one, or starts again what is in the folder. Answers the
 * supervisor's exit code, when it ends.
 */
export async function runServer(
  host: Machine,
  options: { readonly cluster: string; readonly invitation?: Invitation | undefined },
  programs: Programs,
): Promise<number> {
  const progress = createProgress();
  const removed = removedReason(host);
  if (removed !== undefined) {
    throw new TriremeError("Conflict", `server "${host.name}" was ${removed.says}; ${removed.wayOut}`);
  }
  const file = await fileOf(host, options.cluster, options.invitation);
  // A certificate that is missing, e.g. of a newer release, is made from the shared folder.
  await createServerIdentities(host, file);
  writeRunFiles(host, file, programs);
  if (file.phase === "joined") {
    const supervisor = startForeground(host, programs);
    await Promise.race([supervisor.ended, waitReady(host, programs)]);
    process.stdout.write(
      `server "${host.name}" of cluster "${file.cluster}" serves at https://${host.address}:${PORTS.https}\n`,
    );
    return supervisor.ended;
  }
  let supervisor: ReturnType<typeof startForeground> | undefined;
  const start = async (): Promise<void> => {
    supervisor ??= startForeground(host, programs);
  };
  try {
    await becomeMember(
      host,
      file,
      { isRunning: () => readLivePid(`${host.dir}/run/store.pid`) !== undefined, start },
      progress,
    );
    if (file.replace !== undefined && file.replace !== host.name) await forgetReplaced(host, file.replace);
    const joined = joinedFile(file);
    writeHostFile(host.dir, joined);
    writeRunFiles(host, joined, programs);
    await start();
    supervisor?.reload();
    await waitReady(host, programs);
  } catch (thrown) {
    supervisor?.end();
    throw thrown;
  }
  process.stdout.write(`server "${host.name}" has joined cluster "${file.cluster}"\n`);
  return supervisor?.ended ?? 1;
}

/** The dead server is no member any more; now nobody looks for it either, and its tokens admit nobody. */
async function forgetReplaced(host: Machine, dead: string): Promise<void> {
  const access = await openAccess({ dataDir: host.dir });
  try {
    await forgetMachine(access, dead, "server");
  } finally {
    access.client.close();
  }
}

/** What a server is once its store votes. */
export function joinedFile(file: HostFile): HostFile {
  const { replace: _, ...rest } = file;
  return { ...rest, phase: "joined" };
}

async function fileOf(host: Machine, cluster: string, invitation: Invitation | undefined): Promise<HostFile> {
  const found = readHostFile(host.dir);
  if (found !== undefined) {
    checkSame(host, found);
    return found;
  }
  return invitation === undefined ? foundServer(host, cluster) : admit(host, invitation);
}

/** Refuses to start one machine's folder as another. */
export function checkSame(host: Machine, file: HostFile): void {
  if (file.name === host.name && file.role === host.role && file.address === host.address) return;
  throw new TriremeError(
    "Conflict",
    `${host.dir} is the folder of ${file.role} "${file.name}" at ${file.address}, not of ${host.role} "${host.name}" at ` +
      `${host.address}; give it the same --name and --address, or another --data-dir`,
  );
}

/** Waits until a server's own API says that it is ready. */
export async function waitReady(host: Machine, programs: Programs): Promise<void> {
  if (!programs.built.has("control")) return;
  const ca = readFileSync(`${host.dir}/pki/ca.crt`);
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await isReady(host, ca))) {
    if (performance.now() > deadline) {
      throw new TriremeError("Timeout", `server "${host.name}" does not get ready; see the logs in ${host.dir}/log`);
    }
    await sleep(POLL_MS);
  }
}

function isReady(host: Machine, ca: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ host: host.address, port: PORTS.https, path: "/readyz", ca, agent: false, timeout: 2000 });
    asked.on("response", (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(false));
    asked.on("close", () => resolve(false));
    asked.end();
  });
}
