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
    hooks: {},
    killing: {},
    drain: undefined,
    acceptedAt: NOW - 60_000,
    endingSince: 0,
    finalized: false,
    ended: undefined,
    endedAt: 0,
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
      return `end ${step.end.phase}${step.end.reason === undefined ? "" : ` ${step.end.reason}`}`;
    default:
      return step.type;
  }
}

const deleted = { deletionTimestamp: "t", deletionGracePeriodSeconds: 5 };
const withInit = pod({ initContainers: [{ name: "i", image: "img:1" }] });
const sidecar: Container = { name: "i", image: "img:1", restartPolicy: "Always" };
const besides = pod({ restartPolicy: "Never", initContainers: [sidecar, { ...sidecar, name: "j" }] });
const over = { pod: besides, ended: { phase: "Succeeded" }, endedAt: NOW } as const;
const brief = pod({ activeDeadlineSeconds: 5 });
const late = { pod: brief, ended: { phase: "Failed", reason: "DeadlineExceeded" }, endedAt: NOW } as const;
const peeked = pod({
  initContainers: [{ name: "i", image: "img:1" }],
  ephemeralContainers: [{ name: "peek", image: "img:1" }],
});
const hook = { postStart: { exec: { command: ["true"] } } };
const hooked = pod({
  containers: [
    { name: "c", image: "img:1", lifecycle: hook },
    { name: "d", image: "img:1" },
  ],
});
const reported = {
  name: "c",
  containerID: "containerd://c-0",
  state: { running: {} },
  ready: true,
  restartCount: 0,
  image: "",
  imageID: "",
};

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
        images: {
          "img:1": {
            state: "failed",
            reason: "ErrImagePull",
            message: "",
            failures: 1,
            failedAt: NOW - 9000,
            retryAt: NOW + 7,
          },
        },
      }),
      "wait 7",
    ],
    [
      "an image whose wait is over",
      facts({
        images: {
          "img:1": {
            state: "failed",
            reason: "ErrImagePull",
            message: "",
            failures: 1,
            failedAt: NOW - 9000,
            retryAt: NOW,
          },
        },
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
    ["ended: gives its address back", facts({ ended: { phase: "Failed" }, containers: [exited()] }), "stopSandbox s0"],
    ["ended and at rest", facts({ ended: { phase: "Failed" }, sandboxes: [sandbox({ ready: false })] }), "wait"],
    [
      "liveness failed",
      facts({ containers: [container()], probes: { "c-0": { started: true, ready: true, failed: "liveness" } } }),
      "kill c-0 30s",
    ],
    [
      "liveness failed, being killed",
      facts({
        containers: [container()],
        killing: { "c-0": NOW },
        probes: { "c-0": { started: true, ready: true, failed: "liveness" } },
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
      "a sidecar's startup probe holds the next container back",
      facts({
        pod: pod({ initContainers: [{ ...sidecar, startupProbe: {} }] }),
        containers: [container({ name: "i" })],
        probes: { "i-0": { started: false, ready: false } },
      }),
      "wait",
    ],
    [
      "sidecars start in order",
      facts({
        pod: pod({ initContainers: [sidecar, { ...sidecar, name: "j" }] }),
        containers: [container({ name: "i" })],
      }),
      "start j#0 crash 0",
    ],
    [
      "a sidecar that dies while an init container runs",
      facts({
        pod: pod({ initContainers: [sidecar, { name: "j", image: "img:1" }] }),
        containers: [container({ name: "j" }), exited({ name: "i", exitCode: 0 })],
      }),
      "start i#1 crash 1",
    ],
    [
      "a sidecar does not keep the pod from its end",
      facts({ pod: besides, containers: [container({ name: "i" }), exited({ exitCode: 0 })] }),
      "end Succeeded",
    ],
    [
      "ended: the last sidecar goes first",
      facts({ ...over, containers: [container({ name: "i" }), container({ name: "j" }), exited({ exitCode: 0 })] }),
      "kill j-0 30s",
    ],
    [
      "ended: each sidecar after the one before",
      facts({ ...over, containers: [container({ name: "i" }), exited({ name: "j" }), exited({ exitCode: 0 })] }),
      "kill i-0 30s",
    ],
    [
      "ended: a sidecar's turn that comes late is short",
      facts({ ...over, endedAt: NOW - 40_000, containers: [container({ name: "i" }), exited({ exitCode: 0 })] }),
      "kill i-0 2s",
    ],
    ["past its active deadline", facts({ pod: brief, containers: [container()] }), "end Failed DeadlineExceeded"],
    [
      "its active deadline to come",
      facts({ pod: brief, acceptedAt: NOW - 1000, containers: [container()] }),
      "wait 4000",
    ],
    [
      "past its active deadline before anything ran",
      facts({ pod: brief, prepared: false, sandboxes: [] }),
      "end Failed DeadlineExceeded",
    ],
    ["past its active deadline: all are told", facts({ ...late, containers: [container()] }), "kill c-0 30s"],
    ["its hook first", facts({ pod: hooked, containers: [container()] }), "postStart"],
    [
      "the hook runs: the next waits",
      facts({ pod: hooked, containers: [container()], hooks: { "c-0": "running" } }),
      "wait",
    ],
    [
      "the hook is done: the next begins",
      facts({ pod: hooked, containers: [container()], hooks: { "c-0": "done" } }),
      "start d#0 crash 0",
    ],
    ["the hook failed", facts({ pod: hooked, containers: [container()], hooks: { "c-0": "failed" } }), "kill c-0 30s"],
    [
      "a hook that an earlier agent saw done",
      facts({ pod: { ...hooked, status: { containerStatuses: [reported] } }, containers: [container()] }),
      "start d#0 crash 0",
    ],
    [
      "a probe's own grace",
      facts({
        pod: pod({ containers: [{ name: "c", image: "img:1", startupProbe: { terminationGracePeriodSeconds: 3 } }] }),
        containers: [container()],
        probes: { "c-0": { started: false, ready: false, failed: "startup" } },
      }),
      "kill c-0 3s",
    ],
    ["an ephemeral container, beside what initializes", facts({ pod: peeked }), "start peek#0 crash 0"],
    [
      "an ephemeral container runs once",
      facts({ pod: peeked, containers: [exited({ name: "peek" }), container({ name: "i" })] }),
      "wait",
    ],
    [
      "an ephemeral container does not come back in a new sandbox",
      facts({ pod: peeked, containers: [exited({ name: "peek", sandboxId: "old" }), container({ name: "i" })] }),
      "wait",
    ],
    [
      "an ephemeral container does not keep the pod from its end",
      facts({
        pod: { ...peeked, spec: { ...peeked.spec, restartPolicy: "Never" } },
        containers: [container({ name: "peek" }), exited({ exitCode: 0 }), exited({ name: "i", exitCode: 0 })],
      }),
      "end Succeeded",
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
    [
      "deleted: the pod's containers before its sidecars",
      facts({
        pod: { ...besides, metadata: { ...besides.metadata, ...deleted } },
        containers: [container(), container({ name: "i" })],
        endingSince: NOW,
      }),
      "kill c-0 5s",
    ],
    [
      "deleted: then the sidecars, in what is left",
      facts({
        pod: { ...besides, metadata: { ...besides.metadata, ...deleted } },
        containers: [exited(), container({ name: "i" })],
        endingSince: NOW - 2000,
      }),
      "kill i-0 3s",
    ],
    [
      "deleted by force: all at once",
      facts({
        pod: { ...besides, metadata: { ...besides.metadata, ...deleted, deletionGracePeriodSeconds: 0 } },
        containers: [container(), container({ name: "i" })],
        endingSince: NOW,
      }),
      "kill c-0,i-0 0s",
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
