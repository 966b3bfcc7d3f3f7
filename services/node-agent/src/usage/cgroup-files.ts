import { readFileSync } from "node:fs";

/** Where the machine accounts for CPU and memory: two version 1 hierarchies, or the one of version 2. */
export interface CgroupRoots {
  readonly version: 1 | 2;
  readonly cpu: string;
  readonly memory: string;
}

/** Counters of one cgroup: CPU time since it began, and memory now without what the kernel could drop at once. */
export interface Counters {
  readonly cpuMicros: number;
  readonly memoryBytes: number;
}

/** Finds the hierarchies in the text of /proc/mounts; undefined when CPU or memory is not accounted for. */
export function findCgroupRoots(mounts: string): CgroupRoots | undefined {
  let unified: string | undefined;
  const of = new Map<string, string>();
  for (const line of mounts.split("\n")) {
    const [, path, type, options = ""] = line.split(" ");
    if (path === undefined) continue;
    if (type === "cgroup2") unified ??= path;
    if (type === "cgroup") for (const option of options.split(",")) if (!of.has(option)) of.set(option, path);
  }
  const [cpu, memory] = [of.get("cpuacct"), of.get("memory")];
  if (cpu !== undefined && memory !== undefined) return { version: 1, cpu, memory };
  return unified === undefined ? undefined : { version: 2, cpu: unified, memory: unified };
}

/** The value of `name` in a file of `name value` lines; 0 when it is not there. */
function valueOf(text: string, name: string): number {
  for (const line of text.split("\n")) if (line.startsWith(`${name} `)) return Number(line.slice(name.length + 1));
  return 0;
}

/** Memory in use less what was not touched lately, as kubelet counts a working set. */
export function workingSet(usage: number, stat: string, version: 1 | 2): number {
  const inactive = valueOf(stat, version === 1 ? "total_inactive_file" : "inactive_file");
  return Math.max(0, usage - inactive);
}

/**
 * Reads a cgroup's counters; undefined when it is gone. Synchronous: the kernel answers from memory, and a thread pool's
 * hand-over would cost several times the read.
 */
export function readCounters(roots: CgroupRoots, group: string): Counters | undefined {
  const read = (root: string, file: string): string => readFileSync(`${root}${group}/${file}`, "utf8");
  try {
    const { version, cpu, memory } = roots;
    const cpuMicros =
      version === 1 ? Number(read(cpu, "cpuacct.usage")) / 1000 : valueOf(read(cpu, "cpu.stat"), "usage_usec");
    const usage = Number(read(memory, version === 1 ? "memory.usage_in_bytes" : "memory.current"));
    return { cpuMicros, memoryBytes: workingSet(usage, read(memory, "memory.stat"), version) };
  } catch {
    // The container ended between being listed and being read: there is nothing to measure.
    return undefined;
  }
}

/** Ticks of /proc/stat in a second: the kernel's user interface fixes it. */
const TICKS_PER_SECOND = 100;

/** The whole machine's counters from the texts of /proc/stat and /proc/meminfo. */
export function machineCounters(stat: string, meminfo: string): Counters {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "")
    .split(" ")
    .map(Number);
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0);
  const ticks = user + nice + system + irq + softirq;
  const used = kilobytes("MemTotal") - kilobytes("MemFree") - kilobytes("Inactive\\(file\\)");
  return { cpuMicros: (ticks * 1e6) / TICKS_PER_SECOND, memoryBytes: Math.max(0, used * 1024) };
}
