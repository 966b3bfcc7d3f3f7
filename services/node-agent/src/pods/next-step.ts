import type { Container, Pod } from "@trireme/api";
import { probeFact } from "../probes/probe-state.ts";
import { restartOf } from "./crash-delay.ts";
import type { ContainerFact, EndFact, PodFacts } from "./facts.ts";
import { PULL_FAILURE_SHOWN_MS, newestOf } from "./facts.ts";
import { hookOf } from "./hooks.ts";
import { DEFAULT_GRACE_SECONDS, graceOf, isSidecar, isRunning, killAll, killOne, ownGraceOf } from "./killing.ts";

/** One idempotent thing to do for a pod. `wait` means that nothing is due before `until` or a new fact. */
export type Step =
  | { readonly type: "prepare" }
  | { readonly type: "createSandbox"; readonly attempt: number }
  | { readonly type: "pullImage"; readonly image: string; readonly policy: string; readonly failures: number }
  | {
      readonly type: "startContainer";
      readonly name: string;
      readonly attempt: number;
      readonly crashStep: number;
      readonly imageRef: string;
      readonly sandboxId: string;
      readonly sandboxAttempt: number;
      /** A container of this attempt that was created and never started. */
      readonly createdId?: string;
    }
  | {
      readonly type: "kill";
      readonly containers: readonly ContainerFact[];
      readonly graceSeconds: number;
      /** When SIGKILL follows. */
      readonly deadline: number;
      /** The event's message, when the pod does not simply end. */
      readonly why?: string;
    }
  /** Run the hook, beside other steps. */
  | { readonly type: "postStart"; readonly container: ContainerFact }
  /** Wait, beside other steps, until no proxy sends new connections to the pod. */
  | { readonly type: "drain" }
  | { readonly type: "removeContainer"; readonly id: string }
  | { readonly type: "stopSandbox"; readonly id: string }
  | { readonly type: "removeSandbox"; readonly id: string }
  | { readonly type: "end"; readonly end: EndFact }
  /** The last containers are dead and the address is free: the API object may go. */
  | { readonly type: "finalize" }
  | { readonly type: "forget" }
  | { readonly type: "wait"; readonly until: number };

/** A pod that the API no longer has was decided on while we were away; it gets this long to end. */
const ORPHAN_GRACE_SECONDS = 1;
/** Instances of one container that are kept for `lastState` and `logs --previous`: the newest and the one before. */
const KEPT_INSTANCES = 2;
const NEVER = Number.POSITIVE_INFINITY;

/** The next step of a pod. Pure: the same facts at the same time give the same step. */
export function nextStep(facts: PodFacts, now: number): Step {
  const { pod } = facts;
  if (facts.gone || pod === undefined) return teardown(facts, ORPHAN_GRACE_SECONDS, now);
  if (facts.drain === "due") return { type: "drain" };
  if (facts.drain === "waiting") return { type: "wait", until: NEVER };
  if (pod.metadata.deletionTimestamp !== undefined) return teardown(facts, graceOf(pod), now);
  if (facts.ended !== undefined) return release(pod, facts, now);
  const verdict = outcome(pod, facts, now);
  if (verdict !== undefined) return { type: "end", end: verdict };
  const deadline = deadlineOf(pod, facts);
  const step = advance(pod, facts, now);
  return step.type === "wait" && deadline < step.until ? { type: "wait", until: deadline } : step;
}

function advance(pod: Pod, facts: PodFacts, now: number): Step {
  if (!facts.prepared) return retry(facts, "", now) ?? { type: "prepare" };
  const sandbox = facts.runtime.sandboxes[0];
  if (sandbox === undefined || !sandbox.ready) return renewSandbox(facts, now);
  return runContainers(pod, facts, now);
}

/** When the pod has been active for as long as it may; `Infinity` when it may for ever. */
function deadlineOf(pod: Pod, facts: PodFacts): number {
  const seconds = pod.spec.activeDeadlineSeconds;
  return seconds === undefined ? NEVER : facts.acceptedAt + seconds * 1000;
}

/** What a container is in its pod; `ephemeral`: added later by somebody who wants to look inside, and run once. */
export type Role = "init" | "main" | "sidecar" | "ephemeral";

/** Whether a container that has ended is to run again. */
export function restarts(pod: Pod, ended: ContainerFact, role: Role): boolean {
  if (role === "sidecar") return true;
  if (role === "ephemeral") return false;
  const policy = pod.spec.restartPolicy ?? "Always";
  if (role === "init") return ended.exitCode !== 0 && policy !== "Never";
  return policy === "Always" || (policy === "OnFailure" && ended.exitCode !== 0);
}

function retry(facts: PodFacts, name: string, now: number): Step | undefined {
  const failure = facts.failures[name];
  return failure !== undefined && failure.retryAt > now ? { type: "wait", until: failure.retryAt } : undefined;
}

function teardown(facts: PodFacts, grace: number, now: number): Step {
  const { runtime } = facts;
  const kill = killAll(facts, grace, now);
  if (kill !== undefined) return kill;
  if (runtime.containers.some(isRunning)) return { type: "wait", until: NEVER };
  const waiting = retry(facts, "", now);
  if (waiting !== undefined) return waiting;
  const live = runtime.sandboxes.find((sandbox) => sandbox.ready);
  if (live !== undefined) return { type: "stopSandbox", id: live.id };
  if (!facts.finalized) return { type: "finalize" };
  const dead = runtime.sandboxes[0];
  if (dead !== undefined) return { type: "removeSandbox", id: dead.id };
  return { type: "forget" };
}

/** A pod that has ended keeps its containers for their logs, but not its address and not its sidecars. */
function release(pod: Pod, facts: PodFacts, now: number): Step {
  const kill = killAll(facts, ownGraceOf(pod), now);
  if (kill !== undefined) return kill;
  if (facts.runtime.containers.some(isRunning)) return { type: "wait", until: NEVER };
  const waiting = retry(facts, "", now);
  if (waiting !== undefined) return waiting;
  const live = facts.runtime.sandboxes.find((sandbox) => sandbox.ready);
  return live === undefined ? { type: "wait", until: NEVER } : { type: "stopSandbox", id: live.id };
}

/** How the pod has ended, if it has: it took too long, an init container failed for good, or every container is done. */
function outcome(pod: Pod, facts: PodFacts, now: number): EndFact | undefined {
  if (now >= deadlineOf(pod, facts)) {
    const message = "Pod was active on the node longer than the specified deadline";
    return { phase: "Failed", reason: "DeadlineExceeded", message };
  }
  for (const init of pod.spec.initContainers ?? []) {
    const last = newestOf(facts.runtime, init.name);
    if (isSidecar(init) || last === undefined || last.state !== "exited") continue;
    if (last.exitCode !== 0 && !restarts(pod, last, "init")) return { phase: "Failed" };
  }
  let failed = false;
  for (const container of pod.spec.containers) {
    const last = newestOf(facts.runtime, container.name);
    if (last === undefined || last.state !== "exited" || restarts(pod, last, "main")) return undefined;
    failed ||= last.exitCode !== 0;
  }
  return { phase: failed ? "Failed" : "Succeeded" };
}

function renewSandbox(facts: PodFacts, now: number): Step {
  const { runtime } = facts;
  const old = runtime.sandboxes[0];
  // Containers of a dead sandbox have lost their network: they end before a new sandbox begins.
  const kill = killAll(facts, DEFAULT_GRACE_SECONDS, now);
  if (kill !== undefined) return kill;
  if (runtime.containers.some(isRunning)) return { type: "wait", until: NEVER };
  const waiting = retry(facts, "", now);
  if (waiting !== undefined) return waiting;
  const older = runtime.sandboxes[1];
  if (older !== undefined) return { type: "removeSandbox", id: older.id };
  return { type: "createSandbox", attempt: old === undefined ? 0 : old.attempt + 1 };
}

function runContainers(pod: Pod, facts: PodFacts, now: number): Step {
  let until = NEVER;
  const ephemeral = (pod.spec.ephemeralContainers ?? []).map((container) => ({
    container,
    role: "ephemeral" as const,
  }));
  for (const { container, role } of [...ephemeral, ...due(pod, facts)]) {
    const step = stepOf(pod, facts, container, role, now);
    if (step !== undefined && step.type !== "wait") return step;
    if (step !== undefined) until = Math.min(until, step.until);
    // Containers start in order, each after the hook of the one before: people rely on it.
    if (hookRuns(pod, facts, container)) break;
  }
  return clean(facts) ?? { type: "wait", until };
}

function hookRuns(pod: Pod, facts: PodFacts, container: Container): boolean {
  const last = newestOf(facts.runtime, container.name);
  return last?.state === "running" && hookOf(pod, container, last, facts.hooks) === "running";
}

type Due = { readonly container: Container; readonly role: Role };

/** The containers whose turn has come: init containers one after the other, sidecars from their turn on, then all. */
function due(pod: Pod, facts: PodFacts): Due[] {
  const out: Due[] = [];
  const sandboxId = facts.runtime.sandboxes[0]!.id;
  // Once a container of this sandbox exists its init containers are done, even if their traces were removed.
  const inited = pod.spec.containers.some((c) => newestOf(facts.runtime, c.name)?.sandboxId === sandboxId);
  for (const container of pod.spec.initContainers ?? []) {
    const last = newestOf(facts.runtime, container.name);
    const current = last?.sandboxId === sandboxId ? last : undefined;
    if (isSidecar(container)) {
      out.push({ container, role: "sidecar" });
      const probed = current === undefined ? undefined : (facts.probes[current.id] ?? probeFact(container, []));
      const hooked = current !== undefined && hookOf(pod, container, current, facts.hooks) === "done";
      const started = current?.state === "running" && hooked && (probed?.started ?? false);
      if (!inited && !started) return out;
    } else if (!inited && !(current?.state === "exited" && current.exitCode === 0)) {
      out.push({ container, role: "init" });
      return out;
    }
  }
  for (const container of pod.spec.containers) out.push({ container, role: "main" });
  return out;
}

function stepOf(pod: Pod, facts: PodFacts, container: Container, role: Role, now: number): Step | undefined {
  const sandbox = facts.runtime.sandboxes[0]!;
  const last = newestOf(facts.runtime, container.name);
  if (last?.state === "running" && last.sandboxId === sandbox.id) return tend(pod, facts, container, last, now);
  if (role === "ephemeral" && last !== undefined && last.state !== "created") return undefined;
  if (last?.state === "unknown") return { type: "removeContainer", id: last.id };
  // The start of a new sandbox is no crash: its containers run at once, but their count goes on.
  let next = { attempt: last === undefined ? 0 : last.attempt + 1, crashStep: 0 };
  if (last?.state === "exited" && last.sandboxId === sandbox.id) {
    if (!restarts(pod, last, role)) return undefined;
    const again = restartOf(last);
    if (again.at > now) return { type: "wait", until: again.at };
    next = { ...next, crashStep: again.step };
  }
  const waiting = retry(facts, container.name, now);
  if (waiting !== undefined) return waiting;
  const name = container.image ?? "";
  const image = facts.images[name];
  if (image === undefined || (image.state === "failed" && image.retryAt <= now)) {
    return { type: "pullImage", image: name, policy: pullPolicyOf(container), failures: image?.failures ?? 0 };
  }
  if (image.state === "pulling") return { type: "wait", until: NEVER };
  if (image.state === "failed") {
    const shown = image.failedAt + PULL_FAILURE_SHOWN_MS;
    return { type: "wait", until: now < shown ? Math.min(shown, image.retryAt) : image.retryAt };
  }
  const created = last?.state === "created" && last.sandboxId === sandbox.id ? last : undefined;
  return {
    type: "startContainer",
    name: container.name,
    attempt: created?.attempt ?? next.attempt,
    crashStep: created?.crashStep ?? next.crashStep,
    imageRef: image.ref,
    sandboxId: sandbox.id,
    sandboxAttempt: sandbox.attempt,
    ...(created === undefined ? {} : { createdId: created.id }),
  };
}

/** `IfNotPresent` unless the image has the tag `latest` or none, as Kubernetes defaults it. */
export function pullPolicyOf(container: Container): string {
  if (container.imagePullPolicy !== undefined) return container.imagePullPolicy;
  const image = container.image ?? "";
  const tag = image.includes("@") ? "" : (/:([^:/]+)$/.exec(image)?.[1] ?? "latest");
  return tag === "latest" ? "Always" : "IfNotPresent";
}

/** What a running container needs: its hook, or its end when the hook or a probe has failed. */
function tend(pod: Pod, facts: PodFacts, container: Container, running: ContainerFact, now: number): Step | undefined {
  const hook = hookOf(pod, container, running, facts.hooks);
  if (hook === undefined) return { type: "postStart", container: running };
  if (hook === "failed") return killOne(facts, running, ownGraceOf(pod), "FailedPostStartHook", now);
  const failed = facts.probes[running.id]?.failed;
  if (failed === undefined) return undefined;
  const probe = failed === "startup" ? container.startupProbe : container.livenessProbe;
  const grace = probe?.terminationGracePeriodSeconds ?? ownGraceOf(pod);
  return killOne(facts, running, grace, `Container ${container.name} failed ${failed} probe, will be restarted`, now);
}

/** Dead instances beyond those that people may ask for, and sandboxes that were replaced. */
function clean(facts: PodFacts): Step | undefined {
  const older = facts.runtime.sandboxes[1];
  const seen = new Map<string, number>();
  for (const container of facts.runtime.containers) {
    const count = (seen.get(container.name) ?? 0) + 1;
    seen.set(container.name, count);
    if (count > KEPT_INSTANCES && container.state !== "running") return { type: "removeContainer", id: container.id };
  }
  return older !== undefined && !older.ready ? { type: "removeSandbox", id: older.id } : undefined;
}
