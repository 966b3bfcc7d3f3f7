import { Command } from "commander";
import type { AccessOptions } from "../join/access.ts";
import { parseAnswer } from "../local/api.ts";
import { withAccess, withClient } from "./token.ts";

const SEALING = "/trireme/v1/sealing";

/** Longest wait for a rotation: some ten thousand Secrets on a busy cluster. What it has done by then stays done. */
const ROTATE_WITHIN_MS = 600_000;

interface Rotated {
  readonly key: string;
  readonly resumed: boolean;
  readonly rewritten: number;
  readonly dropped: readonly string[];
  readonly stillHeldBy: readonly string[];
}

interface Sealing {
  readonly writer: string;
  readonly servers: readonly { readonly address: string; readonly keys: readonly string[]; readonly error?: string }[];
  readonly values: Readonly<Record<string, number>>;
}

const ROTATE_HELP = `
Every server is given the new key and confirms it; then all of them seal with it; then every Secret is sealed anew, those
written before sealing included; then the old key is dropped. Secrets can be read and written all the while. Safe to repeat:
a rotation that was interrupted is finished by the next. Backups made before hold the old key themselves.`;

/** `secrets`: the keys that Secrets are sealed with. */
export function secretsCommand(): Command {
  const command = new Command("secrets").description("look at, and replace, the key that Secrets are sealed with");
  command.addCommand(
    withAccess(
      new Command("rotate-key")
        .description("seal all Secrets with a new key and drop the old one")
        .addHelpText("after", ROTATE_HELP),
    ).action(async (options: AccessOptions) => {
      const rotated = await ask<Rotated>(options, "POST", `${SEALING}/rotate`);
      process.stdout.write(describeRotation(rotated));
      if (rotated.stillHeldBy.length > 0) process.exitCode = 1;
    }),
  );
  command.addCommand(
    withAccess(new Command("status").description("show which server holds which key, and what each key seals")).action(
      async (options: AccessOptions) => {
        process.stdout.write(describeSealing(await ask<Sealing>(options, "GET", SEALING)));
      },
    ),
  );
  return command;
}

function ask<T>(options: AccessOptions, method: string, path: string): Promise<T> {
  return withClient(options, async ({ client }) =>
    parseAnswer<T>(await client.raw(method, path, { timeoutMs: ROTATE_WITHIN_MS })),
  );
}

function describeRotation({ key, resumed, rewritten, dropped, stillHeldBy }: Rotated): string {
  const what = resumed ? "finished the rotation that had been interrupted" : "made a new key";
  const lines = [
    `${what}: Secrets are sealed with key ${key}; ${rewritten} sealed anew`,
    stillHeldBy.length === 0
      ? `dropped: ${dropped.join(", ") || "none"}`
      : `the old keys (${dropped.join(", ")}) are still on ${stillHeldBy.join(", ")}: run this again when they answer`,
  ];
  return `${lines.join("\n")}\n`;
}

function describeSealing({ writer, servers, values }: Sealing): string {
  const lines = [
    `key that seals  ${writer}`,
    ...servers.map((one) => `${one.address.padEnd(22)} ${one.error ?? one.keys.join(", ")}`),
    ...Object.entries(values).map(([id, count]) => `${(id === "" ? "not sealed" : id).padEnd(22)} ${count} Secrets`),
  ];
  return `${lines.join("\n")}\n`;
}
