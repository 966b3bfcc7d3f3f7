import { describe, expect, it } from "vitest";
import { sampleCodec } from "@trireme/bus";
import { findCgroupRoots, machineCounters, workingSet } from "./cgroup-files.ts";
import { Rates } from "./rates.ts";
import { takeSample } from "./sampler.ts";

describe("cgroup files", () => {
  it("finds the hierarchies of both versions", () => {
    const v1 = [
      "tmpfs /sys/fs/cgroup tmpfs rw 0 0",
      "cgroup /sys/fs/cgroup/unified cgroup2 rw 0 0",
      "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0",
      "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0",
    ].join("\n");
    expect(findCgroupRoots(v1)).toEqual({
      version: 1,
      cpu: "/sys/fs/cgroup/cpu,cpuacct",
      memory: "/sys/fs/cgroup/memory",
    });
    const v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0";
    expect(findCgroupRoots(v2)).toEqual({ version: 2, cpu: "/sys/fs/cgroup", memory: "/sys/fs/cgroup" });
    expect(findCgroupRoots("proc /proc proc rw 0 0")).toBeUndefined();
  });

  it("counts as working set what is used less what lies idle in the page cache", () => {
    expect(workingSet(1000, "cache 1\ninactive_file 7\ntotal_inactive_file 300\n", 1)).toBe(700);
    expect(workingSet(1000, "anon 1\ninactive_file 400\n", 2)).toBe(600);
    expect(workingSet(100, "inactive_file 400\n", 2)).toBe(0);
  });

  it("counts the machine's busy time without idling and waiting", () => {
    const stat = "cpu  100 10 50 9999 888 5 5 0 0 0\ncpu0 1 2 3\n";
    const meminfo = "MemTotal:  1000 kB\nMemFree:  300 kB\nInactive(file):  200 kB\n";
    expect(machineCounters(stat, meminfo)).toEqual({ cpuMicros: 1_700_000, memoryBytes: 500 * 1024 });
  });
});

describe("samples", () => {
  it("gives a rate from the second reading on, over the last three intervals", () => {
    const rates = new Rates();
    const read = (cpuMicros: number, atMs: number) => rates.add("a", { cpuMicros, memoryBytes: 10 }, atMs);
    expect(read(1_000_000, 0)).toBeUndefined();
    expect(read(1_200_000, 2000)).toEqual({ cpuMillis: 100, memoryBytes: 10, windowMs: 2000 });
    read(1_400_000, 4000);
    read(1_600_000, 6000);
    expect(read(2_800_000, 8000)).toEqual({ cpuMillis: 267, memoryBytes: 10, windowMs: 6000 });
    expect(read(5, 10_000)).toBeUndefined();
  });

  it("leaves out a pod until all its containers have a rate, and sums them", () => {
    const rates = new Rates();
    let cpuMicros = 0;
    const readers = {
      read: (id: string) => (id === "gone" ? undefined : { cpuMicros, memoryBytes: 5 }),
      readMachine: () => ({ cpuMicros, memoryBytes: 99 }),
    };
    const of = (name: string, id: string) => ({ pod: { namespace: "ns", name: "p" }, container: { id, name } });
    const take = (seconds: number, ...running: ReturnType<typeof of>[]) => {
      cpuMicros = seconds * 500_000;
      return takeSample("n1", rates, running, readers, { wallMs: seconds * 1000, monotonicMs: seconds * 1000 });
    };
    expect(take(0, of("a", "1"))).toBeUndefined();
    expect(take(2, of("a", "1"), of("b", "2"))?.pods).toEqual({});
    const sample = take(4, of("a", "1"), of("b", "2"), of("c", "gone"))!;
    expect(sample).toMatchObject({ node: "n1", atMs: 4000, cpuMillis: 500, memoryBytes: 99, windowMs: 4000 });
    expect(sample.pods["ns/p"]).toEqual({
      cpuMillis: 1000,
      memoryBytes: 10,
      windowMs: 2000,
      containers: { a: { cpuMillis: 500, memoryBytes: 5 }, b: { cpuMillis: 500, memoryBytes: 5 } },
    });
    expect(sampleCodec.decode(sampleCodec.encode(sample))).toEqual(sample);
  });
});
