import type { Container, Pod, PodStatus } from "@trireme/api";
import { describe, expect, it } from "vitest";
import type { ContainerFact, PodFacts, SandboxFact } from "../pods/facts.ts";
import { podStatus } from "./pod-status.ts";

const NOW = Date.parse("2026-11-22T10:00:00Z");
const sandbox = { id: "s0", attempt: 0, ready: true, ip: "10.244.0.2", createdAt: NOW };
const hooked: Container = { name: "c", image: "img:1", lifecycle: { postStart: { exec: { command: ["x"] } } } };

function fact(change: Partial<ContainerFact> = {}): ContainerFact {
  return {
    id: `${change.name ?? "c"}-${change.attempt ?? 0}`,
    name: "c",
    attempt: 0,
    sandboxId: "s0",
    state: "running",
    createdAt: NOW,
    startedAt: NOW,
    finishedAt: 0,
    exitCode: 0,
    reason: "",
    message: "",
    image: "img:1",
    imageRef: "sha256:1",
    crashStep: 0,
    ...change,
  };
}

function statusOf(
  spec: Partial<Pod["spec"]>,
  containers: ContainerFact[],
  change: Partial<Omit<PodFacts, "pod">> & { sandboxes?: SandboxFact[] } = {},
  last?: PodStatus,
): PodStatus {
  const pod: Pod = {
    metadata: { name: "p", namespace: "ns", uid: "u" },
    spec: { containers: [{ name: "c", image: "img:1" }], ...spec },
  };
  const facts = {
    pod,
    gone: false,
    runtime: { uid: "u", namespace: "ns", name: "p", sandboxes: change.sandboxes ?? [sandbox], containers },
    prepared: true,
    images: {},
    failures: {},
    probes: {},
    hooks: {},
    killing: {},
    drain: undefined,
    acceptedAt: NOW - 5000,
    endingSince: 0,
    finalized: false,
    ended: undefined,
    endedAt: 0,
    ...change,
  };
  return podStatus(facts, { name: "n1", address: "10.0.0.1" }, last, NOW);
}

const conditionOf = (status: PodStatus, type: string) => status.conditions?.find((c) => c.type === type);

describe("podStatus", () => {
  it("counts the pod's life from when a node took it on", () => {
    expect(statusOf({}, []).startTime).toBe("2026-11-22T09:59:55Z");
  });

  it("shows a container as waiting until its postStart hook has ended", () => {
    const spec = { containers: [hooked] };
    const waits = statusOf(spec, [fact()], { hooks: { "c-0": "running" } });
    expect(waits).toMatchObject({
      phase: "Pending",
      containerStatuses: [{ ready: false, started: false, state: { waiting: { reason: "ContainerCreating" } } }],
    });
    expect(conditionOf(waits, "Ready")?.status).toBe("False");
    const failed = statusOf(spec, [fact()], { hooks: { "c-0": "failed" } });
    expect(failed.containerStatuses?.[0]?.state?.waiting?.reason).toBe("PostStartHookError");
    const done = statusOf(spec, [fact()], { hooks: { "c-0": "done" } });
    expect(done).toMatchObject({ phase: "Running", containerStatuses: [{ ready: true, started: true }] });
  });

  it("calls a pod over only when its sidecars have ended too, and says why it failed", () => {
    const spec = { initContainers: [{ name: "side", image: "img:1", restartPolicy: "Always" }] };
    const main = fact({ state: "exited", finishedAt: NOW });
    const ended = { phase: "Failed", reason: "DeadlineExceeded", message: "too long" } as const;
    const running = { phase: "Running" };
    const ending = statusOf(spec, [main, fact({ name: "side" })], { ended }, running);
    expect(ending).toMatchObject({ phase: "Running" });
    expect(ending.reason).toBeUndefined();
    const over = statusOf(spec, [main, fact({ name: "side", state: "exited" })], { ended }, running);
    expect(over).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded", message: "too long" });
    expect(conditionOf(over, "Ready")).toMatchObject({ status: "False", reason: "PodFailed" });
  });

  it("keeps the address of a pod whose sandbox is gone", () => {
    const sandboxes = [{ ...sandbox, ready: false, ip: "" }];
    expect(statusOf({}, [], { sandboxes }, { podIP: "10.244.0.9" }).podIP).toBe("10.244.0.9");
  });

  it("says in kubelet's words which readiness gate is shut", () => {
    const readinessGates = [{ conditionType: "a/b" }];
    expect(conditionOf(statusOf({ readinessGates }, [fact()]), "Ready")).toMatchObject({
      status: "False",
      reason: "ReadinessGatesNotReady",
      message: 'corresponding condition of pod readiness gate "a/b" does not exist.',
    });
  });

  it("says in kubelet's words what a crashed container waits for", () => {
    const crashed = fact({ state: "exited", exitCode: 1, finishedAt: NOW, crashStep: 2, attempt: 2 });
    expect(statusOf({}, [crashed]).containerStatuses?.[0]).toMatchObject({
      restartCount: 2,
      lastState: { terminated: { exitCode: 1, reason: "Error" } },
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 20s restarting failed container=c pod=p_ns(u)",
        },
      },
    });
  });
});
