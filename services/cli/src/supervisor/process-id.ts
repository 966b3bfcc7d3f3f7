import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { ProcessId } from "./spec.ts";

/** The fields after the command's name, which may itself hold spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined; // The process is gone: the answer, not a failure.
  }
}

/** The identity of a running process; nothing for one that is gone or only waits to be reaped. */
export function processIdOf(pid: number): ProcessId | undefined {
  const fields = statFields(pid);
  const [state, startTime] = [fields?.[0], fields?.[19]];
  if (state === undefined || startTime === undefined || state === "Z" || state === "X") return undefined;
  return { pid, startTime };
}

/** Whether this very process, not a later one with its pid, still runs. */
export function isAlive(id: ProcessId): boolean {
  return processIdOf(id.pid)?.startTime === id.startTime;
}

/** Reads a pid file; nothing when there is none, or when its writer died half-way. */
export function readPidFile(path: string): ProcessId | undefined {
  try {
    const parsed = JSON.parse(readFileSync(path, "utf8")) as Partial<ProcessId>;
    if (typeof parsed.pid !== "number" || typeof parsed.startTime !== "string") return undefined;
    return { pid: parsed.pid, startTime: parsed.startTime };
  } catch {
    return undefined; // No such file, or not ours: there is nothing to adopt.
  }
}

/** The process that a pid file names, if it runs. */
export function readLivePid(path: string): ProcessId | undefined {
  const id = readPidFile(path);
  return id !== undefined && isAlive(id) ? id : undefined;
}

/** Writes a pid file whole. */
export function writePidFile(path: string, id: ProcessId): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(id)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
