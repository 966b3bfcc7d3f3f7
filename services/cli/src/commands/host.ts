import { Command } from "commander";
import { addHost } from "../local/choose-plan.ts";
import { requireRoot, withClusterLock } from "../local/guards.ts";
import { execOn } from "../local/host-exec.ts";
import { freezeHost, killHost, setCable, startHost } from "../local/hosts.ts";
import { readCluster } from "../local/state.ts";
import { type ClusterPlan, type HostPlan, hostOf } from "../plan/cluster-plan.ts";
import { type ClusterOption, withCluster } from "./cluster-option.ts";

interface Verb {
  readonly help: string;
  readonly done: string;
  readonly act: (plan: ClusterPlan, host: HostPlan) => Promise<void>;
}

const VERBS: Readonly<Record<string, Verb>> = {
  kill: {
    help: "kill all processes and containers of a host; they stay dead until start",
    done: "is dead",
    act: (_, host) => killHost(host),
  },
  start: { help: "start a killed host again", done: "is starting", act: startHost },
  freeze: {
    help: "stop all processes and containers of a host (SIGSTOP)",
    done: "is frozen",
    act: async (_, host) => freezeHost(host, "frozen"),
  },
  thaw: {
    help: "let a frozen host continue (SIGCONT)",
    done: "runs again",
    act: async (_, host) => freezeHost(host, "running"),
  },
  cut: { help: "take a host off the network", done: "is cut off", act: (plan, host) => setCable(plan, host, "down") },
  heal: {
    help: "put a host back on the network",
    done: "is connected",
    act: (plan, host) => setCable(plan, host, "up"),
  },
};

/** `host kill|start|freeze|thaw|cut|heal NAME...`, `host add NAME`, `host exec NAME -- COMMAND`. */
export function hostCommand(): Command {
  const command = new Command("host").description("pull the plugs of the local cluster's hosts");
  for (const [name, verb] of Object.entries(VERBS)) {
    const sub = new Command(name).description(verb.help).argument("<host...>", "e.g. server1 or node2");
    withCluster(sub).action(async (names: string[], options: ClusterOption) => {
      requireRoot();
      const plan = readCluster(options.cluster);
      const hosts = names.map((host) => hostOf(plan, host));
      await Promise.all(hosts.map((host) => verb.act(plan, host)));
      for (const host of hosts) process.stdout.write(`${host.name} ${verb.done}\n`);
    });
    command.addCommand(sub);
  }
  command.addCommand(addCommand());
  command.addCommand(execCommand());
  return command;
}

function addCommand(): Command {
  const sub = new Command("add")
    .description("add a bare host: a machine with an address and nothing running, for commands of host exec")
    .argument("<name>", "e.g. server4");
  return withCluster(sub).action(async (name: string, options: ClusterOption) => {
    requireRoot();
    await withClusterLock(options.cluster, async () => {
      const host = await addHost(options.cluster, name);
      process.stdout.write(`${host.name} is at ${host.address}\n`);
    });
  });
}

const EXEC_HELP = `
The command runs in the host's network and cgroups, with TRIREME_DATA_DIR and TRIREME_CGROUP saying what on a machine of its
own goes without saying: hosts share this machine's files.`;

function execCommand(): Command {
  const sub = new Command("exec")
    .description("run a command on a host, as on a machine of its own")
    .argument("<host>", "e.g. server4")
    .argument("<command...>", "after --")
    .addHelpText("after", EXEC_HELP);
  return withCluster(sub).action(async (name: string, words: string[], options: ClusterOption) => {
    requireRoot();
    process.exitCode = await execOn(hostOf(readCluster(options.cluster), name), words);
  });
}
