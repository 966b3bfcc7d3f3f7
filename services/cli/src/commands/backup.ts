import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { sharedFolderOf } from "@trireme/pki";
import { Command, Option } from "commander";
import { createBackup } from "../backup/create.ts";
import { readRecoveryPublic, replaceRecoveryKey } from "../backup/recovery-files.ts";
import { knownServers, readHostFile } from "../join/files.ts";
import { findCluster, readCluster } from "../local/state.ts";
import { type Machine, PORTS, RANGES } from "../plan/cluster-plan.ts";
import { dataDirOption } from "./machine.ts";

const BACKUP_HELP = `
The file holds a snapshot of the store and all keys of the servers, encrypted to the recovery key: only the public half of that
is kept on the servers. The first backup makes the key and shows its private half, once. Write it down and keep it apart from
the backups: whoever has both has everything, and without it a backup is worth nothing.`;

/** Which servers: a local cluster's, or the one whose folder is given. */
interface ServersOptions {
  readonly cluster?: string;
  readonly dataDir: string;
}

/** The servers of one cluster that a command on this machine reaches, and what is known of the cluster. */
interface Servers {
  readonly cluster: string;
  readonly hosts: readonly Pick<Machine, "dir" | "address">[];
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Adds the options that say which servers are meant. */
export function withServers(command: Command): Command {
  return command
    .addOption(dataDirOption())
    .addOption(new Option("--cluster <name>", "a local cluster of this machine").env("TRIREME_CLUSTER"));
}

/** `backup FILE` and `backup recovery-key`. */
export function backupCommand(): Command {
  const command = withServers(
    new Command("backup")
      .description("write everything that a restore needs into one encrypted file")
      .argument("<file>", "a new file")
      .addHelpText("after", BACKUP_HELP),
  ).action(async (file: string, options: ServersOptions) => {
    const servers = serversOf(options);
    const pkiDirs = servers.hosts.map((host) => `${host.dir}/pki`);
    const to = readRecoveryPublic(pkiDirs) ?? showNewKey(pkiDirs);
    const about = { cluster: servers.cluster, createdAt: new Date().toISOString(), facts: servers.facts };
    const sources = servers.hosts.map((host) => ({
      pkiDir: `${host.dir}/pki`,
      store: `${host.address}:${PORTS.storeClient}`,
    }));
    const { revision, bytes } = await createBackup(file, sources, to, about);
    process.stdout.write(
      `backup of cluster ${servers.cluster} at revision ${revision}: ${file} (${bytes} bytes, recovery key ${to.id})\n`,
    );
  });
  command.addCommand(
    withServers(
      new Command("recovery-key")
        .description("tell which recovery key backups are made for, or make a new one")
        .option("--new", "make a new key; older backups still need the key that they were made for", false),
    ).action((_: object, sub: Command) => {
      // The command above has the same options, and takes them wherever they stand.
      const options = sub.optsWithGlobals<ServersOptions & { new: boolean }>();
      const { hosts } = serversOf(options);
      const pkiDirs = hosts.map((host) => `${host.dir}/pki`);
      if (options.new) {
        showNewKey(pkiDirs);
        return;
      }
      const known = readRecoveryPublic(pkiDirs);
      process.stdout.write(
        known === undefined
          ? "there is no recovery key yet; the first tri backup makes one\n"
          : `backups are made for recovery key ${known.id}\n`,
      );
    }),
  );
  return command;
}

function showNewKey(pkiDirs: readonly string[]): ReturnType<typeof replaceRecoveryKey>["public"] {
  const made = replaceRecoveryKey(pkiDirs);
  process.stdout.write(
    `recovery key ${made.public.id}. This is the only time that it is shown; write it down and keep it apart from backups:\n\n` +
      `  ${made.typed}\n\n`,
  );
  return made.public;
}

function serversOf({ cluster, dataDir }: ServersOptions): Servers {
  const isServer = existsSync(sharedFolderOf(`${dataDir}/pki`));
  if (cluster === undefined && isServer) return serverAt(dataDir);
  if (cluster === undefined && findCluster("local") === undefined) {
    throw new TriremeError(
      "NotFound",
      `no server to back up: ${dataDir} is no server's folder (--data-dir), and there is no local cluster (--cluster)`,
    );
  }
  const plan = readCluster(cluster ?? "local");
  const { serviceCidr, podCidr, nodePorts: nodePortRange } = RANGES;
  const facts = { servers: addressesOf(plan.servers), serviceCidr, podCidr, nodePortRange, shape: plan.shape };
  return { cluster: plan.name, hosts: plan.servers, facts };
}

function serverAt(dir: string): Servers {
  const file = readHostFile(dir);
  if (file === undefined) throw new TriremeError("NotFound", `${dir}/host.json is missing: no server has joined here`);
  const { cluster, address, serviceCidr, podCidr, nodePortRange } = file;
  return {
    cluster,
    hosts: [{ dir, address }],
    facts: { servers: knownServers(dir, file), serviceCidr, podCidr, nodePortRange },
  };
}

function addressesOf(hosts: readonly Pick<Machine, "name" | "address">[]): { name: string; address: string }[] {
  return hosts.map(({ name, address }) => ({ name, address }));
}
