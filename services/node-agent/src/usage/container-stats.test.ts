import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseNetDev } from "../metrics/measured.ts";
import { findStatRoots, readContainerStats } from "./container-stats.ts";

const dir = mkdtempSync(join(tmpdir(), "container-stats-"));
afterAll(() => rmSync(dir, { recursive: true }));

function files(root: string, of: Record<string, string>): void {
  mkdirSync(join(dir, root, "pods/c1"), { recursive: true });
  for (const [name, text] of Object.entries(of)) writeFileSync(join(dir, root, "pods/c1", name), text);
}

describe("what the kernel counts of a container", () => {
  it("is read from the hierarchies of version 1", () => {
    files("cpu,cpuacct", {
      "cpuacct.usage": "2500000000\n",
      "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 3000000000\n",
    });
    files("memory", {
      "memory.usage_in_bytes": "1000\n",
      "memory.stat": "rss 1\ntotal_rss 400\ntotal_cache 300\ntotal_swap 7\ntotal_inactive_file 200\n",
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
    });
    files("blkio", {
      "blkio.throttle.io_serviced_recursive": "999:1 Read 5\n999:1 Write 6\n999:1 Total 11\nTotal 11\n",
      "blkio.throttle.io_service_bytes_recursive": "999:1 Read 50\n999:1 Write 60\n",
    });
    const mounts = ["cpu,cpuacct", "memory", "blkio"].map((name) => `cgroup ${dir}/${name} cgroup rw,${name} 0 0`);
    const roots = findStatRoots(mounts.join("\n"))!;
    expect(readContainerStats(roots, "/pods/c1")).toEqual({
      cpuSeconds: 2.5,
      throttling: { periods: 10, throttled: 4, seconds: 3 },
      memory: { usage: 1000, workingSet: 800, rss: 400, cache: 300, swap: 7 },
      oomKills: 3,
      io: [{ device: "999:1", reads: 5, writes: 6, readBytes: 50, writeBytes: 60 }],
    });
    expect(readContainerStats(roots, "/pods/gone")).toBeUndefined();
  });

  it("is read from the one of version 2, and tells no throttling where there is no limit", () => {
    files("unified", {
      "cpu.stat": "usage_usec 1500000\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
      "memory.current": "1000\n",
      "memory.stat": "anon 400\nfile 300\ninactive_file 200\n",
      "memory.swap.current": "7\n",
      "memory.events": "low 0\noom_kill 2\n",
      "io.stat": "999:1 rbytes=50 wbytes=60 rios=5 wios=6 dbytes=0 dios=0\n",
    });
    const roots = findStatRoots(`cgroup2 ${dir}/unified cgroup2 rw 0 0`)!;
    expect(readContainerStats(roots, "/pods/c1")).toEqual({
      cpuSeconds: 1.5,
      memory: { usage: 1000, workingSet: 800, rss: 400, cache: 300, swap: 7 },
      oomKills: 2,
      io: [{ device: "999:1", reads: 5, writes: 6, readBytes: 50, writeBytes: 60 }],
    });
  });
});

it("interfaces are those of /proc/net/dev without loopback", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0:    2000      20    1    2    0     0          0         0     3000      30    3    4    0     0       0          0
`;
  expect(parseNetDev(text)).toEqual([
    {
      name: "eth0",
      received: { bytes: 2000, packets: 20, errors: 1, dropped: 2 },
      transmitted: { bytes: 3000, packets: 30, errors: 3, dropped: 4 },
    },
  ]);
});
