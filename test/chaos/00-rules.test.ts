/** Goal: what the suite concludes is right. Method: planted violations, and a compose file with what nobody understands. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { images } from "../../deploy/images/hosts/images.ts";
import { ROOT } from "../e2e/cluster.ts";
import { readCompose } from "./compose.ts";
import { FAULTS } from "./faults.ts";
import { lostWrites, notOnce, runTwice } from "./verdict.ts";

const FILE = readFileSync(join(ROOT, "deploy/compose.yaml"), "utf8");

describe("deploy/compose.yaml", () => {
  const { machines, network } = readCompose(FILE, { NODE1_TOKEN: "tri1.x" });

  it("is three servers and two nodes, each with a name, an address and a volume of its own", () => {
    expect(machines.map(({ role }) => role)).toEqual(["server", "server", "server", "node", "node"]);
    for (const of of [
      machines.map(({ name }) => name),
      machines.map(({ address }) => address),
      machines.flatMap(({ volumes }) => Object.values(volumes)),
    ]) {
      expect(new Set(of).size).toBe(5);
    }
    const prefix = network.subnet.replace(/\d+\/\d+$/, "");
    for (const { name, hostname, address, environment } of machines) {
      expect(address.startsWith(prefix)).toBe(true);
      expect([hostname, environment.TRIREME_NAME, environment.TRIREME_ADDRESS]).toEqual([name, name, address]);
    }
  });

  it("uses the images that are built here, and fills in what the environment says", () => {
    const built = new Set(images.map(({ name }) => name));
    for (const { image } of machines) expect(built).toContain(image);
    expect(machines.find(({ name }) => name === "node1")?.environment.TRIREME_TOKEN).toBe("tri1.x");
    expect(machines.find(({ name }) => name === "node2")?.environment.TRIREME_TOKEN).toBe("");
  });

  it.each([
    ["hostname: server2\n", "hostname: server2\n    privileged: true\n", /service server2: privileged/],
    ["networks:\n  fabric:\n", "networks:\n  other: {}\n  fabric:\n", /one network/],
    ["ipv4_address: 172.30.200.21", "", /needs one address/],
    ["condition: service_healthy", "condition: service_started", /service_started/],
    ["server1:/var/lib/trireme", "elsewhere:/var/lib/trireme", /no volume "elsewhere"/],
  ])("with something that testcontainers would not be told is refused: %s", (from, to, message) => {
    expect(FILE).toContain(from);
    expect(() => readCompose(FILE.replace(from, to), {})).toThrow(message);
  });
});

describe("the faults", () => {
  it("are twelve: each act, on servers, on nodes and on NATS, singly and in pairs", () => {
    expect(FAULTS).toHaveLength(12);
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(12);
    const hits = FAULTS.flatMap((fault) => fault.hits);
    for (const act of ["kill", "pause", "restart", "cut"] as const) {
      for (const kind of [/leader|follower/, /node/]) {
        expect(hits.filter((hit) => hit.act === act && kind.test(hit.who)).length).toBeGreaterThan(0);
      }
    }
    expect(FAULTS.filter((fault) => fault.hits.length > 1).length).toBeGreaterThanOrEqual(3);
    for (const fault of FAULTS) expect(new Set(fault.hits.map(({ who }) => who)).size).toBe(fault.hits.length);
  });
});

describe("a write that was acknowledged", () => {
  it("is lost when it is not there, or is another", () => {
    const acknowledged = new Map([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ]);
    expect(lostWrites(acknowledged, new Map([...acknowledged, ["unknown", "4"]]))).toEqual([]);
    expect(
      lostWrites(
        acknowledged,
        new Map([
          ["a", "1"],
          ["b", "9"],
        ]),
      ),
    ).toEqual(["b is 9 and was acknowledged as 2", "c is not there"]);
  });
});

describe("a pod of a StatefulSet", () => {
  const seen = (atMs: number, node: string, container: string) => ({ atMs, node, pod: "single-0", container });

  it("ran twice when its first container was seen again after the second had been seen", () => {
    expect(runTwice([seen(0, "node1", "a"), seen(500, "node1", "a"), seen(900, "node2", "b")])).toEqual([]);
    expect(runTwice([seen(0, "node1", "a"), seen(900, "node2", "b"), seen(1_000, "node1", "a")])).toEqual([
      "single-0 ran in a on node1 and b on node2 for at least 0 ms",
    ]);
    expect(runTwice([seen(0, "node1", "a"), seen(900, "node1", "b"), seen(1_000, "node1", "a")])).toHaveLength(1);
  });

  it("is apart from the others", () => {
    const other = { ...seen(500, "node2", "b"), pod: "single-1" };
    expect(runTwice([seen(0, "node1", "a"), other, seen(1_000, "node1", "a")])).toEqual([]);
  });
});

describe("containers", () => {
  it("run once each, and nothing else runs", () => {
    expect(notOnce(["a", "b"], ["b", "a"])).toEqual([]);
    expect(notOnce(["a", "a"], ["a"])).toEqual(["container a: runs 2 times, belongs to 1 pods"]);
    expect(notOnce(["a", "x"], ["a"])).toEqual(["container x: runs 1 times, belongs to 0 pods"]);
    expect(notOnce([], ["a"])).toEqual(["container a: runs 0 times, belongs to 1 pods"]);
  });
});
