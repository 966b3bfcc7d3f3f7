import { Command } from "commander";
import { freezeHost, killHost, setCable, startHost } from "../local/hosts.ts";
import { readCluster } from "../local/state.ts";
import { requireRoot } from "../local/up.ts";
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

/** `host kill|start|freeze|thaw|cut|heal NAME...`. */
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
  return command;
}
