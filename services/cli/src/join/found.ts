import type { Machine } from "../plan/cluster-plan.ts";
import { type HostFile, foundingFile } from "../plan/host-file.ts";
import { ensureHostKey, writeHostFile } from "./files.ts";
import { createServerIdentities, foundSharedFolder } from "./server-identities.ts";

/** Founds a cluster of one server in this machine's folder; one that broke off goes on with the same keys. */
export async function foundServer(host: Machine, cluster: string): Promise<HostFile> {
  await foundSharedFolder(host, cluster);
  return settleServer(host, foundingFile(host, cluster));
}

/** Makes a folder that holds what all servers share the folder of one server, which says so in its `host.json`. */
export async function settleServer(host: Machine, file: HostFile): Promise<HostFile> {
  await ensureHostKey(host.dir);
  await createServerIdentities(host, file);
  writeHostFile(host.dir, file);
  return file;
}
