import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { workingSet } from "./cgroup-files.ts";

/** Where the kernel accounts for containers: the version 1 hierarchies by controller, or the one of version 2. */
export interface StatRoots {
  readonly version: 1 | 2;
  readonly of: (controller: "cpu" | "cpuacct" | "memory" | "blkio") => string | undefined;
}

/** Reads and writes of one block device, counts and bytes since the cgroup began. */
export interface DeviceIo {
  readonly device: string;
  reads: number;
  writes: number;
  readBytes: number;
  writeBytes: number;
}

/** What one container has used, and uses. What the kernel does not account for is absent. */
export interface ContainerStats {
  readonly cpuSeconds: number;
  /** Of the CPU limit: enforcement periods, those in which it stopped the container, and for how long. */
  readonly throttling?: { readonly periods: number; readonly throttled: number; readonly seconds: number };
  readonly memory: Readonly<Record<"usage" | "workingSet" | "rss" | "cache" | "swap", number>>;
  readonly oomKills?: number;
  readonly io: readonly DeviceIo[];
}

/** Finds the hierarchies in the text of /proc/mounts; undefined when CPU or memory is not accounted for. */
export function findStatRoots(mounts: string): StatRoots | undefined {
  let unified: string | undefined;
  const of = new Map<string, string>();
  for (const line of mounts.split("\n")) {
    const [, path, type, options = ""] = line.split(" ");
    if (path === undefined) continue;
    if (type === "cgroup2") unified ??= path;
    if (type === "cgroup") for (const option of options.split(",")) if (!of.has(option)) of.set(option, path);
  }
  if (of.has("cpuacct") && of.has("memory")) return { version: 1, of: (controller) => of.get(controller) };
  return unified === undefined ? undefined : { version: 2, of: () => unified };
}

type Read = (controller: "cpu" | "cpuacct" | "memory" | "blkio", file: string) => string | undefined;

/**
 * Reads what the kernel counts of a cgroup, such as `/trireme/pods/<container>`; undefined when it is gone. Synchronous, as
 * the sampler's reads: the kernel answers from memory.
 */
export function readContainerStats(roots: StatRoots, group: string): ContainerStats | undefined {
  const read: Read = (controller, file) => {
    const root = roots.of(controller);
    if (root === undefined) return undefined;
    try {
      return readFileSync(`${root}${group}/${file}`, "utf8");
    } catch (thrown) {
      // It ended between being listed and being read, or this kernel keeps no such file.
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENODEV" || code === "EOPNOTSUPP") return undefined;
      throw thrown;
    }
  };
  return roots.version === 1 ? readV1(read) : readV2(read);
}

function readV1(read: Read): ContainerStats | undefined {
  const [cpu, usageText, stat] = [
    read("cpuacct", "cpuacct.usage"),
    read("memory", "memory.usage_in_bytes"),
    read("memory", "memory.stat"),
  ];
  if (cpu === undefined || usageText === undefined || stat === undefined) return undefined;
  const [usage, counters] = [Number(usageText), fieldsOf(stat)];
  const oom = fieldsOf(read("memory", "memory.oom_control") ?? "").get("oom_kill");
  const io = new Map<string, DeviceIo>();
  addV1(io, read("blkio", "blkio.throttle.io_serviced_recursive"), "reads", "writes");
  addV1(io, read("blkio", "blkio.throttle.io_service_bytes_recursive"), "readBytes", "writeBytes");
  return {
    cpuSeconds: Number(cpu) / 1e9,
    ...throttlingOf(fieldsOf(read("cpu", "cpu.stat") ?? ""), "throttled_time", 1e9),
    memory: {
      usage,
      workingSet: workingSet(usage, stat, 1),
      rss: counters.get("total_rss") ?? 0,
      cache: counters.get("total_cache") ?? 0,
      swap: counters.get("total_swap") ?? 0,
    },
    ...(oom === undefined ? {} : { oomKills: oom }),
    io: [...io.values()],
  };
}

function readV2(read: Read): ContainerStats | undefined {
  const [cpuText, usageText, stat] = [
    read("cpu", "cpu.stat"),
    read("memory", "memory.current"),
    read("memory", "memory.stat"),
  ];
  if (cpuText === undefined || usageText === undefined || stat === undefined) return undefined;
  const [usage, cpu, counters] = [Number(usageText), fieldsOf(cpuText), fieldsOf(stat)];
  const oom = fieldsOf(read("memory", "memory.events") ?? "").get("oom_kill");
  return {
    cpuSeconds: (cpu.get("usage_usec") ?? 0) / 1e6,
    ...throttlingOf(cpu, "throttled_usec", 1e6),
    memory: {
      usage,
      workingSet: workingSet(usage, stat, 2),
      rss: counters.get("anon") ?? 0,
      cache: counters.get("file") ?? 0,
      swap: Number(read("memory", "memory.swap.current") ?? 0),
    },
    ...(oom === undefined ? {} : { oomKills: oom }),
    io: ioOfV2(read("blkio", "io.stat") ?? ""),
  };
}

/** `name value` lines as a map. */
function fieldsOf(text: string): Map<string, number> {
  const out = new Map<string, number>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space > 0) out.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return out;
}

/** The kernel counts no periods for a cgroup without a CPU limit: then there is nothing to tell, as in cAdvisor. */
function throttlingOf(
  fields: ReadonlyMap<string, number>,
  time: string,
  perSecond: number,
): Pick<ContainerStats, "throttling"> {
  const periods = fields.get("nr_periods") ?? 0;
  if (periods === 0) return {};
  const throttled = fields.get("nr_throttled") ?? 0;
  return { throttling: { periods, throttled, seconds: (fields.get(time) ?? 0) / perSecond } };
}

type IoField = "reads" | "writes" | "readBytes" | "writeBytes";

/** Adds lines such as `254:0 Read 12`. */
function addV1(io: Map<string, DeviceIo>, text: string | undefined, read: IoField, write: IoField): void {
  for (const line of (text ?? "").split("\n")) {
    const [number = "", what = "", value = ""] = line.split(" ");
    const field = what === "Read" ? read : what === "Write" ? write : undefined;
    if (field === undefined) continue;
    const known = io.get(number) ?? { device: deviceOf(number), reads: 0, writes: 0, readBytes: 0, writeBytes: 0 };
    known[field] += Number(value);
    io.set(number, known);
  }
}

/** Reads lines such as `254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
function ioOfV2(text: string): DeviceIo[] {
  return text
    .split("\n")
    .filter((line) => line.includes("="))
    .map((line) => {
      const [number = "", ...pairs] = line.split(" ");
      const of = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
      const value = (name: string): number => Number(of.get(name) ?? 0);
      return {
        device: deviceOf(number),
        reads: value("rios"),
        writes: value("wios"),
        readBytes: value("rbytes"),
        writeBytes: value("wbytes"),
      };
    });
}

/** `/dev/vda` for `254:0`; the numbers themselves when the machine does not say. */
function deviceOf(number: string): string {
  try {
    return `/dev/${basename(readlinkSync(`/sys/dev/block/${number}`))}`;
  } catch {
    // A device may go while a cgroup still counts what was done with it.
    return number;
  }
}
