/**
 * Goal: `tri down --purge` leaves nothing. Method: a script that knows nothing of the product describes the machine
 * before the first `up` and after the purge; the two texts are equal.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { CLUSTER, ROOT, ensureCluster, snapshotBefore, triOk } from "./cluster.ts";
import { must } from "./process.ts";

describe("tri down --purge", () => {
  beforeAll(async () => {
    await ensureCluster();
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
