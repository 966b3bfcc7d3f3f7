import { type ChildProcess, spawn } from "node:child_process";
import type { Machine } from "../plan/cluster-plan.ts";
import { type Programs, SUPERVISOR_NODE_FLAGS } from "../plan/processes.ts";
import { specOf } from "./files.ts";

/** A machine's supervisor as a child of this command, which lives as long as it does. */
export interface Foreground {
  /** Makes it read its spec again. */
  reload(): void;
  /** Resolves with its exit code. */
  readonly ended: Promise<number>;
  end(): void;
}

/** Starts a machine's supervisor; signals that end this command end it. Its children outlive both, and are adopted later. */
export function startForeground(host: Machine, programs: Programs): Foreground {
  const args = [...SUPERVISOR_NODE_FLAGS, `${programs.bundles}/supervisor.mjs`];
  const flags = [`--spec=${specOf(host)}`, `--pid-file=${host.dir}/run/supervisor.pid`];
  const child: ChildProcess = spawn(programs.node, [...args, ...flags], { stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
  return { ended, reload: () => void child.kill("SIGHUP"), end: () => void child.kill("SIGTERM") };
}
