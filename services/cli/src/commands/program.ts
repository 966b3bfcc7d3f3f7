import { Command } from "commander";
import { clusterCommands } from "./cluster.ts";
import { hostCommand } from "./host.ts";

/** Every command of `tri`. */
export function createProgram(): Command {
  const program = new Command("tri")
    .description("Trireme: a container orchestrator that speaks the Kubernetes API")
    .showSuggestionAfterError()
    .showHelpAfterError("(./tri help lists the commands)");
  for (const command of [...clusterCommands(), hostCommand()]) program.addCommand(command);
  return program;
}
