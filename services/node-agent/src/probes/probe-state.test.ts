import type { Probe } from "@trireme/api";
import { describe, expect, it } from "vitest";
import type { ProbeKind } from "./probe-state.ts";
import { afterCheck, beginProbe, probeFact } from "./probe-state.ts";

/** Runs a probe against a container that answers from `readyAt` to `deadAt`; tells when it was asked and what it found. */
function run(kind: ProbeKind, probe: Probe, life: { readyAt: number; deadAt?: number }, until: number) {
  let state = beginProbe(kind, probe, 0, 0);
  const asked: number[] = [];
  const verdicts: [number, string][] = [];
  while (state.nextAt <= until) {
    const now = state.nextAt;
    asked.push(now);
    const ok = now >= life.readyAt && now < (life.deadAt ?? Number.POSITIVE_INFINITY);
    const next = afterCheck(state, probe, ok, "refused", now);
    if (next.verdict !== state.verdict) verdicts.push([now, next.verdict]);
    state = next;
  }
  return { asked, verdicts };
}

describe("readiness", () => {
  it("is asked at once, and quickly until the first success", () => {
    const { asked, verdicts } = run("readiness", { periodSeconds: 1 }, { readyAt: 180 }, 3000);
    expect(asked[0]).toBe(0);
    expect(verdicts[0]![0]).toBeLessThanOrEqual(400);
    expect(verdicts[0]![1]).toBe("success");
    expect(asked.at(-1)! - asked.at(-2)!).toBe(1000);
  });

  it("honours the initial delay", () => {
    expect(run("readiness", { initialDelaySeconds: 2 }, { readyAt: 0 }, 2500).asked).toEqual([2000]);
  });

  it("becomes unready after so many failures a period apart", () => {
    const { verdicts } = run(
      "readiness",
      { periodSeconds: 1, failureThreshold: 2 },
      { readyAt: 0, deadAt: 2500 },
      6000,
    );
    expect(verdicts).toEqual([
      [0, "success"],
      [4000, "failure"],
    ]);
  });
});

describe("startup", () => {
  it("fails only after threshold times period, however often it was asked", () => {
    const probe = { periodSeconds: 1, failureThreshold: 3 };
    const { asked, verdicts } = run("startup", probe, { readyAt: 99_999 }, 5000);
    expect(asked.length).toBeGreaterThan(6);
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]![0]).toBeGreaterThanOrEqual(2000);
    expect(verdicts[0]![0]).toBeLessThanOrEqual(3500);
  });
});

describe("liveness", () => {
  it("is asked once a period and kills after the threshold", () => {
    const { asked, verdicts } = run(
      "liveness",
      { periodSeconds: 1, failureThreshold: 2 },
      { readyAt: 0, deadAt: 2500 },
      5000,
    );
    expect(asked).toEqual([1000, 2000, 3000, 4000, 5000]);
    expect(verdicts).toEqual([
      [1000, "success"],
      [4000, "failure"],
    ]);
  });
});

describe("probeFact", () => {
  const ready = { name: "c", readinessProbe: {} };
  it("is ready without probes, unknown before the first verdict", () => {
    expect(probeFact({ name: "c" }, [])).toEqual({ started: true, ready: true });
    expect(probeFact(ready, [])).toEqual({ started: true, ready: undefined });
  });
  it("waits for startup before readiness counts", () => {
    const container = { ...ready, startupProbe: {} };
    const readiness = { ...beginProbe("readiness", {}, 0, 0), verdict: "success" as const };
    expect(probeFact(container, [readiness]).ready).toBeUndefined();
    const startup = { ...beginProbe("startup", {}, 0, 0), verdict: "success" as const };
    expect(probeFact(container, [startup, readiness])).toEqual({ started: true, ready: true });
  });
  it("says which probe failed", () => {
    const liveness = { ...beginProbe("liveness", {}, 0, 0), verdict: "failure" as const, message: "status 500" };
    expect(probeFact({ name: "c" }, [liveness]).failed).toBe("liveness");
  });
});
