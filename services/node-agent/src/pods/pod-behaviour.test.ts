import type { Pod } from "@trireme/api";
import { describe, expect, it } from "vitest";
import type { ContainerFact } from "./facts.ts";
import { emptyRuntimePod } from "./facts.ts";
import type { PodEffect, PodMessage, PodState } from "./pod-behaviour.ts";
import { podBehaviour } from "./pod-behaviour.ts";

const seed = { uid: "u", namespace: "default", name: "p", node: { name: "n1", address: "10.0.0.1" } };
const pod: Pod = {
  metadata: { name: "p", namespace: "default", uid: "u" },
  spec: { nodeName: "n1", containers: [{ name: "c", image: "img:1" }] },
};
const running: ContainerFact = {
  id: "c0",
  name: "c",
  attempt: 0,
  sandboxId: "s0",
  state: "running",
  createdAt: 2000,
  startedAt: 2000,
  finishedAt: 0,
  exitCode: 0,
  reason: "",
  message: "",
  image: "img:1",
  imageRef: "sha256:1",
  crashStep: 0,
};
const sandbox = { id: "s0", attempt: 0, ready: true, ip: "10.244.0.2", createdAt: 1000 };

type Body = PodMessage extends infer M ? (M extends PodMessage ? Omit<M, "at"> : never) : never;

/** An actor driven by hand: the time moves 10 ms a message, steps are answered by `done`. */
class Driven {
  readonly behaviour = podBehaviour(seed);
  state: PodState = this.behaviour.initial();
  now = 1000;
  effects: readonly PodEffect[] = [];

  send(message: Body, at = this.now): this {
    this.now = Math.max(this.now, at) + 10;
    const next = this.behaviour.receive(this.state, { ...message, at } as PodMessage);
    this.state = next.state;
    this.effects = next.effects;
    return this;
  }

  /** Answers the step that is being done. */
  done(result: Extract<PodMessage, { type: "done" }>["result"] = {}): this {
    return this.send({ type: "done", step: this.state.busy!, result });
  }

  get steps(): string[] {
    return this.effects.flatMap((effect) => (effect.type === "step" ? [effect.step.type] : []));
  }

  get status() {
    return this.effects.flatMap((effect) => (effect.type === "report" ? [effect.status] : [])).at(-1);
  }
}

const empty = emptyRuntimePod("u", "default", "p");

function started(): Driven {
  const actor = new Driven().send({ type: "boot", pod, runtime: empty });
  actor.done().done({ sandbox });
  actor.send({ type: "image", image: "img:1", fact: { state: "present", ref: "sha256:1" } });
  return actor.done({ container: running });
}

describe("podBehaviour", () => {
  it("walks from nothing to running, one step at a time", () => {
    const actor = new Driven().send({ type: "boot", pod, runtime: empty });
    expect(actor.steps).toEqual(["prepare"]);
    expect(actor.done().steps).toEqual(["createSandbox"]);
    expect(actor.done({ sandbox }).steps).toEqual(["pullImage"]);
    expect(actor.status).toMatchObject({ phase: "Pending", podIP: "10.244.0.2" });
    actor.send({ type: "image", image: "img:1", fact: { state: "present", ref: "sha256:1" } });
    expect(actor.steps).toEqual(["startContainer"]);
    actor.done({ container: running });
    expect(actor.steps).toEqual([]);
    expect(actor.status).toMatchObject({ phase: "Running", containerStatuses: [{ ready: true, restartCount: 0 }] });
    expect(actor.status?.conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
    expect(actor.effects.some((effect) => effect.type === "probe")).toBe(true);
  });

  it("takes no step before it knows the runtime's truth, and adopts what runs", () => {
    const actor = new Driven().send({ type: "boot", pod, runtime: undefined });
    expect(actor.effects).toEqual([{ type: "refresh" }]);
    const runtime = { ...empty, sandboxes: [sandbox], containers: [running] };
    actor.send({ type: "runtime", runtime, seenAt: 1000 });
    expect(actor.steps).toEqual(["prepare"]);
    expect(actor.done().steps).toEqual([]);
  });

  it("keeps what was reported ready until the probes have spoken, when the agent is new", () => {
    const probed: Pod = {
      ...pod,
      spec: { ...pod.spec, containers: [{ name: "c", image: "img:1", readinessProbe: { tcpSocket: { port: 1 } } }] },
    };
    const before = { ...started().status!, containerStatuses: started().status!.containerStatuses! };
    const runtime = { ...empty, sandboxes: [sandbox], containers: [running] };
    const actor = new Driven().send({ type: "boot", pod: { ...probed, status: before }, runtime });
    const status = actor.state.status;
    expect(status?.containerStatuses?.[0]?.ready).toBe(true);
    actor.send({ type: "probe", containerId: "c0", fact: { started: true, ready: false } });
    expect(actor.status?.containerStatuses?.[0]?.ready).toBe(false);
  });

  it("starts a dead container again at once and shows its end", () => {
    const actor = started();
    const end = { ...running, state: "exited" as const, exitCode: 137, finishedAt: actor.now, reason: "OOMKilled" };
    actor.send({ type: "container", container: end });
    expect(actor.steps).toEqual(["startContainer"]);
    expect(actor.status?.containerStatuses?.[0]).toMatchObject({
      ready: false,
      state: { terminated: { exitCode: 137 } },
    });
    actor.done({ container: { ...running, id: "c1", attempt: 1 } });
    expect(actor.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      ready: true,
      lastState: { terminated: { reason: "OOMKilled" } },
    });
  });

  it("sees the end of a container that is told before its start", () => {
    const actor = new Driven().send({
      type: "boot",
      pod: { ...pod, spec: { ...pod.spec, restartPolicy: "Never" } },
      runtime: empty,
    });
    actor.done().done({ sandbox });
    actor.send({ type: "image", image: "img:1", fact: { state: "present", ref: "sha256:1" } });
    actor.send({ type: "container", container: { ...running, state: "exited", finishedAt: 2001 } });
    actor.done({ container: running });
    expect(actor.status?.phase).toBe("Succeeded");
    expect(actor.steps).toEqual(["stopSandbox"]);
  });

  it("looks for the image again when a container could not be made", () => {
    const actor = new Driven().send({ type: "boot", pod, runtime: empty });
    actor.done().done({ sandbox });
    actor.send({ type: "image", image: "img:1", fact: { state: "present", ref: "sha256:1" } });
    actor.send({ type: "failed", step: actor.state.busy!, reason: "CreateContainerError", message: "no such image" });
    actor.send({ type: "tick" }, actor.now + 1000);
    expect(actor.steps).toEqual(["pullImage"]);
  });

  it("runs a postStart hook beside its steps and is Running only after it", () => {
    const lifecycle = { postStart: { exec: { command: ["x"] } } };
    const hooked: Pod = { ...pod, spec: { ...pod.spec, containers: [{ name: "c", image: "img:1", lifecycle }] } };
    const begin = (): Driven => {
      const actor = new Driven().send({ type: "boot", pod: hooked, runtime: empty });
      actor.done().done({ sandbox });
      actor.send({ type: "image", image: "img:1", fact: { state: "present", ref: "sha256:1" } });
      return actor.done({ container: running });
    };
    const actor = begin();
    expect(actor.steps).toEqual(["postStart"]);
    expect(actor.effects.some((effect) => effect.type === "probe")).toBe(false);
    expect(actor.state.status?.phase).toBe("Pending");
    actor.send({ type: "hook", containerId: "c0", ok: true });
    expect(actor.status).toMatchObject({ phase: "Running", containerStatuses: [{ ready: true }] });
    expect(actor.effects.some((effect) => effect.type === "probe")).toBe(true);
    const failing = begin().send({ type: "hook", containerId: "c0", ok: false });
    expect(failing.steps).toEqual(["kill"]);
    const end = { ...running, state: "exited" as const, exitCode: 137, finishedAt: failing.now };
    expect(failing.send({ type: "container", container: end }).steps).toEqual(["startContainer"]);
    const metadata = { ...pod.metadata, deletionTimestamp: "t", deletionGracePeriodSeconds: 0 };
    expect(begin().send({ type: "desired", pod: { ...hooked, metadata } }).steps).toEqual(["kill"]);
  });

  it("ends at its active deadline by a timer, and keeps what the manifest had ready", () => {
    const actor = new Driven().send({
      type: "boot",
      pod: { ...pod, spec: { ...pod.spec, activeDeadlineSeconds: 5 } },
      runtime: { ...empty, sandboxes: [sandbox], containers: [running] },
    });
    actor.done();
    expect(actor.effects.find((effect) => effect.type === "wake")).toEqual({ type: "wake", at: 6000 });
    actor.send({ type: "tick" }, 6000);
    expect(actor.steps).toEqual(["kill"]);
    actor.send({ type: "container", container: { ...running, state: "exited", exitCode: 143, finishedAt: 6100 } });
    expect(actor.status).toMatchObject({ phase: "Failed", reason: "DeadlineExceeded" });
  });

  it("waits in CrashLoopBackOff with a timer", () => {
    const actor = started();
    const end = { ...running, state: "exited" as const, exitCode: 1, finishedAt: actor.now, crashStep: 1 };
    actor.send({ type: "container", container: end });
    expect(actor.effects.find((effect) => effect.type === "wake")).toEqual({
      type: "wake",
      at: end.finishedAt + 10_000,
    });
    expect(actor.status?.containerStatuses?.[0]?.state?.waiting?.reason).toBe("CrashLoopBackOff");
    actor.send({ type: "tick" }, end.finishedAt + 10_000);
    expect(actor.steps).toEqual(["startContainer"]);
  });

  it("ignores lists that were asked for before the last step ended", () => {
    const actor = started();
    actor.send({ type: "runtime", runtime: empty, seenAt: 1000 });
    expect(actor.steps).toEqual([]);
    actor.send({ type: "runtime", runtime: empty, seenAt: actor.now });
    expect(actor.steps).toEqual(["createSandbox"]);
  });

  it("retries a failed step later and tells why", () => {
    const actor = new Driven().send({ type: "boot", pod, runtime: empty });
    actor.done();
    actor.send({ type: "failed", step: actor.state.busy!, reason: "ContainerCreating", message: "no network" });
    expect(actor.effects.map((effect) => effect.type)).toEqual(["wake", "refresh", "report"]);
    expect(actor.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe("no network");
  });

  it("says again that it is ready when its node was taken for lost, once for each doubt", () => {
    const actor = started();
    const doubted = (resourceVersion: string): Pod => ({
      ...pod,
      metadata: { ...pod.metadata, resourceVersion },
      status: { ...actor.state.status!, conditions: [{ type: "Ready", status: "False", reason: "NodeNotReady" }] },
    });
    actor.send({ type: "desired", pod: doubted("8") });
    expect(actor.status?.conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
    expect(actor.send({ type: "tick" }).status).toBeUndefined();
    expect(actor.send({ type: "desired", pod: doubted("9") }).status).toBeDefined();
    const boot = new Driven().send({
      type: "boot",
      pod: doubted("9"),
      runtime: { ...empty, sandboxes: [sandbox], containers: [running] },
    });
    expect(boot.status?.conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
  });

  it("ends a deleted pod: drain, kill, stop, remove the object, remove the rest, forget", () => {
    const actor = started();
    const metadata = { ...pod.metadata, deletionTimestamp: "t", deletionGracePeriodSeconds: 1 };
    actor.send({ type: "desired", pod: { ...pod, metadata } });
    expect(actor.steps).toEqual(["drain"]);
    expect(actor.state.status?.conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
    actor.send({ type: "drained" });
    expect(actor.steps).toEqual(["kill"]);
    expect(actor.status?.conditions?.find((c) => c.type === "Ready")?.status).toBe("False");
    actor.send({ type: "container", container: { ...running, state: "exited", finishedAt: actor.now } });
    expect(actor.steps).toEqual(["stopSandbox"]);
    expect(actor.done().steps).toEqual(["finalize"]);
    actor.send({ type: "gone" });
    expect(actor.done().steps).toEqual(["removeSandbox"]);
    expect(actor.done().steps).toEqual(["forget"]);
  });

  it("begins the grace period when the pod is drained, and drains no forced end and nothing that does not run", () => {
    const metadata = { ...pod.metadata, deletionTimestamp: "t", deletionGracePeriodSeconds: 5 };
    const actor = started().send({ type: "desired", pod: { ...pod, metadata } });
    actor.now += 1500;
    actor.send({ type: "drained" });
    expect(actor.effects).toContainEqual(
      expect.objectContaining({ step: expect.objectContaining({ type: "kill", graceSeconds: 5 }) }),
    );
    const hurried = started().send({ type: "desired", pod: { ...pod, metadata } });
    const now = { ...metadata, deletionGracePeriodSeconds: 0 };
    expect(hurried.send({ type: "desired", pod: { ...pod, metadata: now } }).steps).toEqual(["kill"]);
    expect(hurried.send({ type: "drained" }).steps).toEqual([]);
    expect(
      started()
        .send({ type: "desired", pod: { ...pod, metadata } })
        .send({ type: "gone" }).steps,
    ).toEqual(["kill"]);
    const waiting = new Driven().send({ type: "boot", pod, runtime: empty }).done().done({ sandbox });
    expect(waiting.send({ type: "desired", pod: { ...pod, metadata } }).steps).toEqual(["stopSandbox"]);
  });

  it("ends an orphan without asking the API to remove what it does not have", () => {
    const end = { ...running, state: "exited" as const, finishedAt: 3000 };
    const runtime = { ...empty, sandboxes: [{ ...sandbox, ready: false }], containers: [end] };
    const actor = new Driven().send({ type: "boot", pod: undefined, runtime });
    expect(actor.steps).toEqual(["removeSandbox"]);
    expect(actor.done().steps).toEqual(["forget"]);
  });

  it("never lets a phase go back, even when the runtime has forgotten everything", () => {
    const status = { phase: "Succeeded" };
    const actor = new Driven().send({ type: "boot", pod: { ...pod, status }, runtime: empty });
    expect(actor.steps).toEqual([]);
    expect(actor.state.status?.phase).toBe("Succeeded");
    const again = started().send({ type: "runtime", runtime: empty, seenAt: 5000 }, 5000);
    expect(again.state.status?.phase).toBe("Running");
  });
});
