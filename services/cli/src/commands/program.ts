import { Command } from "commander";
import { backupCommand } from "./backup.ts";
import { certsCommand } from "./certs.ts";
import { clusterCommands } from "./cluster.ts";
import { developCommands } from "./develop.ts";
import { doctorCommand } from "./doctor.ts";
import { hostCommand } from "./host.ts";
import { imageCommand } from "./image.ts";
import { machineCommand } from "./machine.ts";
import { metricsCommand } from "./metrics.ts";
import { objectCommands } from "./objects.ts";
import { restoreCommand } from "./restore.ts";
import { secretsCommand } from "./secrets.ts";
import { nodeCommand, removeServerCommand } from "./remove.ts";
import { tokenCommand } from "./token.ts";

/** Every command of `tri`. */
export function createProgram(): Command {
  const program = new Command("tri")
    .description("Trireme: a container orchestrator that speaks the Kubernetes API")
    .showSuggestionAfterError()
    .showHelpAfterError("(./tri help lists the commands)");
  for (const command of [
    ...clusterCommands(),
    hostCommand(),
    imageCommand(),
    ...objectCommands(),
    secretsCommand(),
    certsCommand(),
    backupCommand(),
    restoreCommand(),
    machineCommand("server", "run one server of a cluster: found it, join it, or start again").addCommand(
      removeServerCommand(),
    ),
    nodeCommand(),
    machineCommand("agent", "run one node of a cluster: join it, or start again"),
    tokenCommand(),
    metricsCommand(),
    doctorCommand(),
    ...developCommands(),
  ])
    program.addCommand(command);
  return program;
}
