/**
 * Goal: whatever is killed, paused, restarted or cut off, singly or in pairs, nothing that was acknowledged is lost,
 * nothing runs twice, and all comes back. Method: three servers and two nodes as containers, made from deploy/compose.yaml
 * by testcontainers; kubectl and gRPC clients write all the time, a client asks a Service through both nodes all the time,
 * and the kernel's list of processes is looked at on both nodes twice a second. Each fault is proved to have happened.
 * `TRIREME_CHAOS_ROUNDS` rounds of each fault, one unless given.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT, kubectlPath } from "../e2e/cluster.ts";
import { type Load, startLoad, sumOf } from "../e2e/load.ts";
import { must, within } from "../e2e/process.ts";
import { type Access, openAccess } from "./access.ts";
import { type Compose, readCompose } from "./compose.ts";
import { type Engine, openEngine } from "./engine.ts";
import { FAULTS, nodesNotReady, sparesNodes } from "./faults.ts";
import { BRIDGE, type Host, createNetwork, loadImages, removeMachines, startMachine } from "./machines.ts";
import { Observer } from "./observe.ts";
import { type Outcome, tableOf } from "./report.ts";
import { type Roles, strike } from "./strike.ts";
import { lostWrites, runTwice } from "./verdict.ts";
import { watchPods } from "./witness.ts";
import { MANIFEST, NODE_PORT, STATEFUL_SET } from "./workload.ts";
import { type Writers, startWriters } from "./writers.ts";

const ROUNDS = Number(process.env.TRIREME_CHAOS_ROUNDS ?? 1);
/** All is as it was so soon after a fault is healed. A node that comes back starts containerd and its pods again. */
const CONVERGED_MS = 60_000;
/** A node is NotReady 5 s after its last sign of life, by a controller that may have to be elected first. */
const NOT_READY_MS = 20_000;
/** Of each of the two ways, requests a second through each node. */
const RATES = { fresh: 5, kept: 5 };
/** The suite's machine, as seen by the containers. */
const OUTSIDE = ".254/24";

describe(`twelve faults, ${ROUNDS} times`, () => {
  const dir = mkdtempSync(join(tmpdir(), "trireme-chaos-"));
  const hosts = new Map<string, Host>();
  const outcomes: Outcome[] = [];
  let engine: Engine | undefined;
  let compose: Compose;
  let access: Access;
  let observer: Observer;
  let writers: Writers;
  let witness: ReturnType<typeof watchPods>;
  let loads: Load[] = [];
  const of = (role: "server" | "node"): Host[] => [...hosts.values()].filter(({ machine }) => machine.role === role);

  beforeAll(async () => {
    const archive = execFileSync(process.execPath, [join(ROOT, "deploy/images/build-hosts.ts")], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }).trim();
    engine = await timed("a Docker engine", openEngine());
    process.env.DOCKER_HOST = engine.url;
    // Its image is on a registry. What a run leaves is removed by this suite, and before its next run.
    process.env.TESTCONTAINERS_RYUK_DISABLED = "true";
    process.env.TESTCONTAINERS_HOST_OVERRIDE = "127.0.0.1";
    const file = readFileSync(join(ROOT, "deploy/compose.yaml"), "utf8");
    compose = readCompose(file, {});
    if (!engine.isPrivate) await removeMachines(compose);
    await Promise.all([timed("images loaded", loadImages(archive)), createNetwork(compose), kubectlPath()]);
    await engine.reach(BRIDGE, compose.network.subnet.replace(/\.\d+\/\d+$/, OUTSIDE));

    const [first] = compose.machines;
    hosts.set(first!.name, await timed(first!.name, startMachine(first!)));
    const others = compose.machines.slice(1);
    const tokens = await timed(
      "tokens",
      Promise.all(others.map(({ role }) => tokenFor(hosts.get(first!.name)!, role))),
    );
    compose = readCompose(
      file,
      Object.fromEntries(others.map(({ name }, i) => [`${name.toUpperCase()}_TOKEN`, tokens[i]!])),
    );
    for (let waiting = compose.machines.slice(1); waiting.length > 0;) {
      const next = waiting.filter(({ after }) => after.every((name) => hosts.has(name)));
      const started = await Promise.all(next.map((machine) => timed(machine.name, startMachine(machine))));
      for (const host of started) hosts.set(host.name, host);
      waiting = waiting.filter(({ name }) => !hosts.has(name));
    }
    const [servers, nodes] = [of("server"), of("node")];
    access = await openAccess(servers[0]!, dir);
    observer = new Observer(access, servers, nodes);
    const applied = must(await kubectlPath(), ["apply", "-f", "-", "--cache-dir", join(dir, "kube-cache")], {
      input: MANIFEST,
      env: { KUBECONFIG: access.kubeconfig },
    });
    await timed("a manifest applied", applied);
    await timed(
      "all converged",
      within(CONVERGED_MS, "the cluster is as it should be", () => observer.converged()),
    );
    witness = watchPods(nodes, STATEFUL_SET);
    const addresses = servers.map(({ address }) => address);
    writers = startWriters(access, addresses, `w${Date.now().toString(36)}`);
    loads = nodes.map(({ address }) => startLoad(`http://${address}:${NODE_PORT}/`, RATES));
  }, 400_000);

  afterAll(async () => {
    witness?.stop();
    await Promise.all([writers?.stop(), ...loads.map((load) => load.stop())]);
    // With an engine of ours goes all that it holds.
    if (engine?.isPrivate === false && compose !== undefined) await removeMachines(compose);
    await engine?.stop();
    rmSync(dir, { recursive: true, force: true });
    process.stdout.write(`\n${tableOf(outcomes)}\n`);
    writeFileSync(join(ROOT, ".build/reports/chaos.jsonl"), outcomes.map((one) => `${JSON.stringify(one)}\n`).join(""));
  }, 120_000);

  /** Which machines a round's fault hits: the leader is whoever leads, and the nodes take turns. */
  async function rolesNow(round: number): Promise<Roles> {
    const { leader, followers } = await observer.roles();
    const nodes = round % 2 === 0 ? of("node") : of("node").toReversed();
    return {
      leader,
      follower: followers[0]!,
      "other-follower": followers[1]!,
      node: nodes[0]!,
      "other-node": nodes[1]!,
    };
  }

  async function look() {
    return sumOf(await Promise.all(loads.map((load) => load.look())));
  }

  const cases = Array.from({ length: ROUNDS }, (_, round) => FAULTS.map((fault) => ({ ...fault, round }))).flat();

  it.each(cases)(
    "$name (round $round)",
    async (fault) => {
      const roles = await within(CONVERGED_MS, "the store has a leader", () => rolesNow(fault.round));
      const containers = await within(CONVERGED_MS, "every pod is Ready", () => observer.containers());
      const looks = witness.sightings.length;
      const before = await look();
      const begunAt = Date.now();
      writers.count();
      const struck = await strike(fault, roles);
      const struckAt = performance.now();
      try {
        for (const who of nodesNotReady(fault)) {
          const node = roles[who];
          await within(NOT_READY_MS, `${node.name} is seen to be NotReady`, () => observer.notReady(node));
        }
        const left = struckAt + fault.seconds * 1000 - performance.now();
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
      } finally {
        await struck.heal();
      }
      const healedAt = performance.now();
      await within(CONVERGED_MS, `all is as it should be after: ${struck.what}`, () => observer.converged());
      const recoveredMs = Math.round(performance.now() - healedAt);

      const acknowledged = new Map(writers.acknowledged);
      const lost = (
        await Promise.all(of("server").map(async (server) => lostWrites(acknowledged, await observer.written(server))))
      ).flat();
      const twice = runTwice(witness.sightings);
      const after = await look();
      const writes = writers.count();
      outcomes.push({
        fault: fault.name,
        round: fault.round + 1,
        what: struck.what,
        seconds: Math.round((healedAt - struckAt) / 1000),
        recoveredMs,
        requests: after.sent - before.sent,
        failed: after.failed - before.failed,
        writes,
        lost: lost.length,
        twice: twice.length,
      });
      expect(lost).toEqual([]);
      expect(twice).toEqual([]);
      const seen = new Set(witness.sightings.slice(looks).map(({ pod }) => pod));
      expect([...seen].toSorted(), JSON.stringify([...witness.problems])).toEqual([
        `${STATEFUL_SET}-0`,
        `${STATEFUL_SET}-1`,
      ]);
      for (const { acknowledged: count } of Object.values(writes)) expect(count).toBeGreaterThan(0);
      expect(after.sent - before.sent).toBeGreaterThan(10);
      if (sparesNodes(fault)) {
        // One that was sent under the last fault may be told as failed only now.
        const late = after.failedSentAt.filter((at) => at >= begunAt).map((at) => new Date(at).toISOString());
        expect(late, after.errors.join("; ")).toEqual([]);
        expect(await observer.containers()).toEqual(containers);
      }
    },
    180_000,
  );

  it("leaves every machine healthy in Docker's eyes, and none was started again by itself", async () => {
    await within(30_000, "every health check passes", async () => {
      for (const host of hosts.values()) {
        const { health, restarts } = await host.state();
        expect([host.name, health, restarts]).toEqual([host.name, "healthy", 0]);
      }
    });
  }, 60_000);
});

/** As the compose file's first lines say. */
async function tokenFor(server: Host, role: string): Promise<string> {
  return (await server.exec("tri", "token", "create", "--role", role)).trim();
}

async function timed<T>(what: string, work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  process.stdout.write(`  ${what.padEnd(30)} ${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s\n`);
  return result;
}
