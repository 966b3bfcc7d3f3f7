import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { Command } from "commander";
import { findPrograms } from "../local/programs.ts";
import { SUPERVISOR_NODE_FLAGS } from "../plan/processes.ts";

/** `server` and `agent`: the supervisor of one host, in the foreground. `up` starts the same program for each host. */
export function machineCommands(): Command[] {
  return [
    machineCommand("server", "run one control-plane host: nats-server, store, control"),
    machineCommand("agent", "run one node: containerd, agent, DNS"),
  ];
}

function machineCommand(name: string, description: string): Command {
  return new Command(name)
    .description(`${description}; ends without ending them`)
    .requiredOption("--dir <dir>", "the host's folder, with supervisor.json, pki and configuration")
    .action(async (options: { dir: string }) => {
      const spec = `${options.dir}/supervisor.json`;
      if (!existsSync(spec)) {
        throw new TriremeError(
          "NotFound",
          `there is no ${spec}; ./tri up prepares hosts under /var/lib/trireme/<cluster>/hosts`,
        );
      }
      const { node, bundles } = findPrograms();
      process.exitCode = await runForeground([
        node,
        ...SUPERVISOR_NODE_FLAGS,
        `${bundles}/supervisor.mjs`,
        `--spec=${spec}`,
      ]);
    });
}

function runForeground(command: readonly string[]): Promise<number> {
  const [program = "", ...argv] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: "inherit" });
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
