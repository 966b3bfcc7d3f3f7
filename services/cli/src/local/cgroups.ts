import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "@trireme/base";

/**
 * The roots of this machine's cgroup hierarchies: one for each version 1 controller, or the one of version 2. On a
 * hybrid machine both are there, and a process belongs to a group in each.
 */
export function cgroupRoots(mounts = readFileSync("/proc/self/mounts", "utf8")): string[] {
  const roots: string[] = [];
  for (const line of mounts.split("\n")) {
    const [, path, type] = line.split(" ");
    if (path !== undefined && (type === "cgroup" || type === "cgroup2")) roots.push(path);
  }
  return roots;
}

/**
 * The kernel shares CPU among groups and the processes beside them as if a group were one process, and a cluster is some
 * thirty: with the weight of one it would starve, heartbeats first, next to a compiler on the same machine. Yet not
 * thirty: pods that burn CPU must leave the machine usable.
 */
const WEIGHT_IN_PROCESSES = 8;
/** The files that hold a group's weight in version 1 and version 2, and the weight of one process. */
const WEIGHT_FILES: readonly (readonly [file: string, ofOne: number])[] = [
  ["cpu.shares", 1024],
  ["cpu.weight", 100],
];

/** Makes `group` (e.g. `/trireme/local/node1/system`) in every hierarchy, with its parents, ready to take processes. */
export function createCgroup(group: string, roots = cgroupRoots()): void {
  for (const root of roots) {
    let path = root;
    for (const part of group.split("/").filter((name) => name !== "")) {
      const parent = path;
      path = join(path, part);
      if (!existsSync(path)) {
        if (existsSync(join(parent, "cgroup.subtree_control"))) enableControllers(parent);
        mkdirSync(path);
        inheritCpuset(parent, path);
      }
      if (parent === root) weigh(path);
    }
  }
}

/** Moves this process into a group that is there. */
export function enterCgroup(group: string, roots = cgroupRoots()): void {
  for (const root of roots) writeFileSync(join(root, group, "cgroup.procs"), String(process.pid));
}

/** Gives the outermost group of all clusters its weight beside everything else on the machine. */
function weigh(path: string): void {
  for (const [file, ofOne] of WEIGHT_FILES) {
    if (existsSync(join(path, file))) writeFileSync(join(path, file), String(ofOne * WEIGHT_IN_PROCESSES));
  }
}

/** A version 1 cpuset starts empty and takes no process until it has CPUs and memory nodes. */
function inheritCpuset(parent: string, path: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (!existsSync(join(path, file)) || existsSync(join(path, "cgroup.controllers"))) continue;
    writeFileSync(join(path, file), readFileSync(join(parent, file)));
  }
}

/** A version 2 group gives its children the controllers that it has; without this limits of containers do nothing. */
function enableControllers(path: string): void {
  const available = readFileSync(join(path, "cgroup.controllers"), "utf8").trim().split(" ");
  for (const controller of available.filter((name) => name !== "")) {
    try {
      writeFileSync(join(path, "cgroup.subtree_control"), `+${controller}`);
    } catch {
      // Some controllers refuse (e.g. cpu with real-time processes): the rest is still worth having.
    }
  }
}

/** Every process in `group` and below it, in any hierarchy. */
export function processesIn(group: string, roots = cgroupRoots()): Set<number> {
  const pids = new Set<number>();
  for (const root of roots) collect(join(root, group), pids);
  pids.delete(0);
  return pids;
}

function collect(path: string, pids: Set<number>): void {
  let entries;
  try {
    entries = readdirSync(path, { withFileTypes: true });
    for (const pid of readFileSync(join(path, "cgroup.procs"), "utf8").split("\n"))
      if (pid !== "") pids.add(Number(pid));
  } catch {
    return; // Removed meanwhile, or never made: nobody is in it.
  }
  for (const entry of entries) if (entry.isDirectory()) collect(join(path, entry.name), pids);
}

/** Until this many rounds a group that forks while it is being killed is killed again. */
const MAX_KILL_ROUNDS = 200;
const KILL_ROUND_MS = 10;

/** Sends a signal to every process of `group`, once; answers how many there were. */
export function signalGroup(group: string, signal: NodeJS.Signals, roots = cgroupRoots()): number {
  const pids = processesIn(group, roots);
  for (const pid of pids) signalProcess(pid, signal);
  return pids.size;
}

/** Sends a signal to a process that may have ended meanwhile. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

/** Kills every process of `group` and waits until none is left; answers what is left after all. */
export async function killGroup(group: string, roots = cgroupRoots()): Promise<readonly number[]> {
  for (let round = 0; round < MAX_KILL_ROUNDS; round++) {
    if (signalGroup(group, "SIGKILL", roots) === 0) return [];
    await sleep(KILL_ROUND_MS);
  }
  return [...processesIn(group, roots)];
}

/** Removes `group` and everything below it from every hierarchy; groups that still hold a process stay. */
export function removeCgroup(group: string, roots = cgroupRoots()): void {
  for (const root of roots) removeTree(join(root, group));
}

/** Removes a group that holds neither processes nor other groups; leaves it where it does. */
export function removeEmptyCgroup(group: string, roots = cgroupRoots()): void {
  for (const root of roots) removeOne(join(root, group));
}

function removeTree(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  removeOne(path);
}

function removeOne(path: string): void {
  try {
    rmdirSync(path);
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code !== "EBUSY" && code !== "ENOTEMPTY" && code !== "ENOENT") throw thrown;
  }
}
