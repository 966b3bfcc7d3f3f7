import { Command } from "commander";
import type { AccessOptions } from "../join/access.ts";
import { parseAnswer } from "../local/api.ts";
import { withAccess, withClient } from "./token.ts";

/** Every server is asked a few times, and answers within seconds. */
const ROTATE_WITHIN_MS = 60_000;

interface Rotated {
  readonly key: string;
  readonly resumed: boolean;
  readonly counting: readonly string[];
  readonly behind: readonly string[];
}

const ROTATE_HELP = `
Every server is given the new key and confirms it; then one after the other signs with it. Tokens of the old key count until they
expire, for a year at most; /openid/v1/jwks shows both keys. Safe to repeat: a rotation that was interrupted is finished by
the next. Where the old key was stolen: remove its pki/shared/sa-*.pub on every server and restart their control processes;
agents then get new tokens for running pods when those are due.`;

/** `certs`: the cluster's keys. */
export function certsCommand(): Command {
  const rotate = new Command("rotate").description("replace a key of the cluster");
  rotate.addCommand(
    withAccess(
      new Command("sa-key")
        .description("sign ServiceAccounts' tokens with a new key")
        .addHelpText("after", ROTATE_HELP),
    ).action(async (options: AccessOptions) => {
      const rotated = await withClient(options, async ({ client }) =>
        parseAnswer<Rotated>(
          await client.raw("POST", "/trireme/v1/token-keys/rotate", { timeoutMs: ROTATE_WITHIN_MS }),
        ),
      );
      process.stdout.write(describe(rotated));
      if (rotated.behind.length > 0) process.exitCode = 1;
    }),
  );
  return new Command("certs").description("the keys that the cluster itself stands on").addCommand(rotate);
}

function describe({ key, resumed, counting, behind }: Rotated): string {
  const what = resumed ? "finished the rotation that had been interrupted" : "made a new key";
  const lines = [
    `${what}: tokens are signed with key ${key}`,
    `tokens of these count still: ${counting.join(", ") || "none"}`,
  ];
  if (behind.length > 0) lines.push(`${behind.join(", ")} sign with the old key yet: run this again when they answer`);
  return `${lines.join("\n")}\n`;
}
