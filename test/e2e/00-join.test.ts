/**
 * Goal: one server becomes three, one is destroyed and replaced, with the commands of deploy/README.md as written, while
 * clients write and a Service is called: no acknowledged write is lost, no request fails, no container restarts. False servers
 * get no secret, and tokens that should admit nobody admit nobody. Method: bare hosts that share nothing but the network; the
 * commands are read from the file; 50 writes and 200 requests a second run through all of it.
 */
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { CONFIGMAPS, type ConfigMap, PODS, type Pod, SERVICES } from "@trireme/api";
import { createCa, issue } from "@trireme/pki";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Any, CLUSTER, HELLO, ROOT } from "./cluster.ts";
import { fetchText } from "./http.ts";
import { type FollowingClient, followingClient } from "./following-client.ts";
import { type Load, startLoad, startSteadyWriter, sumOf } from "./load.ts";
import { Machines, readmeCommands } from "./machines.ts";
import { must, run, within } from "./process.ts";

const NAME = `${CLUSTER.slice(0, 14)}-join`;
const DIR = `/var/lib/trireme/${NAME}/hosts`;
const WRITES_PER_SECOND = 50;

const machines = new Machines(NAME);
const KUBECONFIG = `${DIR}/server1/admin.kubeconfig`;
let client: FollowingClient["client"];
let closeClient = (): void => {};
let nodeToken = "";
let load: Load | undefined;

/** Every container of the Service with its restarts: a container that was started again has another id. */
async function containers(): Promise<string[]> {
  const { items } = await client.resource<Pod>(PODS, "default").list({ labelSelector: "app=hello" });
  return items
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .map((one) => `${one.containerID} ${one.restartCount}`)
    .toSorted();
}

async function members(server: string): Promise<string[]> {
  const pki = `${DIR}/${server}/pki`;
  const tls = [
    "--cacert",
    `${pki}/store-ca.crt`,
    "--cert",
    `${pki}/store-apiserver.crt`,
    "--key",
    `${pki}/store-apiserver.key`,
  ];
  const list = await must("etcdctl", [
    "--endpoints",
    `${machines.addresses.get(server)}:2379`,
    ...tls,
    "member",
    "list",
  ]);
  return list
    .trim()
    .split("\n")
    .map((line) => line.split(", "))
    .map(([, state, name, , , isLearner]) => `${name} ${state}${isLearner === "true" ? " learner" : ""}`)
    .toSorted();
}

async function listedServers(): Promise<string[]> {
  const slices = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices", namespaced: true };
  const slice = (await client.resource<Any>(slices, "default").get("kubernetes")) as Any;
  return slice.endpoints.filter((one: Any) => one.conditions.ready).map((one: Any) => one.hostname as string);
}

beforeAll(async () => {
  await machines.add("server1", "server2", "server3", "server4", "node1", "node2");
  await machines.follow("One machine");
  nodeToken = machines.newestToken;
  ({ client, close: closeClient } = followingClient(KUBECONFIG));
}, 300_000);

afterAll(async () => {
  closeClient();
  await load?.stop();
  await machines.purge();
}, 120_000);

describe("machines that join", () => {
  it("has commands to follow", () => {
    expect(readmeCommands("One machine").map(({ host }) => host)).toEqual(["server1", "server1", "node1"]);
    expect(readmeCommands("Three servers")).toHaveLength(4);
    expect(readmeCommands("A server that died")).toHaveLength(2);
  });

  it("grow from one server to three and replace one, and nobody who writes or calls notices", async () => {
    const manifests = readFileSync(HELLO, "utf8").split(/^---$/m);
    for (const text of manifests) {
      const object = parse(text) as Any;
      const path =
        object.kind === "Service"
          ? "/api/v1/namespaces/default/services"
          : "/apis/apps/v1/namespaces/default/deployments";
      expect((await client.raw("POST", path, { body: object })).status).toBe(201);
    }
    const url = `http://${machines.addresses.get("node1")}:30080/`;
    await within(120_000, "hello answers", () => fetchText(url));
    await within(60_000, "three containers run", async () => {
      const found = await containers();
      expect(found).toHaveLength(3);
      expect(found.filter((one) => !one.startsWith("containerd://"))).toEqual([]);
    });
    expect((await client.resource<Any>(SERVICES, "default").get("kubernetes")).metadata.name).toBe("kubernetes");
    const before = await containers();
    load = startLoad(url, { fresh: 100, kept: 100 });
    const writing = startSteadyWriter(KUBECONFIG, WRITES_PER_SECOND);

    await machines.follow("Three servers");
    expect(await members("server1")).toEqual(["server1 started", "server2 started", "server3 started"]);
    await within(30_000, "three servers are listed", async () =>
      expect(await listedServers()).toEqual(["server1", "server2", "server3"]),
    );
    await machines.tri("host", "kill", "server1");
    rmSync(`${DIR}/server1/store`, { recursive: true });
    await machines.follow("A server that died");
    expect(await members("server4")).toEqual(["server2 started", "server3 started", "server4 started"]);
    await within(30_000, "the dead one is not listed", async () =>
      expect(await listedServers()).toEqual(["server2", "server3", "server4"]),
    );

    const written = await writing.stop();
    const report = sumOf([await load.stop()]);
    load = undefined;
    const { items } = await client.resource<ConfigMap>(CONFIGMAPS, "default").list();
    const stored = new Set(items.map((one) => one.metadata.name));
    console.log(
      `${written.acknowledged.length} writes, ${written.perSecond.toFixed(1)}/s, ${written.failed} refused; ${report.sent} requests`,
    );
    expect(written.acknowledged.filter((name) => !stored.has(name))).toEqual([]);
    // A load that was not there proves nothing.
    expect(written.perSecond).toBeGreaterThan(0.9 * WRITES_PER_SECOND);
    expect(report.errors).toEqual([]);
    expect(report.failed).toBe(0);
    expect(report.sent).toBeGreaterThan(2000);
    expect(await containers()).toEqual(before);
  }, 400_000);

  it("send no secret to a false server (A26)", async () => {
    const ca = await createCa("trireme-ca");
    const address = "127.0.0.1";
    const pair = await issue({ ca, cn: "kube-apiserver", sans: [address], server: true });
    const asked: string[] = [];
    let bytes = "";
    const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
      asked.push(`${request.method} ${request.url}`);
      request.on("data", (data: Buffer) => (bytes += data.toString()));
      bytes += JSON.stringify(request.headers);
      response.end(ca.cert);
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const { port } = server.address() as { port: number };
    const token = machines.newestToken;
    const command = `${ROOT}/tri`;
    const args = ["agent", "--name", "x", "--address", "10.9.9.9", "--data-dir", `/tmp/${NAME}-a26`];
    const failed = await run(command, [...args, "--join", `https://${address}:${port}`, "--token", token]);
    server.close();
    rmSync(`/tmp/${NAME}-a26`, { recursive: true, force: true });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("CA hash mismatch");
    expect(asked).toEqual(["GET /trireme/v1/ca"]);
    expect(bytes).not.toContain(token.split(".")[3]);
  }, 60_000);

  it("admit nobody by a token that was used, garbled or revoked, nor under another's name (A25)", async () => {
    const join = `--join https://${machines.addresses.get("server2")}:6443`;
    const agent = (name: string, token: string): ReturnType<Machines["type"]> =>
      machines.type(
        { host: "node2", command: `./tri agent --name ${name} --address 10.0.0.22 ${join} --token ${token}` },
        true,
      );
    const expectRefusal = async (name: string, token: string, text: string): Promise<void> => {
      const done = await agent(name, token);
      expect(done.code).toBe(1);
      expect(done.stderr).toContain(text);
    };
    await expectRefusal("node2", nodeToken, 'has been used already, by "node1"');
    await expectRefusal("node2", machines.newestToken, "admits a server, not a node");
    const create = { host: "server2", command: "./tri token create --role node" };
    await machines.type(create);
    const token = machines.newestToken;
    await expectRefusal("node2", `${token.slice(0, -4)}aaaa`, "has another secret: it was garbled");
    await expectRefusal("node2", token.slice(0, -1), "the token is garbled");
    await expectRefusal("node1", token, 'there is a node "node1" already, and it is another machine');
    const id = token.split(".")[2]!;
    await machines.type({ host: "server3", command: `./tri token revoke ${id}` });
    await expectRefusal("node2", token, "is unknown: it was revoked");
    await machines.type({ host: "server2", command: "./tri token create --role node --ttl 1s" });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await expectRefusal("node2", machines.newestToken, "has expired");
  }, 120_000);

  it("let a node go, refuse its identity afterwards, and its token", async () => {
    const removed = await machines.type({ host: "server2", command: "./tri node remove node1 --force" });
    expect(removed.stderr + removed.stdout).toContain('node "node1" is removed');
    const pki = `${DIR}/node1/pki`;
    const tls = ["--cacert", `${pki}/ca.crt`, "--cert", `${pki}/node.crt`, "--key", `${pki}/node.key`];
    const url = `https://${machines.addresses.get("server2")}:6443/api/v1/nodes`;
    await within(10_000, "the node is refused", async () => {
      const answer = JSON.parse(await must("curl", ["-s", ...tls, url])) as Any;
      expect(answer.code).toBe(403);
      expect(answer.message).toContain('node "node1" was removed from the cluster');
    });
    const list = await machines.type({ host: "server2", command: "./tri token list" });
    expect(list.stdout).toMatch(/node +spent .* node1/);
  }, 60_000);
});
