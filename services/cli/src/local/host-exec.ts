import { spawn } from "node:child_process";
import type { HostPlan } from "../plan/cluster-plan.ts";
import { enterCommand } from "../plan/processes.ts";
import { cgroupRoots } from "./cgroups.ts";

/** Runs a command in a host's network and cgroups, with our own terminal; answers its exit code. */
export function execOn(host: HostPlan, words: readonly string[]): Promise<number> {
  const cgroups = cgroupRoots().map((root) => `${root}${host.cgroup}/system`);
  const [program = "", ...argv] = [...enterCommand(cgroups, host.netns), ...words];
  const env = { ...process.env, TRIREME_DATA_DIR: host.dir, TRIREME_CGROUP: host.cgroup };
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: "inherit", env });
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
