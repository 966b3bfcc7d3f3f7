import { describe, expect, it } from "vitest";
import { type Facts, judge } from "./judge.ts";

const well: Facts = {
  kernel: "6.1.0-18-amd64",
  isRoot: true,
  cgroupControllers: new Set(["cpu", "memory", "pids", "io"]),
  programs: [
    { name: "containerd", debianPackage: "containerd", version: "containerd github.com 1.6.20~ds1" },
    { name: "runc", debianPackage: "runc", version: "runc version 1.1.5+ds1" },
  ],
  takenPorts: [],
  fsyncMs: 1.4,
  freeBytes: 20 * 1024 ** 3,
  servers: [{ name: "server1", address: "10.0.0.11", readyStatus: 200, clockSkewMs: 12 }],
  certificates: [{ file: "node.crt", daysLeft: 364 }],
};

describe("what the doctor says", () => {
  it("is ok of a machine that is well", () => {
    expect(judge(well).filter((finding) => finding.level !== "ok")).toEqual([]);
    expect(judge(well).map((finding) => finding.what)).toContain("clock, to server1");
  });

  it.each<[string, Partial<Facts>, "warn" | "fail", string]>([
    ["a user who may not", { isRoot: false }, "fail", "sudo"],
    ["an old kernel", { kernel: "4.19.0" }, "fail", "newer kernel"],
    ["a kernel nobody tried", { kernel: "5.4.0" }, "warn", "newer kernel"],
    ["missing controllers", { cgroupControllers: new Set(["cpu"]) }, "fail", "cgroup_enable=memory"],
    [
      "a missing program",
      { programs: [{ name: "runc", debianPackage: "runc", version: undefined }] },
      "fail",
      "apt-get",
    ],
    ["an old program", { programs: [{ name: "runc", debianPackage: "runc", version: "1.0.3" }] }, "fail", "apt-get"],
    ["a port of another's", { takenPorts: [{ port: 6443, purpose: "API" }] }, "fail", "sport = :6443"],
    ["a slow disk", { fsyncMs: 40 }, "warn", "SSD"],
    ["a disk that stands", { fsyncMs: 900 }, "fail", "SSD"],
    ["a folder that cannot be written", { fsyncMs: undefined }, "fail", "--data-dir"],
    ["a full disk", { freeBytes: 1024 }, "fail", "free some space"],
    [
      "a silent server",
      { servers: [{ name: "s", address: "10.0.0.1", problem: "timeout" }] },
      "fail",
      "server remove s",
    ],
    ["a server that is not ready", { servers: [{ name: "s", address: "a", readyStatus: 500 }] }, "warn", "control.log"],
    [
      "a clock that is off",
      { servers: [{ name: "s", address: "a", readyStatus: 200, clockSkewMs: -2_000 }] },
      "warn",
      "time server",
    ],
    [
      "a server that was removed",
      { removed: { says: "removed", wayOut: "empty /x, and join anew" } },
      "fail",
      "join anew",
    ],
    ["a certificate that ends soon", { certificates: [{ file: "x", daysLeft: 3 }] }, "warn", "start it again"],
    ["a certificate that ended", { certificates: [{ file: "x", daysLeft: -3 }] }, "fail", "start it again"],
  ])("names %s, and a way out", (_, facts, level, wayOut) => {
    const findings = judge({ ...well, ...facts }).filter((finding) => finding.level !== "ok");
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ level });
    expect(findings[0]?.wayOut).toContain(wayOut);
  });
});
