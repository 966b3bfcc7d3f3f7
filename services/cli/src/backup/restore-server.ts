import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { hostRecordName, mkdirPrivate, writeSharedFolder } from "@trireme/pki";
import { settleServer } from "../join/found.ts";
import { run } from "../local/shell.ts";
import { type Machine, PORTS } from "../plan/cluster-plan.ts";
import { DEFAULT_RANGES, foundingFile } from "../plan/host-file.ts";
import type { Programs } from "../plan/processes.ts";
import type { Unpacked } from "./unpack.ts";

/**
 * Keys of the store that were true of the lost cluster's processes alone: the fences of elected parts and the Leases that
 * stand for their offices, without which every office is vacant and no token of the lost cluster opens anything; and the
 * records and the list of its servers, none of which is a server of the new cluster until it has joined it.
 */
const LEFT_BEHIND = [
  "/registry/fences/",
  "/registry/coordination.k8s.io/leases/kube-system/trireme-",
  `/registry/core/configmaps/kube-system/${hostRecordName("{member}")}`,
  "/registry/discovery.k8s.io/endpointslices/default/kubernetes",
];

/** Makes an empty folder that of the restored cluster's first server, with the keys that all servers hold and the store's data. */
export async function restoreServer(
  host: Machine,
  cluster: string,
  backup: Unpacked,
  programs: Programs,
): Promise<void> {
  await restoreStore(host, backup, programs);
  const { facts } = backup.manifest;
  const ranges = Object.fromEntries(
    Object.entries(DEFAULT_RANGES).map(([key, value]) => [key, typeof facts[key] === "string" ? facts[key] : value]),
  ) as typeof DEFAULT_RANGES;
  await settleServer(host, { ...foundingFile(host, cluster), ...ranges });
}

async function restoreStore(host: Machine, backup: Unpacked, programs: Programs): Promise<void> {
  const data = `${host.dir}/store`;
  if (existsSync(data)) throw new TriremeError("AlreadyExists", `${data} is there: a restore needs an empty folder`);
  mkdirPrivate(host.dir);
  writeSharedFolder(`${host.dir}/pki`, backup.shared);
  const done = await run([
    programs.node,
    `${programs.bundles}/state-store.mjs`,
    `--name=${host.name}`,
    `--address=${host.address}`,
    `--data-dir=${data}`,
    `--pki-dir=${host.dir}/pki`,
    `--initial-cluster=${host.name}=${host.address}:${PORTS.storePeer}`,
    // Another cluster than the lost one, whose members may still be somewhere.
    `--cluster-token=${backup.manifest.cluster}-${randomBytes(8).toString("hex")}`,
    `--restore-from=${backup.storeFile}`,
    `--leave-behind=${LEFT_BEHIND.join(",")}`,
  ]);
  if (done.code !== 0) {
    throw new TriremeError(
      "Invalid",
      `the store of ${host.name} is not restored: ${done.stderr.trim() || done.stdout.trim()}`,
    );
  }
}
