import { Command, Option } from "commander";
import type { HostRole } from "@trireme/pki";
import { type Access, type AccessOptions, openAccess } from "../join/access.ts";
import { parseDuration } from "../join/duration.ts";
import { type TokenRow, createToken, listTokens, revokeToken } from "../join/tokens.ts";
import { dataDirOption } from "./machine.ts";

/** Options by which a command finds its cluster. */
export function withAccess(command: Command): Command {
  return command
    .addOption(dataDirOption())
    .addOption(new Option("--cluster <name>", "a local cluster of this machine").env("TRIREME_CLUSTER"))
    .addOption(new Option("--kubeconfig <file>", "an administrator's kubeconfig").env("KUBECONFIG"));
}

/** Runs `work` with an administrator's client. */
export async function withClient<T>(options: AccessOptions, work: (access: Access) => Promise<T>): Promise<T> {
  const access = await openAccess(options);
  try {
    return await work(access);
  } finally {
    access.client.close();
  }
}

/** `token create|list|revoke`. */
export function tokenCommand(): Command {
  const command = new Command("token").description("tokens by which machines join; each admits one machine");
  const create = new Command("create")
    .description("make a token and print it, for the only time")
    .addOption(new Option("--role <role>", "what it admits").choices(["server", "node"]).default("node"))
    .option("--ttl <time>", "how long it is valid, such as 30m, 1h, 2d", "1h")
    .action(async (options: AccessOptions & { role: HostRole; ttl: string }) => {
      const ttlMs = parseDuration(options.ttl);
      const token = await withClient(options, (access) => createToken(access, options.role, ttlMs));
      process.stdout.write(`${token}\n`);
    });
  const list = new Command("list").description("show tokens").action(async (options: AccessOptions) => {
    process.stdout.write(describe(await withClient(options, listTokens)));
  });
  const revoke = new Command("revoke")
    .description("take tokens away; machines that have joined with them stay")
    .argument("<id...>", "as in ./tri token list")
    .action(async (ids: string[], options: AccessOptions) => {
      await withClient(options, async (access) => {
        for (const id of ids) process.stdout.write(`token ${await revokeToken(access, id)} is revoked\n`);
      });
    });
  for (const sub of [create, list, revoke]) command.addCommand(withAccess(sub));
  return command;
}

function describe(rows: readonly TokenRow[]): string {
  const head: TokenRow = { id: "ID", role: "ROLE", expires: "EXPIRES", usedBy: "USED BY", state: "STATE" as "valid" };
  const line = (row: TokenRow): string =>
    `${row.id.padEnd(8)} ${row.role.padEnd(8)} ${row.state.padEnd(8)} ${row.expires.padEnd(26)} ${row.usedBy}`.trimEnd();
  return `${[head, ...rows].map(line).join("\n")}\n`;
}
