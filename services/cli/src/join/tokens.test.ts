import { TriremeError } from "@trireme/base";
import { createCa } from "@trireme/pki";
import { beforeAll, expect, it } from "vitest";
import type { Access } from "./access.ts";
import { createToken } from "./tokens.ts";

let ca = "";
beforeAll(async () => {
  ca = (await createCa("tokens")).cert;
});

/** A cluster that answers each creation of a Secret as told, and remembers what it was asked for. */
function clusterOf(answers: readonly (TriremeError | undefined)[]): { access: Access; asked: string[] } {
  const asked: string[] = [];
  const create = async (secret: { metadata: { name: string } }): Promise<unknown> => {
    const error = answers[asked.length];
    asked.push(secret.metadata.name);
    if (error !== undefined) throw error;
    return secret;
  };
  return { access: { ca, client: { resource: () => ({ create }) } as unknown as Access["client"] }, asked };
}

it("asks for another token where it is not known whether the last one was made", async () => {
  const lost = new TriremeError("Unknown", "sent, but no answer came");
  const { access, asked } = clusterOf([lost, new TriremeError("Timeout", "no answer"), undefined]);
  const token = await createToken(access, "node", 60_000);
  expect(new Set(asked).size).toBe(3);
  expect(asked[2]).toContain(token.split(".")[2]);
});

it("gives up after the third, and at once where it is refused", async () => {
  const busy = new TriremeError("ServiceUnavailable", "no quorum");
  const never = clusterOf([busy, busy, busy, undefined]);
  await expect(createToken(never.access, "node", 60_000)).rejects.toThrow("no quorum");
  expect(never.asked).toHaveLength(3);
  const refused = clusterOf([new TriremeError("Forbidden", "not you")]);
  await expect(createToken(refused.access, "node", 60_000)).rejects.toThrow("not you");
  expect(refused.asked).toHaveLength(1);
});
