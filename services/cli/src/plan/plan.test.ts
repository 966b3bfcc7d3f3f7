import { describe, expect, it } from "vitest";
import { busIdentitiesOf, certificatesOf } from "./certificates.ts";
import { type ClusterShape, hostOf, planCluster } from "./cluster-plan.ts";
import { type HostFile, admittedFile, foundingFile } from "./host-file.ts";
import { containerdConfig } from "./containerd-config.ts";
import { cableScript, fabricScript, teardownScript } from "./fabric-script.ts";
import { childrenOf, enterCommand, ownFirst } from "./processes.ts";

const shape: ClusterShape = { name: "local", index: 7, servers: 3, nodes: 2, httpsPort: 6443, grpcPort: 6444 };
const plan = planCluster(shape, "/var/lib/trireme");
/** What each host is once it has joined. */
function fileOf(name: string): HostFile {
  const founding = foundingFile(hostOf(plan, "server1"), "local");
  if (name === "server1") return founding;
  return { ...admittedFile(hostOf(plan, name), { ...founding, servers: plan.servers }), phase: "joined" };
}

const nothing = { namespaces: new Set<string>(), rootLink: false };

describe("planCluster", () => {
  it("gives every host an address, a namespace, a folder and a cgroup of its own", () => {
    expect(plan.hosts.map((host) => `${host.name} ${host.address} ${host.netns} ${host.dir} ${host.cgroup}`)).toEqual([
      "server1 172.30.7.11 tri-local-server1 /var/lib/trireme/local/hosts/server1 /trireme/local/server1",
      "server2 172.30.7.12 tri-local-server2 /var/lib/trireme/local/hosts/server2 /trireme/local/server2",
      "server3 172.30.7.13 tri-local-server3 /var/lib/trireme/local/hosts/server3 /trireme/local/server3",
      "node1 172.30.7.21 tri-local-node1 /var/lib/trireme/local/hosts/node1 /trireme/local/node1",
      "node2 172.30.7.22 tri-local-node2 /var/lib/trireme/local/hosts/node2 /trireme/local/node2",
    ]);
  });

  it("refuses names and sizes that would not fit", () => {
    for (const [wrong, message] of [
      [{ name: "Upper" }, 'cluster name "Upper" must be 1 to 20 lower-case'],
      [{ name: "a".repeat(21) }, "must be 1 to 20 lower-case"],
      [{ servers: 0 }, "servers must be a whole number from 1 to 7, got 0"],
      [{ nodes: 201 }, "nodes must be a whole number from 0 to 200, got 201"],
    ] as const) {
      expect(() => planCluster({ ...shape, ...wrong }, "/x")).toThrow(message);
    }
  });

  it("says which hosts there are when asked for another", () => {
    expect(() => hostOf(plan, "node9")).toThrow(
      'cluster "local" has no host "node9"; it has server1, server2, server3, node1, node2',
    );
  });

  it("never needs a link name longer than the kernel takes, nor a socket path longer than it takes", () => {
    const longest = planCluster({ ...shape, name: "a".repeat(20), index: 254, nodes: 200 }, "/var/lib/trireme");
    expect(longest.fabric.rootLink.length).toBeLessThanOrEqual(15);
    for (const host of longest.hosts) {
      expect(host.name.length).toBeLessThanOrEqual(15);
      expect(`${host.dir}/containerd/containerd.sock.ttrpc`.length).toBeLessThan(108);
    }
  });
});

describe("fabricScript", () => {
  it("does nothing when everything is there", () => {
    const namespaces = new Set([plan.fabric.netns, ...plan.hosts.map((host) => host.netns)]);
    expect(fabricScript(plan, { namespaces, rootLink: true })).toBe("");
  });

  it("adds only the host that is missing", () => {
    const namespaces = new Set([plan.fabric.netns, ...plan.hosts.slice(1).map((host) => host.netns)]);
    const script = fabricScript(plan, { namespaces, rootLink: true });
    expect(script).toContain("ip netns add tri-local-server1");
    expect(script).toContain(
      "link add server1 type veth peer name eth0 address 02:54:52:1e:07:0b netns tri-local-server1",
    );
    expect(script.match(/ip netns add/g)).toHaveLength(1);
  });

  it("keeps the hosts' bridge out of the root namespace", () => {
    const rootLines = fabricScript(plan, nothing)
      .split("\n")
      .filter((line) => /^ip (link|addr|route)/.test(line));
    expect(rootLines).toEqual([
      "ip link del tri7 2>/dev/null || true",
      "ip link add tri7 type veth peer name root netns tri-local-fabric",
      "ip addr add 172.30.7.254/24 dev tri7",
      "ip link set tri7 up",
    ]);
  });

  it("tears down every namespace that it makes", () => {
    const made = [...fabricScript(plan, nothing).matchAll(/^ip netns add (\S+)$/gm)].map((match) => match[1] ?? "");
    const removed = [...teardownScript(plan).matchAll(/ip netns del (\S+)/g)].map((match) => match[1] ?? "");
    expect(removed.toSorted()).toEqual(made.toSorted());
  });

  it("cuts a host at the bridge's side, so that it keeps its own routes", () => {
    expect(cableScript(plan, hostOf(plan, "node2"), "down")).toBe("ip -n tri-local-fabric link set node2 down\n");
  });
});

describe("processes", () => {
  const programs = { node: "/node", bundles: "/b", built: new Set(["state-store", "control", "node-agent", "dns"]) };

  it("starts nats, store and control on a server, containerd, agent and dns on a node", () => {
    const names = (host: string): string[] =>
      childrenOf(fileOf(host), hostOf(plan, host), programs).map((child) => child.name);
    expect(names("server2")).toEqual(["nats", "store", "control"]);
    expect(names("node1")).toEqual(["containerd", "agent", "dns"]);
  });

  it("leaves out what is not built", () => {
    const bare = { ...programs, built: new Set<string>() };
    expect(childrenOf(fileOf("node1"), hostOf(plan, "node1"), bare).map((child) => child.name)).toEqual(["containerd"]);
  });

  it("names a server's own address first and spreads nodes over servers", () => {
    expect(ownFirst(plan.servers, hostOf(plan, "server2"), 1)).toBe("172.30.7.12:1,172.30.7.13:1,172.30.7.11:1");
    expect(ownFirst(plan.servers, hostOf(plan, "node1"), 1)).toMatch(/^172\.30\.7\.11:1,/);
    expect(ownFirst(plan.servers, hostOf(plan, "node2"), 1)).toMatch(/^172\.30\.7\.12:1,/);
  });

  it("joins cgroups and a namespace before it becomes the program", () => {
    expect(enterCommand(["/c/a", "/c/b"], "ns")).toEqual([
      "sh",
      "-ec",
      'for c in /c/a /c/b; do echo $$ >$c/cgroup.procs; done; exec nsenter --net=/run/netns/ns "$@"',
      "sh",
    ]);
  });

  it("gives each node a containerd that shares no path with another's", () => {
    const paths = (host: string): string[] =>
      [...containerdConfig(hostOf(plan, host)).matchAll(/"(\/var\/[^"]+)"/g)].map((match) => match[1] ?? "");
    expect(paths("node1").length).toBeGreaterThan(6);
    expect(paths("node1").filter((path) => paths("node2").includes(path))).toEqual([]);
  });
});

describe("identities", () => {
  it("gives masters' rights to no host, and each node its own name", () => {
    const certificates = plan.hosts.flatMap(certificatesOf);
    expect(certificates.filter((certificate) => certificate.o === "system:masters")).toEqual([]);
    expect(certificates.filter((it) => it.file === "node").map((it) => it.cn)).toEqual([
      "system:node:node1",
      "system:node:node2",
    ]);
    expect(certificatesOf(hostOf(plan, "node1")).every((certificate) => certificate.ca === "ca")).toBe(true);
  });

  it("names every bus identity once in the cluster", () => {
    const names = plan.hosts.flatMap(busIdentitiesOf).map((identity) => identity.name);
    expect(new Set(names).size).toBe(names.length);
  });
});
