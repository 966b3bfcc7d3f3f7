import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { type ServerAddress, createSigningKey, mkdirPrivate, writePrivateFile } from "@trireme/pki";
import type { Machine } from "../plan/cluster-plan.ts";
import { containerdConfig } from "../plan/containerd-config.ts";
import type { HostFile } from "../plan/host-file.ts";
import { type Programs, childrenBeforeJoin, childrenOf, serversFileOf } from "../plan/processes.ts";
import type { SupervisorSpec } from "../supervisor/spec.ts";

/** Reads what a machine is; nothing when it is none yet. */
export function readHostFile(dir: string): HostFile | undefined {
  const path = `${dir}/host.json`;
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as HostFile;
  } catch (cause) {
    throw new TriremeError("Invalid", `${path} is damaged: ${String(cause)}`, { cause });
  }
}

/** The servers as this machine last knew them: what its processes have learned, or what it was told at its join. */
export function knownServers(dir: string, file: HostFile): readonly ServerAddress[] {
  const path = serversFileOf({ dir });
  if (!existsSync(path)) return file.servers;
  return JSON.parse(readFileSync(path, "utf8")) as ServerAddress[];
}

/** Records what a machine is. Written after its keys: where the file is, everything else is. */
export function writeHostFile(dir: string, file: HostFile): void {
  writePrivateFile(`${dir}/host.json`, `${JSON.stringify(file, null, 2)}\n`);
}

/** The key that says which machine this is; made at the first join and kept. */
export async function ensureHostKey(dir: string): Promise<string> {
  const path = `${dir}/pki/host.key`;
  if (!existsSync(path)) writePrivateFile(path, await createSigningKey());
  return readFileSync(path, "utf8");
}

/**
 * Writes what a machine's processes read at their start, all of it derived from its host file. Answers whether its supervisor
 * has something new to read.
 */
export function writeRunFiles(host: Machine, file: HostFile | undefined, programs: Programs): boolean {
  for (const dir of ["run", "log"]) mkdirPrivate(`${host.dir}/${dir}`);
  if (host.role === "node") {
    for (const dir of ["containerd/certs.d", "cni"]) mkdirSync(`${host.dir}/${dir}`, { recursive: true });
    writeIfChanged(`${host.dir}/containerd/config.toml`, containerdConfig(host));
  }
  const children = file === undefined ? childrenBeforeJoin(host) : childrenOf(file, host, programs);
  const spec: SupervisorSpec = { name: host.name, children };
  return writeIfChanged(specOf(host), `${JSON.stringify(spec, null, 2)}\n`);
}

/** What a machine's supervisor reads. */
export function specOf(host: Machine): string {
  return `${host.dir}/supervisor.json`;
}

/** Writes a private file unless it says so already; answers whether it was written. */
export function writeIfChanged(path: string, content: string): boolean {
  if (existsSync(path) && readFileSync(path, "utf8") === content) return false;
  writePrivateFile(path, content);
  return true;
}
