import type { PodStatus } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { patienceMs } from "./urgency.ts";

const status = (phase: string, ready: "True" | "False", reason?: string): PodStatus => ({
  phase,
  conditions: [{ type: "Ready", status: ready }],
  containerStatuses: [
    {
      name: "c",
      ready: ready === "True",
      restartCount: 0,
      image: "",
      imageID: "",
      state: reason === undefined ? { running: {} } : { waiting: { reason } },
    },
  ],
});

describe("patienceMs", () => {
  it.each<[string, PodStatus | undefined, PodStatus, boolean]>([
    ["the first status waits for what follows", undefined, status("Pending", "False", "ContainerCreating"), true],
    [
      "an address waits",
      status("Pending", "False", "ContainerCreating"),
      status("Pending", "False", "PodInitializing"),
      true,
    ],
    ["running but not ready waits a moment", status("Pending", "False"), status("Running", "False"), true],
    ["ready: now", status("Running", "False"), status("Running", "True"), false],
    ["unready: now", status("Running", "True"), status("Running", "False"), false],
    ["straight to ready: now", status("Pending", "False"), status("Running", "True"), false],
    ["an end: now", status("Running", "False"), status("Failed", "False"), false],
    ["trouble: now", status("Pending", "False"), status("Pending", "False", "ErrImagePull"), false],
    ["trouble over: now", status("Running", "False", "CrashLoopBackOff"), status("Running", "False"), false],
  ])("%s", (_, written, next, waits) => {
    expect(patienceMs(written, next, false) > 0).toBe(waits);
    expect(patienceMs(written, next, true)).toBeGreaterThan(1000);
  });
});
