/**
 * Goal: `tri down --purge` leaves nothing. Method: a script that knows nothing of the product describes the machine
 * before the first `up` and after the purge; the two texts are equal. Before, the logs of the whole campaign tell whether a
 * part of the cluster wanted what its role does not give.
 */
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { CLUSTER, ROOT, ensureCluster, snapshotBefore, status, triOk } from "./cluster.ts";
import { must } from "./process.ts";

/**
 * The API forgets which Secrets a deleted pod names before its node hears of the deletion: a watch that begins again in
 * between is refused once, at most twice. What a node goes on asking for, it needs.
 */
function isParting(line: string, times: number): boolean {
  return line.includes("no relationship found between node") && times <= 2;
}

describe("tri down --purge", () => {
  beforeAll(async () => {
    await ensureCluster();
  });

  it("ends a campaign in which no part of the cluster was refused what it needs", async () => {
    const refused =
      /User \\*"system:(?:serviceaccount:kube-system:|kube-|trireme-|dns:|node:)[^"]*" cannot [^\n]{0,200}/g;
    const lines: string[] = [];
    for (const { name } of [...(await status()).servers, ...(await status()).nodes]) {
      const dir = `/var/lib/trireme/${CLUSTER}/hosts/${name}/log`;
      for (const file of readdirSync(dir)) {
        const found = Map.groupBy(readFileSync(join(dir, file), "utf8").matchAll(refused), ([line]) => line);
        for (const [line, { length }] of found) {
          if (!isParting(line, length)) lines.push(`${name}/${file}: ${line} (${length} times)`);
        }
      }
    }
    expect(lines).toEqual([]);
  });

  it("leaves no process, mount, namespace, link, route, rule, sysctl, cgroup or file behind", async () => {
    const output = await triOk("down", "--purge");
    expect(output).toMatch(/stay/);
    const after = await must("bash", [join(ROOT, "test/e2e/machine-snapshot.sh")]);
    expect(after).toBe(snapshotBefore());
    rmSync(`/tmp/trireme-${CLUSTER}-before.txt`, { force: true });
    rmSync(`/tmp/trireme-${CLUSTER}-kube-cache`, { recursive: true, force: true });
  });

  it("is safe to type again", async () => {
    await triOk("down", "--purge");
  });
});
