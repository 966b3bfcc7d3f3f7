import { existsSync, readFileSync, rmSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { Command } from "commander";
import type { Manifest } from "../backup/archive.ts";
import { type RecoveryPrivate, parseSecret } from "../backup/recovery-key.ts";
import { refillServers, refuseRunningServers } from "../backup/restore-local.ts";
import { restoreServer } from "../backup/restore-server.ts";
import { type Unpacked, unpackBackup } from "../backup/unpack.ts";
import { readHostFile } from "../join/files.ts";
import { choosePlan } from "../local/choose-plan.ts";
import { requireRoot, withClusterLock } from "../local/guards.ts";
import { findPrograms } from "../local/programs.ts";
import { createProgress } from "../local/progress.ts";
import { STATE_ROOT, findCluster } from "../local/state.ts";
import { up } from "../local/up.ts";
import type { ClusterShape, Machine } from "../plan/cluster-plan.ts";
import { withServers } from "./backup.ts";

const RESTORE_HELP = `
Needs the file and the recovery key that it was made for, and nothing else. The whole file is checked before anything is touched.
The store becomes a new cluster, whose revisions go on far above those of the lost one: clients that remember anything of that are
told to list again. Nodes come back by themselves with the certificates that they have, and their pods go on running.

With --cluster the servers of a local cluster are wiped and refilled; the first gets the backup, the others join it. With
--data-dir, --name and --address one machine's folder is filled: tri server starts it, and other servers join it with
new tokens and empty folders (tri server --join URL --token TOKEN).`;

interface RestoreOptions {
  readonly cluster?: string;
  readonly dataDir: string;
  readonly recoveryKeyFile: string;
  readonly name?: string;
  readonly address?: string;
  readonly force: boolean;
}

/** \`restore FILE\`. */
export function restoreCommand(): Command {
  return withServers(
    new Command("restore")
      .description("make a cluster anew from a backup")
      .argument("<file>", "what tri backup wrote")
      .requiredOption("--recovery-key-file <file>", "a file with the recovery key; - reads it from stdin")
      .option("--name <name>", "with --data-dir: the server's name")
      .option("--address <ip>", "with --data-dir: the address by which all others reach it")
      .option("--force", "with --cluster: wipe servers that still run", false)
      .addHelpText("after", RESTORE_HELP),
  ).action(async (file: string, options: RestoreOptions) => {
    const secret = readSecret(options.recoveryKeyFile);
    if (options.name !== undefined || options.address !== undefined) await restoreMachine(file, secret, options);
    else await restoreCluster(file, secret, options.cluster ?? "local", options.force);
  });
}

function readSecret(file: string): RecoveryPrivate {
  if (file !== "-" && !existsSync(file))
    throw new TriremeError("NotFound", `there is no ${file} to read the recovery key from`);
  return parseSecret(readFileSync(file === "-" ? 0 : file, "utf8").trim());
}

async function restoreCluster(file: string, secret: RecoveryPrivate, cluster: string, force: boolean): Promise<void> {
  requireRoot();
  const progress = createProgress();
  await withClusterLock(cluster, async () => {
    const found = findCluster(cluster);
    if (found !== undefined && !force) refuseRunningServers(found);
    await withUnpacked(file, secret, `${STATE_ROOT}/.restoring-${cluster}`, async (backup) => {
      const { servers, nodes } = shapeOf(backup.manifest);
      const plan = found ?? (await choosePlan({ cluster, servers, nodes }));
      await progress.step("servers refilled", () => refillServers(plan, backup, findPrograms()));
      await up({ cluster }, progress);
      process.stdout.write(`cluster ${cluster} is restored ${ofWhat(backup.manifest)}\n`);
    });
  });
}

async function restoreMachine(file: string, secret: RecoveryPrivate, options: RestoreOptions): Promise<void> {
  const { name, address, dataDir: dir } = options;
  if (name === undefined || address === undefined) {
    throw new TriremeError(
      "BadRequest",
      "--name and --address belong together: what the server is called, and where it is",
    );
  }
  if (readHostFile(dir) !== undefined) {
    throw new TriremeError("AlreadyExists", `${dir} is a machine's folder already: a restore needs an empty one`);
  }
  const host: Machine = { name, address, role: "server", dir, cgroup: "" };
  await withUnpacked(file, secret, `${dir}.restoring`, async (backup) => {
    await restoreServer(host, backup.manifest.cluster, backup, findPrograms());
    process.stdout.write(
      `${dir} holds server ${name}, restored ${ofWhat(backup.manifest)}\n` +
        `start it: tri server --data-dir ${dir} --name ${name} --address ${address}\n`,
    );
  });
}

async function withUnpacked(
  file: string,
  secret: RecoveryPrivate,
  staging: string,
  use: (backup: Unpacked) => Promise<void>,
): Promise<void> {
  try {
    await use(await unpackBackup(file, secret, staging));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function shapeOf({ facts }: Manifest): Pick<ClusterShape, "servers" | "nodes"> {
  const shape = facts["shape"] as Partial<ClusterShape> | undefined;
  const listed = Array.isArray(facts["servers"]) ? facts["servers"].length : 1;
  return { servers: shape?.servers ?? listed, nodes: shape?.nodes ?? 0 };
}

function ofWhat({ cluster, createdAt, revision }: Manifest): string {
  return `from the backup of cluster ${cluster} made at ${createdAt} (revision ${revision})`;
}
