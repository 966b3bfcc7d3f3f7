import { Command } from "commander";
import { TriremeError } from "@trireme/base";
import type { AccessOptions } from "../join/access.ts";
import { knownServers, readHostFile } from "../join/files.ts";
import { removeNode, removeServer } from "../join/remove.ts";
import { createProgress } from "../local/progress.ts";
import { withAccess, withClient } from "./token.ts";

/** `server remove NAME`. */
export function removeServerCommand(): Command {
  const command = new Command("remove")
    .description("remove a server, dead or alive; typed on another server's machine")
    .argument("<name>", "e.g. server2");
  return withAccess(command).action(async (name: string, _: unknown, self: Command) => {
    const options: AccessOptions = self.optsWithGlobals();
    const file = readHostFile(options.dataDir);
    if (file?.role !== "server") {
      throw new TriremeError(
        "BadRequest",
        `${options.dataDir} is no server's folder: type this on another server's machine`,
      );
    }
    if (file.name === name) {
      throw new TriremeError(
        "BadRequest",
        `server "${name}" cannot remove itself: type this on another server's machine`,
      );
    }
    const servers = knownServers(options.dataDir, file).filter((server) => server.name !== name);
    const at = { pkiDir: `${options.dataDir}/pki`, servers };
    await withClient(options, (access) => removeServer(access, at, name, createProgress()));
    process.stdout.write(
      `server "${name}" is removed; if its machine lives, stop what runs there and empty its folder\n`,
    );
  });
}

/** `node remove NAME`. */
export function nodeCommand(): Command {
  const command = new Command("node").description("the cluster's nodes");
  const remove = new Command("remove")
    .description("drain a node, remove it, and refuse its identity from then on")
    .argument("<name>", "e.g. node2")
    .option("--force", "do not drain: the machine is dead, or its pods may die with it", false)
    .action(async (name: string, options: AccessOptions & { force: boolean }) => {
      await withClient(options, (access) => removeNode(access, name, options.force, createProgress()));
      process.stdout.write(
        `node "${name}" is removed; if its machine lives, stop what runs there and empty its folder\n`,
      );
    });
  command.addCommand(withAccess(remove));
  return command;
}
