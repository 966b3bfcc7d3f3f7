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

describe("tri down --purge", () => {
  beforeAll(async () => {
    await ensureCluster();
  });

  it("ends a campaign in which no part of the cluster was refused what it needs", async () => {
    const refused =
      /User \\*"system:(?:serviceaccount:kube-system:|kube-|trireme-|dns:|node:)[^"]*" cannot [^\n]{0,200}/;
    const lines: string[] = [];
    for (const { name } of [...(await status()).servers, ...(await status()).nodes]) {
      const dir = `/var/lib/trireme/${CLUSTER}/hosts/${name}/log`;
      for (const file of readdirSync(dir)) {
        const found = refused.exec(readFileSync(join(dir, file), "utf8"));
        if (found !== null) lines.push(`${name}/${file}: ${found[0]}`);
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
