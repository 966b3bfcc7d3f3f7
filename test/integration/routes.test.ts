// Goal: a node that is cut off and plugged in again reaches the other nodes' pods at once. Method: the agent's part that
// keeps routes runs in a network namespace whose only interface is taken away, and given back with its address.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const HARNESS = fileURLToPath(new URL("routes-harness.ts", import.meta.url));
const NETNS = `trireme-routes-${process.pid}`;
const WANTED = "10.244.202.0/24 via 192.0.2.2 dev eth0";
/** A client waits a second until it sends a SYN again; less is not noticed, and the regular look comes after five. */
const AT_ONCE_MS = 1_000;

const ip = (...args: string[]): string => execFileSync("ip", args, { encoding: "utf8" });
const inside = (...args: string[]): string => ip("-n", NETNS, ...args);
const route = (): string => inside("route", "show", "proto", "84").trim();

function plugIn(): void {
  inside("link", "add", "eth0", "type", "veth", "peer", "name", "cable");
  inside("addr", "add", "192.0.2.1/24", "dev", "eth0");
  for (const end of ["eth0", "cable"]) inside("link", "set", end, "up");
}

async function timeToRoute(): Promise<number> {
  const start = performance.now();
  while (route() !== WANTED && performance.now() - start < 10_000) await sleep(10);
  expect(route()).toBe(WANTED);
  return performance.now() - start;
}

let child: ChildProcess;
beforeAll(() => {
  ip("netns", "add", NETNS);
  plugIn();
  const args = ["netns", "exec", NETNS, process.execPath, HARNESS, "192.0.2.2", "10.244.202.0/24"];
  child = spawn("ip", args, { stdio: ["pipe", "pipe", "inherit"] });
});
afterAll(async () => {
  // Killed, it leaves nothing behind that would keep the namespace.
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  await sleep(100);
  const left = ip("netns", "pids", NETNS);
  ip("netns", "del", NETNS);
  expect(left).toBe("");
});

it("touches nothing before it is told to begin: until the nodes are known it would take all routes for others'", async () => {
  await once(child.stdout!, "data");
  inside("route", "add", "10.244.202.0/24", "via", "192.0.2.2", "proto", "84");
  await sleep(500);
  expect(route(), "as an earlier life of the agent has left it").toBe(WANTED);
  child.stdin!.write("\n");
});

it("puts the routes to other nodes' pods back as soon as its interface is back", async () => {
  await timeToRoute();
  for (const round of [1, 2, 3]) {
    inside("link", "del", "eth0");
    expect(route(), `round ${round}: the interface has taken them with it`).toBe("");
    plugIn();
    expect(await timeToRoute()).toBeLessThan(AT_ONCE_MS);
    await sleep(100);
  }
}, 40_000);

it("puts back a route that somebody has removed", async () => {
  await timeToRoute();
  inside("route", "del", "10.244.202.0/24");
  expect(await timeToRoute()).toBeLessThan(AT_ONCE_MS);
});
