import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, run } from "../process.ts";

/** Small enough to fill at once. */
const TINY = "256k";

/** Fills the file system of a directory: a tiny one is mounted over it. Answers what takes it away again. */
export async function fillVolume(path: string): Promise<() => Promise<void>> {
  await must("mount", ["-t", "tmpfs", "-o", `size=${TINY}`, "full", path]);
  const { bavail, bsize } = statfsSync(path);
  writeFileSync(join(path, "everything"), Buffer.alloc(bavail * bsize));
  return async () => {
    await must("umount", [path]);
  };
}

/** Delays every sync of a process by `seconds`, in the kernel's place (strace). Answers what ends that. */
export async function slowSyncs(pid: number, seconds: number): Promise<() => Promise<void>> {
  const inject = `inject=fsync,fdatasync:delay_enter=${Math.round(seconds * 1e6)}`;
  const strace: ChildProcess = spawn(
    "strace",
    ["-f", "-p", String(pid), "-e", "trace=fsync,fdatasync", "-e", inject, "-o", "/dev/null"],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  await once(strace.stderr!, "data");
  strace.stderr!.resume();
  return async () => {
    const ended = once(strace, "exit");
    strace.kill("SIGTERM");
    await ended;
  };
}

/** Stops a process where it stands. Answers what lets it go on; one that has ended meanwhile is none of ours. */
export async function freeze(pid: number): Promise<() => Promise<void>> {
  process.kill(pid, "SIGSTOP");
  return async () => {
    await run("kill", ["-CONT", String(pid)]);
  };
}
