import { type Command, InvalidArgumentError } from "commander";

/** What every command on a local cluster takes. */
export interface ClusterOption {
  readonly cluster: string;
}

/** Adds the option that names the local cluster. */
export function withCluster(command: Command): Command {
  return command.option("--cluster <name>", "name of the local cluster", process.env.TRIREME_CLUSTER ?? "local");
}

/** A whole number of at least `min`, or commander's own error that names the option. */
export function count(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min) throw new InvalidArgumentError(`must be a whole number of at least ${min}`);
    return value;
  };
}

/** Gathers a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
