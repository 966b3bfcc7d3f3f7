// What the kernel says of processes and files.
import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";

const SECTOR_BYTES = 512;

/** Resident bytes of a process: now, and the most that it ever had. */
export function residentBytes(pid: number): { now: number; peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { now: field("VmRSS"), peak: field("VmHWM") };
}

/** Bytes that a folder takes on disk: what is allocated, not what files claim to be long. */
export function diskBytes(dir: string): number {
  let bytes = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    try {
      bytes += lstatSync(join(entry.parentPath, entry.name)).blocks * SECTOR_BYTES;
    } catch (error) {
      // Removed between the listing and the look.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return bytes;
}

/** Clock ticks of a second in /proc: a constant of Linux's interface. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time that a process has used, all threads together. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Gives every thread of a process this niceness: priorities are the threads', and a new thread has that of who began it. */
export function setNice(pid: number, nice: number): void {
  for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), nice);
}
