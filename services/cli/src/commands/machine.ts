import { TriremeError } from "@trireme/base";
import type { HostRole } from "@trireme/pki";
import { Command, Option } from "commander";
import type { Invitation } from "../join/admission.ts";
import { readHostFile } from "../join/files.ts";
import { runAgent } from "../join/run-agent.ts";
import { runServer } from "../join/run-server.ts";
import { findPrograms } from "../local/programs.ts";
import type { Machine } from "../plan/cluster-plan.ts";

/** Where a machine's folder is unless somebody says otherwise. */
export const DATA_DIR = "/var/lib/trireme/host";
/** The cgroup of a machine's pods is `pods` below this. */
const CGROUP = "/trireme";

/** What `server` and `agent` take. */
interface MachineOptions {
  readonly name?: string;
  readonly address?: string;
  readonly dataDir: string;
  readonly cgroup: string;
  readonly join?: string;
  readonly token?: string;
  readonly clusterName: string;
  readonly replace?: string;
}

/** The option that names a machine's folder. */
export function dataDirOption(): Option {
  return new Option("--data-dir <dir>", "the machine's folder").env("TRIREME_DATA_DIR").default(DATA_DIR);
}

const JOIN_HELP = `
The first start founds a cluster (server), or joins one with --join and --token; later starts need neither, since the
folder says all. The command stays in the foreground and keeps the machine's processes running; when it ends they run on,
and its next start finds them again. A join that broke off is typed again.`;

/** `server` or `agent`: one machine's processes, in the foreground. */
export function machineCommand(name: "server" | "agent", description: string): Command {
  const role: HostRole = name === "server" ? "server" : "node";
  const command = new Command(name)
    .description(description)
    .addOption(new Option("--name <name>", "the machine's name, unique in the cluster").env("TRIREME_NAME"))
    .addOption(new Option("--address <ip>", "the address by which all others reach it").env("TRIREME_ADDRESS"))
    .addOption(dataDirOption())
    .addOption(new Option("--cgroup <path>", "the cgroup below which pods run").env("TRIREME_CGROUP").default(CGROUP))
    .addOption(new Option("--join <url>", "https://HOST:6443 of any server of a cluster").env("TRIREME_JOIN"))
    .addOption(new Option("--token <token>", "what ./tri token create printed").env("TRIREME_TOKEN"))
    .addHelpText("after", JOIN_HELP);
  if (role === "server") {
    command
      .addOption(
        new Option("--cluster-name <name>", "name of a new cluster").env("TRIREME_CLUSTER_NAME").default("trireme"),
      )
      .addOption(new Option("--replace <dead>", "the dead server whose place this one takes").env("TRIREME_REPLACE"));
  }
  return command.action(async (options: MachineOptions) => {
    const host = machineOf(options, role);
    const invitation = invitationOf(options);
    const programs = findPrograms();
    const { clusterName: cluster } = options;
    process.exitCode =
      role === "server"
        ? await runServer(host, { cluster, invitation }, programs)
        : await runAgent(host, invitation, programs);
  });
}

/** The machine as told, or as its folder has it. */
function machineOf(options: MachineOptions, role: HostRole): Machine {
  const { cgroup, dataDir: dir } = options;
  const file = readHostFile(dir);
  const name = options.name ?? file?.name;
  const address = options.address ?? file?.address;
  if (name === undefined || address === undefined) {
    throw new TriremeError(
      "BadRequest",
      "a first start needs --name and --address (or TRIREME_NAME and TRIREME_ADDRESS)",
    );
  }
  return { name, role, address, dir, cgroup };
}

function invitationOf({ join, token, replace }: MachineOptions): Invitation | undefined {
  if (join === undefined && token === undefined) return undefined;
  if (join === undefined || token === undefined) {
    throw new TriremeError("BadRequest", "--join and --token belong together: where to, and what admits this machine");
  }
  return { join, token, ...(replace === undefined ? {} : { replace }) };
}
