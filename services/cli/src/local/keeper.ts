import { spawn } from "node:child_process";
import { closeSync, openSync, rmSync } from "node:fs";
import { TriremeError, sleep } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import { balancerConfigOf } from "../balancer/config.ts";
import { readHostFile, writeIfChanged, writeRunFiles } from "../join/files.ts";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import {
  type Programs,
  SUPERVISOR_NODE_FLAGS,
  balancerChild,
  enterCommand,
  supervisorChild,
} from "../plan/processes.ts";
import { readLivePid } from "../supervisor/process-id.ts";
import type { ProcessId, SupervisorSpec } from "../supervisor/spec.ts";
import { cgroupRoots, createCgroup, signalProcess } from "./cgroups.ts";

/** A keeper is up when its pid file says so: some tens of milliseconds, much longer on a machine that is overloaded. */
const KEEPER_START_MS = 30_000;
const POLL_MS = 10;

/** The cgroup of the cluster's own processes, which are on no host. */
export function localCgroup(plan: ClusterPlan): string {
  return `${plan.cgroup}/local`;
}

/** The keeper, if it runs: the supervisor of the balancer and of the hosts' supervisors. */
export function keeperPid(plan: ClusterPlan): ProcessId | undefined {
  return readLivePid(keeperPidFile(plan));
}

function keeperPidFile(plan: ClusterPlan): string {
  return `${plan.dir}/run/keeper.pid`;
}

/**
 * Makes the folders and cgroups of hosts, and writes what their processes read. A server that was not admitted has nothing to
 * run yet, a node its runtime.
 */
export function prepareHosts(plan: ClusterPlan, programs: Programs): void {
  const roots = cgroupRoots();
  createCgroup(localCgroup(plan), roots);
  for (const dir of ["run", "log"]) mkdirPrivate(`${plan.dir}/${dir}`);
  const running: HostPlan[] = [];
  for (const host of plan.managed) {
    createCgroup(`${host.cgroup}/system`, roots);
    createCgroup(`${host.cgroup}/pods`, roots);
    const file = readHostFile(host.dir);
    if (!hasProcesses(host)) continue;
    running.push(host);
    const supervisor = hostPid(host, "supervisor");
    if (writeRunFiles(host, file, programs) && supervisor !== undefined) signalProcess(supervisor, "SIGHUP");
  }
  const keeper: SupervisorSpec = {
    name: "keeper",
    children: [...running.map((host) => supervisorChild(host, programs, roots)), balancerChild(plan, programs)],
  };
  writeIfChanged(`${plan.dir}/keeper.json`, `${JSON.stringify(keeper, null, 2)}\n`);
}

/** Whether a host runs anything: a server does once it was admitted, a node from the beginning. */
export function hasProcesses(host: HostPlan): boolean {
  return host.role === "node" || readHostFile(host.dir) !== undefined;
}

/** Writes what all processes read, starts those of hosts that have none yet, and lets supervisors read what is new. */
export async function startProcesses(plan: ClusterPlan, programs: Programs): Promise<void> {
  prepareHosts(plan, programs);
  writeIfChanged(`${plan.dir}/balancer.json`, `${JSON.stringify(balancerConfigOf(plan), null, 2)}\n`);
  await startKeeper(plan, programs);
}

/** What a process of a cluster may inherit from the shell in which it was started: nothing that surprises. */
const INHERITED = /^(PATH|HOME|TZ|LANG|LC_ALL|NODE_COMPILE_CACHE|NODE_OPTIONS|SSL_CERT_FILE|SSL_CERT_DIR|TRIREME_.*)$/;
/** How containerd reaches registries. */
const PROXIES = /^(HTTPS?|NO)_PROXY$/i;

/** The environment of a cluster's processes. */
export function environmentOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (INHERITED.test(name) || PROXIES.test(name))) kept[name] = value;
  }
  return kept;
}

/** Starts the keeper, or makes the one that runs read its spec again. */
async function startKeeper(plan: ClusterPlan, programs: Programs): Promise<void> {
  const running = keeperPid(plan);
  if (running !== undefined) {
    signalProcess(running.pid, "SIGHUP");
    return;
  }
  const cgroups = cgroupRoots().map((root) => `${root}${localCgroup(plan)}`);
  const command = [
    ...enterCommand(cgroups),
    programs.node,
    ...SUPERVISOR_NODE_FLAGS,
    `${programs.bundles}/supervisor.mjs`,
    `--spec=${plan.dir}/keeper.json`,
    `--pid-file=${keeperPidFile(plan)}`,
  ];
  const log = openSync(`${plan.dir}/log/keeper.log`, "a", 0o600);
  try {
    const child = spawn(command[0] ?? "", command.slice(1), {
      detached: true,
      stdio: ["ignore", log, log],
      cwd: "/",
      env: environmentOf(process.env),
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  const deadline = performance.now() + KEEPER_START_MS;
  while (keeperPid(plan) === undefined) {
    if (performance.now() > deadline) {
      throw new TriremeError("Timeout", `the keeper does not start; see ${plan.dir}/log/keeper.log`);
    }
    await sleep(POLL_MS);
  }
}

/** Ends the keeper, so that nothing starts again what is about to be ended. */
export async function stopKeeper(plan: ClusterPlan): Promise<void> {
  for (let id = keeperPid(plan); id !== undefined; id = keeperPid(plan)) {
    signalProcess(id.pid, "SIGKILL");
    await sleep(POLL_MS);
  }
  rmSync(keeperPidFile(plan), { force: true });
}

/** A process of a host, by the name of its pid file, if it runs. */
export function hostPid(host: HostPlan, name: string): number | undefined {
  return readLivePid(`${host.dir}/run/${name}.pid`)?.pid;
}
