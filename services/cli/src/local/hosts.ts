import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { TriremeError, sleep } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import { cableScript, hostScript } from "../plan/fabric-script.ts";
import { criSocketOf, holdFileOf } from "../plan/processes.ts";
import { killGroup, signalGroup, signalProcess } from "./cgroups.ts";
import { hasProcesses, hostPid, keeperPid } from "./keeper.ts";
import { existingNetwork } from "./network.ts";
import { run, runScript } from "./shell.ts";

/** A keeper starts a host's supervisor within some tens of milliseconds; half a minute means that something is wrong. */
const START_MS = 30_000;
const POLL_MS = 20;

/** What was done to a host; a file of that name says so, so that `up` can undo it. */
const CUT = "cut";
const FROZEN = "frozen";

function markOf(host: HostPlan, mark: string): string {
  return `${host.dir}/run/${mark}`;
}

function setMark(host: HostPlan, mark: string, isSet: boolean): void {
  if (isSet) writeFileSync(markOf(host, mark), "by tri host\n");
  else rmSync(markOf(host, mark), { force: true });
}

/** Forgets what was done to a host, which is about to start from nothing. */
export function clearMarks(host: HostPlan): void {
  rmSync(holdFileOf(host), { force: true });
  for (const mark of [CUT, FROZEN]) setMark(host, mark, false);
}

/** Undoes every `host kill`, `cut` and `freeze`: what `up` promises is a whole cluster. */
export async function restoreHosts(plan: ClusterPlan): Promise<void> {
  await Promise.all(
    plan.hosts.map(async (host) => {
      if (existsSync(holdFileOf(host))) await startHost(plan, host);
      if (existsSync(markOf(host, CUT))) await setCable(plan, host, "up");
      if (existsSync(markOf(host, FROZEN))) freezeHost(host, "running");
    }),
  );
}

/** Pulls a host's plug: every process and container of it dies at once, and nothing starts them again. */
export async function killHost(host: HostPlan): Promise<void> {
  writeFileSync(holdFileOf(host), "killed by tri host kill\n");
  const left = await killGroup(host.cgroup);
  if (left.length > 0) throw new TriremeError("Timeout", `${host.name}: processes ${left.join(", ")} do not die`);
}

/**
 * Starts a killed host as a machine boots: what only lived in memory (mounts, sockets, network, container tasks) is
 * gone, what is on disk is still there.
 */
export async function startHost(plan: ClusterPlan, host: HostPlan): Promise<void> {
  mkdirPrivate(`${host.dir}/run`);
  if (!existsSync(holdFileOf(host)) && hostPid(host, "supervisor") !== undefined) return;
  await forgetMemory(host);
  if (existingNetwork(plan).namespaces.has(host.netns)) await runScript(`ip netns del ${host.netns}\n`);
  // The kernel takes the links of a deleted namespace away in its own time.
  await run(["ip", "-n", plan.fabric.netns, "link", "del", host.name]);
  await runScript(hostScript(plan, host));
  clearMarks(host);
  // Whoever runs its processes starts them again, as after a boot of a machine without systemd.
  if (host.isBare === true || !hasProcesses(host)) return;
  const keeper = keeperPid(plan);
  if (keeper === undefined)
    throw new TriremeError("ServiceUnavailable", "the cluster is not running; ./tri up starts it");
  signalProcess(keeper.pid, "SIGHUP");
  const deadline = performance.now() + START_MS;
  while (hostPid(host, "supervisor") === undefined) {
    if (performance.now() > deadline) {
      throw new TriremeError("Timeout", `${host.name} does not start; see ${host.dir}/log/supervisor.log`);
    }
    await sleep(POLL_MS);
  }
}

/** Removes what a machine loses with its memory: mounts, sockets and containerd's run-time state. */
export async function forgetMemory(host: HostPlan): Promise<void> {
  removeShimSockets(host);
  removeCniResults(host);
  await unmountBelow(host.dir);
  rmSync(`${host.dir}/containerd/state`, { recursive: true, force: true });
  for (const suffix of ["", ".ttrpc"]) rmSync(`${criSocketOf(host)}${suffix}`, { force: true });
}

/** containerd's shims listen in a folder of the machine, whatever containerd's own root and state are. */
const SHIM_SOCKETS = "/run/containerd/s/";

function removeShimSockets(host: HostPlan): void {
  const tasks = `${host.dir}/containerd/state/io.containerd.runtime.v2.task`;
  for (const namespace of listDir(tasks)) {
    for (const id of listDir(`${tasks}/${namespace}`)) {
      const file = `${tasks}/${namespace}/${id}/address`;
      if (!existsSync(file)) continue;
      const path = readFileSync(file, "utf8")
        .trim()
        .replace(/^unix:\/\//, "");
      if (path.startsWith(SHIM_SOCKETS)) rmSync(path, { force: true });
    }
  }
}

/** What CNI's library remembers of each sandbox, by the sandbox's id, in one folder for all of the machine. */
const CNI_RESULTS = "/var/lib/cni/results";

function removeCniResults(host: HostPlan): void {
  const sandboxes = listDir(`${host.dir}/containerd/state/io.containerd.grpc.v1.cri/sandboxes`);
  if (sandboxes.length === 0) return;
  for (const file of listDir(CNI_RESULTS)) {
    if (sandboxes.some((id) => file.includes(id))) rmSync(`${CNI_RESULTS}/${file}`, { force: true });
  }
}

function listDir(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

/** Unmounts everything below a folder, deepest first. */
export async function unmountBelow(dir: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => unescapeMount(line.split(" ")[1] ?? ""))
    .filter((path) => path.startsWith(`${dir}/`))
    .toReversed();
  if (mounts.length > 0) await run(["umount", "-l", ...mounts]);
}

/** Mount tables write spaces and the like as octal escapes. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** Stops (SIGSTOP) or continues every process and container of a host, as a machine that hangs. */
export function freezeHost(host: HostPlan, state: "frozen" | "running"): void {
  // Twice: a process that was just being started in the first round is caught in the second.
  setMark(host, FROZEN, state === "frozen");
  for (let round = 0; round < 2; round++) signalGroup(host.cgroup, state === "frozen" ? "SIGSTOP" : "SIGCONT");
}

/** Cuts a host off, or plugs it in again, at the bridge's end of its cable. */
export async function setCable(plan: ClusterPlan, host: HostPlan, state: "up" | "down"): Promise<void> {
  setMark(host, CUT, state === "down");
  await runScript(cableScript(plan, host, state));
}
