import type { Container, Pod } from "@trireme/api";
import { probeFact } from "../probes/probe-state.ts";
import { restartOf } from "./crash-delay.ts";
import type { ContainerFact, PodFacts } from "./facts.ts";
import { newestOf } from "./facts.ts";

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
      readonly why: string;
    }
  /** Wait, beside other steps, until no proxy sends new connections to the pod. */
  | { readonly type: "drain" }
  | { readonly type: "removeContainer"; readonly id: string }
  | { readonly type: "stopSandbox"; readonly id: string }
  | { readonly type: "removeSandbox"; readonly id: string }
  | { readonly type: "end"; readonly phase: "Succeeded" | "Failed" }
  /** The last containers are dead and the address is free: the API object may go. */
  | { readonly type: "finalize" }
  | { readonly type: "forget" }
  | { readonly type: "wait"; readonly until: number };

/** A pod that the API no longer has was decided on while we were away; it gets this long to end. */
const ORPHAN_GRACE_SECONDS = 1;
const DEFAULT_GRACE_SECONDS = 30;
/** Instances of one container that are kept for `lastState` and `logs --previous`: the newest and the one before. */
const KEPT_INSTANCES = 2;
const NEVER = Number.POSITIVE_INFINITY;

/** The next step of a pod. Pure: the same facts at the same time give the same step. */
export function nextStep(facts: PodFacts, now: number): Step {
  const { pod, runtime } = facts;
  if (facts.gone || pod === undefined) return teardown(facts, ORPHAN_GRACE_SECONDS, now);
  if (facts.drain === "due") return { type: "drain" };
  if (facts.drain === "waiting") return { type: "wait", until: NEVER };
  if (pod.metadata.deletionTimestamp !== undefined) return teardown(facts, graceOf(pod), now);
  if (facts.ended !== undefined) return release(facts, now);
  if (!facts.prepared) return retry(facts, "", now) ?? { type: "prepare" };

  const sandbox = runtime.sandboxes[0];
  const verdict = outcome(pod, facts);
  if (verdict !== undefined) return { type: "end", phase: verdict };
  if (sandbox === undefined || !sandbox.ready) return renewSandbox(facts, now);
  return runContainers(pod, facts, now);
}

/** Seconds that a pod's containers get between SIGTERM and SIGKILL when it is deleted. */
export function graceOf(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Whether an init container runs beside the pod's containers for as long as they do. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** Whether a container that has ended is to run again. */
export function restarts(pod: Pod, ended: ContainerFact, role: "init" | "main" | "sidecar"): boolean {
  if (role === "sidecar") return true;
  const policy = pod.spec.restartPolicy ?? "Always";
  if (role === "init") return ended.exitCode !== 0 && policy !== "Never";
  return policy === "Always" || (policy === "OnFailure" && ended.exitCode !== 0);
}

function retry(facts: PodFacts, name: string, now: number): Step | undefined {
  const failure = facts.failures[name];
  return failure !== undefined && failure.retryAt > now ? { type: "wait", until: failure.retryAt } : undefined;
}

/** The containers still running, if they must be told (again) to end; an earlier deadline overrides a later one. */
function killOf(facts: PodFacts, containers: readonly ContainerFact[], grace: number, why: string, now: number) {
  const deadline = (facts.endingSince || now) + grace * 1000;
  const due = containers.filter((container) => {
    const told = facts.killing[container.id];
    return container.state === "running" && (told === undefined || deadline < told);
  });
  const graceSeconds = Math.max(0, Math.ceil((deadline - now) / 1000));
  return due.length === 0 ? undefined : ({ type: "kill", containers: due, graceSeconds, why } satisfies Step);
}

function teardown(facts: PodFacts, grace: number, now: number): Step {
  const { runtime } = facts;
  const kill = killOf(facts, runtime.containers, grace, "the pod is being deleted", now);
  if (kill !== undefined) return kill;
  if (runtime.containers.some((container) => container.state === "running")) return { type: "wait", until: NEVER };
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
function release(facts: PodFacts, now: number): Step {
  const kill = killOf(facts, facts.runtime.containers, DEFAULT_GRACE_SECONDS, "the pod has ended", now);
  if (kill !== undefined) return kill;
  if (facts.runtime.containers.some((container) => container.state === "running"))
    return { type: "wait", until: NEVER };
  const waiting = retry(facts, "", now);
  if (waiting !== undefined) return waiting;
  const live = facts.runtime.sandboxes.find((sandbox) => sandbox.ready);
  return live === undefined ? { type: "wait", until: NEVER } : { type: "stopSandbox", id: live.id };
}

/** How the pod has ended, if it has: an init container failed for good, or every container is done. */
function outcome(pod: Pod, facts: PodFacts): "Succeeded" | "Failed" | undefined {
  for (const init of pod.spec.initContainers ?? []) {
    const last = newestOf(facts.runtime, init.name);
    if (isSidecar(init) || last === undefined || last.state !== "exited") continue;
    if (last.exitCode !== 0 && !restarts(pod, last, "init")) return "Failed";
  }
  let failed = false;
  for (const container of pod.spec.containers) {
    const last = newestOf(facts.runtime, container.name);
    if (last === undefined || last.state !== "exited" || restarts(pod, last, "main")) return undefined;
    failed ||= last.exitCode !== 0;
  }
  return failed ? "Failed" : "Succeeded";
}

function renewSandbox(facts: PodFacts, now: number): Step {
  const { runtime } = facts;
  const old = runtime.sandboxes[0];
  // Containers of a dead sandbox have lost their network: they end before a new sandbox begins.
  const kill = killOf(facts, runtime.containers, DEFAULT_GRACE_SECONDS, "the pod's sandbox has died", now);
  if (kill !== undefined) return kill;
  if (runtime.containers.some((container) => container.state === "running")) return { type: "wait", until: NEVER };
  const waiting = retry(facts, "", now);
  if (waiting !== undefined) return waiting;
  const older = runtime.sandboxes[1];
  if (older !== undefined) return { type: "removeSandbox", id: older.id };
  return { type: "createSandbox", attempt: old === undefined ? 0 : old.attempt + 1 };
}

function runContainers(pod: Pod, facts: PodFacts, now: number): Step {
  let until = NEVER;
  for (const { container, role } of due(pod, facts)) {
    const step = stepOf(pod, facts, container, role, now);
    if (step === undefined) continue;
    if (step.type !== "wait") return step;
    until = Math.min(until, step.until);
  }
  return clean(facts) ?? { type: "wait", until };
}

type Due = { readonly container: Container; readonly role: "init" | "main" | "sidecar" };

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
      const started = current?.state === "running" && (probed?.started ?? false);
      if (!inited && !started) return out;
    } else if (!inited && !(current?.state === "exited" && current.exitCode === 0)) {
      out.push({ container, role: "init" });
      return out;
    }
  }
  for (const container of pod.spec.containers) out.push({ container, role: "main" });
  return out;
}

function stepOf(pod: Pod, facts: PodFacts, container: Container, role: Due["role"], now: number): Step | undefined {
  const sandbox = facts.runtime.sandboxes[0]!;
  const last = newestOf(facts.runtime, container.name);
  if (last?.state === "running" && last.sandboxId === sandbox.id) return unhealthy(pod, facts, container, last, now);
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
  if (image.state === "failed") return { type: "wait", until: image.retryAt };
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

function unhealthy(pod: Pod, facts: PodFacts, container: Container, last: ContainerFact, now: number) {
  const failed = facts.probes[last.id]?.failed;
  if (failed === undefined || facts.killing[last.id] !== undefined) return undefined;
  const grace =
    container.livenessProbe?.terminationGracePeriodSeconds ??
    pod.spec.terminationGracePeriodSeconds ??
    DEFAULT_GRACE_SECONDS;
  return killOf(facts, [last], grace, failed, now);
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
