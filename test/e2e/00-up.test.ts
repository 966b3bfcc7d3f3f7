/**
 * Goal: one command brings up a cluster whose example answers, and typed again it changes nothing. Method: the real
 * command, a real HTTP request to the URL that it printed, and a comparison of every pid and resourceVersion.
 */
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Any, CLUSTER, HELLO, ensureCluster, getJson, status, triOk } from "./cluster.ts";
import { fetchText } from "./http.ts";

describe("tri up -f hello.yaml", () => {
  let output = "";
  beforeAll(async () => {
    await ensureCluster();
    output = await triOk("up", "-f", HELLO);
  });

  it("ends with a URL on the local address that answers through the Service", async () => {
    const url = /http:\/\/127\.0\.0\.1:\d+\/?/.exec(output)?.[0];
    expect(url, output).toBeDefined();
    expect(await fetchText(url!)).toMatch(/hello-/);
  });

  it("is ready at once when typed again, and changes nothing", async () => {
    const before = await status();
    const objects = async (): Promise<string[]> =>
      (await getJson("deployments,services,configmaps,pods", "-A")).items.map(
        (item: { metadata: { uid: string; generation?: number } }) =>
          `${item.metadata.uid} ${item.metadata.generation}`,
      );
    const objectsBefore = await objects();
    const started = performance.now();
    await triOk("up", "-f", HELLO);
    expect(performance.now() - started).toBeLessThan(15_000);
    const after = await status();
    expect(after.servers.map((server) => server.pids)).toEqual(before.servers.map((server) => server.pids));
    expect(after.nodes.map((node) => node.pids)).toEqual(before.nodes.map((node) => node.pids));
    expect(after.balancer).toEqual(before.balancer);
    expect(await objects()).toEqual(objectsBefore);
  });

  it("had every host join by a key of its own, and gave no authority's to a node", async () => {
    const hosts = ["server1", "server2", "server3", "node1", "node2", "node3"];
    const { items } = await getJson("configmaps", "-n", "kube-system", "-l", "trireme.io/host");
    const idOf = (name: string): string | undefined =>
      items.find((item: Any) => item.metadata.name === `trireme-host-${name}`)?.data.hostId;
    const ids = hosts.map(idOf);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(hosts.length);
    const dir = `/var/lib/trireme/${CLUSTER}`;
    const holdsKeys = (name: string): boolean => existsSync(`${dir}/hosts/${name}/pki/shared/ca.key`);
    expect(hosts.filter(holdsKeys)).toEqual(["server1", "server2", "server3"]);
    expect(existsSync(`${dir}/pki/ca.key`)).toBe(false);
  });

  it("tells its state: three servers, one of them leading, three nodes, an election each", async () => {
    const told = await status();
    expect(told.servers.map((server) => server.name)).toEqual(["server1", "server2", "server3"]);
    expect(told.servers.filter((server) => server.leader)).toHaveLength(1);
    expect(told.nodes.map((node) => node.name)).toEqual(["node1", "node2", "node3"]);
    expect(Object.keys(told.elections).toSorted()).toEqual(["controllers", "relay", "scheduler"]);
  });
});
