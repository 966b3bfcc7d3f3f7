import type { Container, Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import { crashDelayMs, restartOf } from "./crash-delay.ts";
import type { ContainerFact, PodFacts, SandboxFact } from "./facts.ts";
import { emptyRuntimePod } from "./facts.ts";
import type { Step } from "./next-step.ts";
import { nextStep, pullPolicyOf } from "./next-step.ts";

const NOW = 1_000_000;
const present = { state: "present", ref: "sha256:1" } as const;

function pod(spec: Partial<Pod["spec"]> = {}, metadata: Partial<Pod["metadata"]> = {}): Pod {
  return {
    metadata: { name: "p", namespace: "default", uid: "u", ...metadata },
    spec: { containers: [{ name: "c", image: "img:1" }], ...spec },
  };
}

function container(change: Partial<ContainerFact> = {}): ContainerFact {
  return {
    id: `${change.name ?? "c"}-${change.attempt ?? 0}`,
    name: "c",
    attempt: 0,
    sandboxId: "s0",
    state: "running",
    createdAt: NOW - 5000,
    startedAt: NOW - 5000,
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

const exited = (change: Partial<ContainerFact> = {}): ContainerFact =>
  container({ state: "exited", finishedAt: NOW, exitCode: 1, ...change });

const sandbox = (change: Partial<SandboxFact> = {}): SandboxFact => ({
  id: "s0",
  attempt: 0,
  ready: true,
  ip: "10.244.0.2",
  createdAt: NOW - 6000,
  ...change,
});

function facts(change: Partial<PodFacts> & { containers?: ContainerFact[]; sandboxes?: SandboxFact[] } = {}): PodFacts {
  const { containers = [], sandboxes = [sandbox()], ...rest } = change;
  return {
    pod: pod(),
    gone: false,
    runtime: { ...emptyRuntimePod("u", "default", "p"), sandboxes, containers },
    prepared: true,
    images: { "img:1": present },
    failures: {},
    probes: {},
    killing: {},
    drain: undefined,
    endingSince: 0,
    finalized: false,
    ended: undefined,
    ...rest,
  };
}

/** The step as one word and its most telling field. */
function word(step: Step): string {
  switch (step.type) {
    case "startContainer":
      return `start ${step.name}#${step.attempt} crash ${step.crashStep}`;
    case "createSandbox":
      return `sandbox#${step.attempt}`;
    case "kill":
      return `kill ${step.containers.map((c) => c.id).join()} ${step.graceSeconds}s`;
    case "wait":
      return Number.isFinite(step.until) ? `wait ${step.until - NOW}` : "wait";
    case "stopSandbox":
    case "removeSandbox":
    case "removeContainer":
      return `${step.type} ${step.id}`;
    case "end":
      return `end ${step.phase}`;
    default:
      return step.type;
  }
}

const deleted = { deletionTimestamp: "t", deletionGracePeriodSeconds: 5 };
const withInit = pod({ initContainers: [{ name: "i", image: "img:1" }] });
const sidecar: Container = { name: "i", image: "img:1", restartPolicy: "Always" };

describe("nextStep", () => {
  it.each<[string, PodFacts, string]>([
    ["an unprepared pod", facts({ prepared: false }), "prepare"],
    ["no sandbox", facts({ sandboxes: [] }), "sandbox#0"],
    ["a dead sandbox", facts({ sandboxes: [sandbox({ ready: false })] }), "sandbox#1"],
    [
      "a dead sandbox with a live container",
      facts({ sandboxes: [sandbox({ ready: false })], containers: [container()] }),
      "kill c-0 30s",
    ],
    ["an unknown image", facts({ images: {} }), "pullImage"],
    ["an image on its way", facts({ images: { "img:1": { state: "pulling" } } }), "wait"],
    [
      "an image that failed",
      facts({
        images: { "img:1": { state: "failed", reason: "ErrImagePull", message: "", failures: 1, retryAt: NOW + 7 } },
      }),
      "wait 7",
    ],
    [
      "an image whose wait is over",
      facts({
        images: { "img:1": { state: "failed", reason: "ErrImagePull", message: "", failures: 1, retryAt: NOW } },
      }),
      "pullImage",
    ],
    ["everything there", facts(), "start c#0 crash 0"],
    ["created, never started", facts({ containers: [container({ state: "created" })] }), "start c#0 crash 0"],
    ["running", facts({ containers: [container()] }), "wait"],
    ["dead for the first time: at once", facts({ containers: [exited()] }), "start c#1 crash 1"],
    ["dead again: after 10 s", facts({ containers: [exited({ attempt: 1, crashStep: 1 })] }), "wait 10000"],
    [
      "dead again, 10 s ago",
      facts({ containers: [exited({ crashStep: 1, finishedAt: NOW - 10_000 })] }),
      "start c#1 crash 2",
    ],
    [
      "a step that failed waits its turn",
      facts({ failures: { c: { reason: "", message: "", failures: 1, retryAt: NOW + 200 } } }),
      "wait 200",
    ],
    ["Never, exit 1", facts({ pod: pod({ restartPolicy: "Never" }), containers: [exited()] }), "end Failed"],
    [
      "OnFailure, exit 0",
      facts({ pod: pod({ restartPolicy: "OnFailure" }), containers: [exited({ exitCode: 0 })] }),
      "end Succeeded",
    ],
    [
      "OnFailure, exit 1",
      facts({ pod: pod({ restartPolicy: "OnFailure" }), containers: [exited()] }),
      "start c#1 crash 1",
    ],
    ["ended: gives its address back", facts({ ended: "Failed", containers: [exited()] }), "stopSandbox s0"],
    ["ended and at rest", facts({ ended: "Failed", sandboxes: [sandbox({ ready: false })] }), "wait"],
    [
      "liveness failed",
      facts({ containers: [container()], probes: { "c-0": { started: true, ready: true, failed: "x" } } }),
      "kill c-0 30s",
    ],
    [
      "liveness failed, being killed",
      facts({
        containers: [container()],
        killing: { "c-0": NOW },
        probes: { "c-0": { started: true, ready: true, failed: "x" } },
      }),
      "wait",
    ],
    ["init first", facts({ pod: withInit }), "start i#0 crash 0"],
    ["init running", facts({ pod: withInit, containers: [container({ name: "i" })] }), "wait"],
    ["init done", facts({ pod: withInit, containers: [exited({ name: "i", exitCode: 0 })] }), "start c#0 crash 0"],
    ["init failed", facts({ pod: withInit, containers: [exited({ name: "i" })] }), "start i#1 crash 1"],
    [
      "init failed for good",
      facts({
        pod: { ...withInit, spec: { ...withInit.spec, restartPolicy: "Never" } },
        containers: [exited({ name: "i" })],
      }),
      "end Failed",
    ],
    [
      "a sidecar that runs lets the rest begin",
      facts({ pod: pod({ initContainers: [sidecar] }), containers: [container({ name: "i" })] }),
      "start c#0 crash 0",
    ],
    [
      "a sidecar that died while the rest runs",
      facts({ pod: pod({ initContainers: [sidecar] }), containers: [container(), exited({ name: "i", exitCode: 0 })] }),
      "start i#1 crash 1",
    ],
    [
      "old instances beyond the last two are removed",
      facts({ containers: [container({ attempt: 2 }), exited({ attempt: 1 }), exited({ attempt: 0 })] }),
      "removeContainer c-0",
    ],
    ["deleted, in rotation", facts({ pod: pod({}, deleted), containers: [container()], drain: "due" }), "drain"],
    ["deleted, being drained", facts({ pod: pod({}, deleted), containers: [container()], drain: "waiting" }), "wait"],
    [
      "deleted: told to end",
      facts({ pod: pod({}, deleted), containers: [container()], endingSince: NOW }),
      "kill c-0 5s",
    ],
    [
      "deleted: told already",
      facts({ pod: pod({}, deleted), containers: [container()], endingSince: NOW, killing: { "c-0": NOW + 5000 } }),
      "wait",
    ],
    [
      "deleted again with less grace",
      facts({
        pod: pod({}, { ...deleted, deletionGracePeriodSeconds: 1 }),
        containers: [container()],
        endingSince: NOW,
        killing: { "c-0": NOW + 5000 },
      }),
      "kill c-0 1s",
    ],
    ["deleted, containers dead", facts({ pod: pod({}, deleted), containers: [exited()] }), "stopSandbox s0"],
    ["deleted, sandbox stopped", facts({ pod: pod({}, deleted), sandboxes: [sandbox({ ready: false })] }), "finalize"],
    [
      "deleted, API object gone",
      facts({ pod: pod({}, deleted), sandboxes: [sandbox({ ready: false })], finalized: true }),
      "removeSandbox s0",
    ],
    ["deleted, nothing left", facts({ pod: pod({}, deleted), sandboxes: [], finalized: true }), "forget"],
    ["deleted before it began", facts({ pod: pod({}, deleted), sandboxes: [], prepared: false }), "finalize"],
    [
      "an orphan",
      facts({ pod: undefined, gone: true, finalized: true, endingSince: NOW, containers: [container()] }),
      "kill c-0 1s",
    ],
  ])("%s", (_, given, expected) => {
    expect(word(nextStep(given, NOW))).toBe(expected);
  });
});

describe("crash delays", () => {
  it("follow Kubernetes' row and forgive a long life", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 50].map(crashDelayMs)).toEqual([0, 1e4, 2e4, 4e4, 8e4, 16e4, 3e5, 3e5]);
    const long = exited({ crashStep: 4, startedAt: NOW - 600_000 });
    expect(restartOf(long)).toEqual({ at: NOW, step: 1 });
  });
});

describe("pullPolicyOf", () => {
  it.each([
    ["nginx", "Always"],
    ["nginx:latest", "Always"],
    ["nginx:1", "IfNotPresent"],
    ["host:5000/nginx", "Always"],
    [`nginx@sha256:${"a".repeat(64)}`, "IfNotPresent"],
  ])("%s: %s", (image, policy) => {
    expect(pullPolicyOf({ name: "c", image })).toBe(policy);
  });
});
