import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { mkdirPrivate, writeSharedFolder } from "@trireme/pki";
import { run } from "../local/shell.ts";
import { type Machine, PORTS } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import type { Unpacked } from "./unpack.ts";

/**
 * Keys of the store that were true of the lost cluster's processes alone: the fences of elected parts, and the Leases that
 * stand for their offices. Without them every office is vacant, and no token of the lost cluster opens anything.
 */
const OFFICES = ["/registry/fences/", "/registry/coordination.k8s.io/leases/kube-system/trireme-"];

/** Puts the keys that all servers hold, and the store's data, into one server's empty folder. */
export async function restoreServer(host: Machine, backup: Unpacked, programs: Programs): Promise<void> {
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
    `--leave-behind=${OFFICES.join(",")}`,
  ]);
  if (done.code !== 0) {
    throw new TriremeError(
      "Invalid",
      `the store of ${host.name} is not restored: ${done.stderr.trim() || done.stdout.trim()}`,
    );
  }
}
