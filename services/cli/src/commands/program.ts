import { Command } from "commander";

/** Some commands of `tri`, in one module. */
interface Family {
  /** Their names, so that none needs to be loaded to know that it is not meant. */
  readonly names: readonly string[];
  readonly load: () => Promise<readonly Command[]>;
}

/**
 * Every command of `tri`, in the order of its help. What is typed is loaded alone: TLS, certificates and gRPC are most of
 * the start-up time of a command, and few need them all.
 */
export const FAMILIES: readonly Family[] = [
  { names: ["up"], load: async () => [(await import("./up.ts")).upCommand()] },
  { names: ["down"], load: async () => [(await import("./down.ts")).downCommand()] },
  {
    names: ["status", "kubeconfig"],
    load: async () => {
      const { kubeconfigCommand, statusCommand } = await import("./status.ts");
      return [statusCommand(), kubeconfigCommand()];
    },
  },
  { names: ["host"], load: async () => [(await import("./host.ts")).hostCommand()] },
  { names: ["image"], load: async () => [(await import("./image.ts")).imageCommand()] },
  { names: ["apply", "get"], load: async () => (await import("./objects.ts")).objectCommands() },
  { names: ["secrets"], load: async () => [(await import("./secrets.ts")).secretsCommand()] },
  { names: ["certs"], load: async () => [(await import("./certs.ts")).certsCommand()] },
  { names: ["backup"], load: async () => [(await import("./backup.ts")).backupCommand()] },
  { names: ["restore"], load: async () => [(await import("./restore.ts")).restoreCommand()] },
  { names: ["server", "agent"], load: machineCommands },
  { names: ["node"], load: async () => [(await import("./remove.ts")).nodeCommand()] },
  { names: ["token"], load: async () => [(await import("./token.ts")).tokenCommand()] },
  { names: ["metrics"], load: async () => [(await import("./metrics.ts")).metricsCommand()] },
  { names: ["doctor"], load: async () => [(await import("./doctor.ts")).doctorCommand()] },
  { names: ["test", "bench", "dev"], load: async () => (await import("./develop.ts")).developCommands() },
];

async function machineCommands(): Promise<readonly Command[]> {
  const [{ machineCommand }, { removeServerCommand }] = await Promise.all([
    import("./machine.ts"),
    import("./remove.ts"),
  ]);
  return [
    machineCommand("server", "run one server of a cluster: found it, join it, or start again").addCommand(
      removeServerCommand(),
    ),
    machineCommand("agent", "run one node of a cluster: join it, or start again"),
  ];
}

/** `tri` with the command that `word`, the first one typed, names; with all of them when it names none, as help does. */
export async function createProgram(word = ""): Promise<Command> {
  const program = new Command("tri")
    .description("Trireme: a container orchestrator that speaks the Kubernetes API")
    .showSuggestionAfterError()
    .showHelpAfterError("(./tri help lists the commands)");
  const meant = FAMILIES.filter(({ names }) => names.includes(word));
  for (const family of meant.length > 0 ? meant : FAMILIES) {
    for (const command of await family.load()) program.addCommand(command);
  }
  return program;
}
