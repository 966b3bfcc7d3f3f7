import type { Behaviour, Transition } from "@trireme/actor";
import type { Pod, PodCondition, PodStatus } from "@trireme/api";
import { assert } from "@trireme/base";
import { podStatus } from "../status/pod-status.ts";
import type { StatusEvent } from "../status/status-events.ts";
import { statusEvents } from "../status/status-events.ts";
import { findContainer } from "./containers.ts";
import type { ContainerFact, EndFact, ImageFact, PodFacts, ProbeFact, RuntimePod, SandboxFact } from "./facts.ts";
import { emptyRuntimePod } from "./facts.ts";
import { hookOf } from "./hooks.ts";
import { graceOf, isRunning } from "./killing.ts";
import type { Step } from "./next-step.ts";
import { nextStep } from "./next-step.ts";

/** What a pod's actor is told. `at` is the wall clock in milliseconds when it was sent. */
export type PodMessage = { readonly at: number } &
  /**
   * The first message of each start and restart. With `runtime` the runtime's truth is known; without, it is read
   * before the first step.
   */
  (
    | { readonly type: "boot"; readonly pod: Pod | undefined; readonly runtime: RuntimePod | undefined }
    | { readonly type: "desired"; readonly pod: Pod }
    /** The API does not have the pod any more. */
    | { readonly type: "gone" }
    /** The runtime's truth about this pod; `seenAt` is when the lists were asked for. */
    | { readonly type: "runtime"; readonly runtime: RuntimePod; readonly seenAt: number }
    | { readonly type: "container"; readonly container: ContainerFact }
    | { readonly type: "sandboxDied"; readonly id: string }
    | { readonly type: "done"; readonly step: Step; readonly result: StepResult }
    | { readonly type: "failed"; readonly step: Step; readonly reason: string; readonly message: string }
    /** No proxy sends new connections to the pod any more, or that has been waited for long enough. */
    | { readonly type: "drained" }
    | { readonly type: "image"; readonly image: string; readonly fact: ImageFact }
    | { readonly type: "probe"; readonly containerId: string; readonly fact: ProbeFact }
    /** A postStart hook has ended. */
    | { readonly type: "hook"; readonly containerId: string; readonly ok: boolean }
    | { readonly type: "tick" }
  );

/** What a step that went well has changed. */
export interface StepResult {
  readonly sandbox?: SandboxFact;
  readonly container?: ContainerFact;
}

/** What the runtime of actors is to do for a pod. */
export type PodEffect =
  | { readonly type: "step"; readonly step: Step; readonly facts: PodFacts }
  | { readonly type: "report"; readonly pod: Pod; readonly status: PodStatus }
  | { readonly type: "probe"; readonly pod: Pod; readonly containers: readonly ContainerFact[]; readonly ip: string }
  /** Read the runtime's truth about this pod again: a step failed half-way. */
  | { readonly type: "refresh" }
  | { readonly type: "event"; readonly pod: Pod; readonly event: StatusEvent }
  | { readonly type: "wake"; readonly at: number };

/** A pod's actor between two messages. */
export interface PodState {
  readonly facts: PodFacts;
  /** The runtime's truth has been read since the start: before that no step is taken. */
  readonly synced: boolean;
  /** The step that is being done; pulls, hooks and kills run beside it. */
  readonly busy: Step | undefined;
  /** When `busy` last changed: lists that were asked for earlier do not know of it. */
  readonly changedAt: number;
  readonly status: PodStatus | undefined;
  readonly probed: string;
  readonly wakeAt: number;
  /** The resourceVersion of the pod whose doubted readiness has been contradicted. */
  readonly answered: string | undefined;
}

/** Who the node is, as pods see it. */
export interface NodeIdentity {
  readonly name: string;
  readonly address: string;
}

/** Retries of a failed step: 0.2 s doubling to 10 s, so that a moment's trouble costs little and a lasting one too. */
const RETRY_FIRST_MS = 200;
const RETRY_LAST_MS = 10_000;
const PHASES: readonly (string | undefined)[] = ["Pending", "Running", "Succeeded", "Failed"];

/** The behaviour of one pod's actor. */
export function podBehaviour(seed: {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly node: NodeIdentity;
}): Behaviour<PodState, PodMessage, PodEffect> {
  const runtime = emptyRuntimePod(seed.uid, seed.namespace, seed.name);
  const facts: PodFacts = {
    pod: undefined,
    gone: false,
    runtime,
    prepared: false,
    images: {},
    failures: {},
    probes: {},
    hooks: {},
    killing: {},
    drain: undefined,
    acceptedAt: 0,
    endingSince: 0,
    finalized: false,
    ended: undefined,
    endedAt: 0,
  };
  return {
    name: "pod",
    initial: () => ({
      facts,
      synced: false,
      busy: undefined,
      changedAt: 0,
      status: undefined,
      probed: "",
      wakeAt: 0,
      answered: undefined,
    }),
    receive: (state, message) => {
      const unread = message.type === "boot" && message.runtime === undefined;
      return advance(apply(state, message), message.at, seed.node, unread || message.type === "failed");
    },
  };
}

function apply(state: PodState, message: PodMessage): PodState {
  const { facts } = state;
  const set = (change: Partial<PodFacts>): PodState => ({ ...state, facts: { ...facts, ...change } });
  switch (message.type) {
    case "boot": {
      const { pod, runtime } = message;
      const booted = { ...set({ runtime: runtime ?? facts.runtime }), synced: runtime !== undefined };
      return pod === undefined ? gone(booted, message.at) : desired(booted, pod, message.at);
    }
    case "desired":
      return desired(state, message.pod, message.at);
    case "gone":
      return gone(state, message.at);
    case "runtime":
      if (state.busy !== undefined || (state.synced && message.seenAt < state.changedAt)) return state;
      return { ...set({ runtime: message.runtime, ...pruned(facts, message.runtime) }), synced: true };
    case "container": {
      // The end of a container may be told before its start has been: what lives a moment ends in that moment.
      const { container } = message;
      const known = facts.runtime.containers.find((c) => c.id === container.id);
      const ours = facts.runtime.sandboxes.some((s) => s.id === container.sandboxId);
      if (known?.state === "exited" || (known === undefined && !ours)) return state;
      return { ...set({ runtime: withContainer(facts.runtime, message.container) }), changedAt: message.at };
    }
    case "sandboxDied": {
      const sandboxes = facts.runtime.sandboxes.map((s) => (s.id === message.id ? { ...s, ready: false } : s));
      return set({ runtime: { ...facts.runtime, sandboxes } });
    }
    case "image":
      return set({ images: { ...facts.images, [message.image]: message.fact } });
    case "probe":
      return set({ probes: { ...facts.probes, [message.containerId]: message.fact } });
    case "hook":
      return set({ hooks: { ...facts.hooks, [message.containerId]: message.ok ? "done" : "failed" } });
    case "drained":
      return drained(state, message.at);
    case "tick":
      return { ...state, wakeAt: 0 };
    case "done":
      return finished(state, message.step, message.result, message.at);
    case "failed":
      return failed(state, message.step, message.reason, message.message, message.at);
  }
}

function gone(state: PodState, at: number): PodState {
  const { facts } = state;
  return { ...state, facts: { ...facts, gone: true, finalized: true, endingSince: facts.endingSince || at } };
}

function desired(state: PodState, pod: Pod, at: number): PodState {
  const ended = state.facts.ended ?? endedOf(pod);
  const endedAt = state.facts.endedAt || (ended === undefined ? 0 : at);
  const acceptedAt = state.facts.acceptedAt || Date.parse(pod.status?.startTime ?? "") || at;
  const facts: PodFacts = { ...state.facts, pod, ended, endedAt, acceptedAt };
  const ending = pod.metadata.deletionTimestamp !== undefined;
  if (!ending || facts.endingSince !== 0) return { ...state, facts };
  const drain = mayDrain(state, pod) ? (facts.drain ?? "due") : "over";
  return { ...state, facts: { ...facts, drain, endingSince: drain === "over" ? at : 0 } };
}

/** Forced ends take no time, and where nothing runs there is nothing to take out of rotation. */
function mayDrain({ facts, synced }: PodState, pod: Pod): boolean {
  if (facts.gone || facts.ended !== undefined || graceOf(pod) === 0) return false;
  return !synced || facts.runtime.containers.some(isRunning);
}

function drained(state: PodState, at: number): PodState {
  const { facts } = state;
  if (facts.drain !== "waiting") return state;
  return { ...state, facts: { ...facts, drain: "over", endingSince: facts.endingSince || at } };
}

/** An API status that says the pod has ended binds us too, whatever the runtime has forgotten since. */
function endedOf({ status }: Pod): EndFact | undefined {
  const phase = status?.phase;
  if (phase !== "Succeeded" && phase !== "Failed") return undefined;
  const { reason, message } = status ?? {};
  return { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

function withContainer(runtime: RuntimePod, container: ContainerFact): RuntimePod {
  const others = runtime.containers.filter((c) => c.id !== container.id);
  return { ...runtime, containers: [container, ...others].toSorted((a, b) => b.attempt - a.attempt) };
}

/** Facts about containers that no longer exist would pile up. */
function pruned(facts: PodFacts, runtime: RuntimePod): Pick<PodFacts, "probes" | "hooks" | "killing"> {
  const running = new Set(runtime.containers.filter(isRunning).map((c) => c.id));
  const keep = <T>(map: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(map).filter(([id]) => running.has(id)));
  return { probes: keep(facts.probes), hooks: keep(facts.hooks), killing: keep(facts.killing) };
}

function subjectOf(step: Step): string {
  return step.type === "startContainer" ? step.name : "";
}

function finished(state: PodState, step: Step, result: StepResult, at: number): PodState {
  const { facts } = state;
  if (step.type === "kill") return state;
  const { [subjectOf(step)]: _, ...failures } = facts.failures;
  let runtime = facts.runtime;
  if (result.sandbox !== undefined) {
    const others = runtime.sandboxes.filter((s) => s.id !== result.sandbox?.id);
    runtime = { ...runtime, sandboxes: [result.sandbox, ...others] };
  }
  const started = result.container;
  const over = runtime.containers.some((c) => c.id === started?.id && c.state === "exited");
  if (started !== undefined && !over) runtime = withContainer(runtime, started);
  if (step.type === "stopSandbox") {
    const sandboxes = runtime.sandboxes.map((s) => (s.id === step.id ? { ...s, ready: false } : s));
    runtime = { ...runtime, sandboxes };
  }
  if (step.type === "removeSandbox") {
    const sandboxes = runtime.sandboxes.filter((s) => s.id !== step.id);
    runtime = { ...runtime, sandboxes, containers: runtime.containers.filter((c) => c.sandboxId !== step.id) };
  }
  if (step.type === "removeContainer") {
    runtime = { ...runtime, containers: runtime.containers.filter((c) => c.id !== step.id) };
  }
  return {
    ...state,
    // A step that an earlier life of this actor began ends here without being what we wait for.
    busy: state.busy === step ? undefined : state.busy,
    changedAt: at,
    facts: {
      ...facts,
      runtime,
      failures,
      prepared: facts.prepared || step.type === "prepare",
      finalized: facts.finalized || step.type === "finalize",
    },
  };
}

function failed(state: PodState, step: Step, reason: string, message: string, at: number): PodState {
  const { facts } = state;
  if (step.type === "drain") return drained(state, at);
  if (step.type === "postStart") {
    return { ...state, facts: { ...facts, hooks: { ...facts.hooks, [step.container.id]: "failed" } } };
  }
  if (step.type === "kill") {
    const killing = { ...facts.killing };
    for (const container of step.containers) delete killing[container.id];
    return { ...state, facts: { ...facts, killing } };
  }
  const subject = subjectOf(step);
  const failures = (facts.failures[subject]?.failures ?? 0) + 1;
  const retryAt = at + Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10));
  const failure = { reason, message, failures, retryAt };
  const images = { ...facts.images };
  // The image may have been removed since it was found: it is looked for again.
  if (step.type === "startContainer") delete images[imageOf(facts, step.name)];
  return {
    ...state,
    busy: state.busy === step ? undefined : state.busy,
    changedAt: at,
    facts: { ...facts, images, failures: { ...facts.failures, [subject]: failure } },
  };
}

function imageOf(facts: PodFacts, name: string): string {
  return (facts.pod && findContainer(facts.pod, name)?.image) ?? "";
}

/** Decides what follows from the facts: at most one step, the probes that should run, the status to report. */
function advance(before: PodState, now: number, node: NodeIdentity, refresh: boolean): Transition<PodState, PodEffect> {
  const effects: PodEffect[] = [];
  let state = before;
  // Ends and image states are facts that a turn itself creates: at most one turn for each, then a step or a wait.
  for (let turn = 0; state.synced && state.busy === undefined; turn++) {
    assert(turn < 100, "a pod's turn comes to a step or a wait");
    const step = nextStep(state.facts, now);
    const { facts } = state;
    if (step.type === "end") {
      state = { ...state, facts: { ...facts, ended: step.end, endedAt: now } };
      continue;
    }
    if (step.type === "wait") {
      if (Number.isFinite(step.until) && (state.wakeAt === 0 || step.until < state.wakeAt || state.wakeAt <= now)) {
        effects.push({ type: "wake", at: step.until });
        state = { ...state, wakeAt: step.until };
      }
      break;
    }
    effects.push({ type: "step", step, facts });
    if (step.type === "pullImage") {
      const images = { ...facts.images, [step.image]: { state: "pulling" } as const };
      state = { ...state, facts: { ...facts, images } };
    } else if (step.type === "drain") {
      state = { ...state, facts: { ...facts, drain: "waiting" } };
    } else if (step.type === "postStart") {
      state = { ...state, facts: { ...facts, hooks: { ...facts.hooks, [step.container.id]: "running" } } };
    } else if (step.type === "kill") {
      const killing = { ...facts.killing };
      for (const container of step.containers) killing[container.id] = step.deadline;
      state = { ...state, facts: { ...facts, killing } };
    } else {
      state = { ...state, busy: step, changedAt: now };
    }
  }
  if (refresh) effects.push({ type: "refresh" });
  state = probe(state, effects);
  return { state: report(state, now, node, effects), effects };
}

function probe(state: PodState, effects: PodEffect[]): PodState {
  const { pod, runtime, gone, endingSince, ended } = state.facts;
  if (pod === undefined || !state.synced) return state;
  // A pod that ends is out of service at once: its probes have nothing more to say.
  const over = gone || ended !== undefined || endingSince !== 0;
  const running = over ? [] : runtime.containers.filter((container) => isStarted(pod, container, state.facts));
  const ip = runtime.sandboxes[0]?.ip ?? "";
  const probed = running.map((container) => container.id).join();
  if (probed === state.probed) return state;
  effects.push({ type: "probe", pod, containers: running, ip });
  return { ...state, probed };
}

/** The version at which the API has the pod as unready because this node was silent, unless that has been answered. */
function doubtOf(state: PodState, pod: Pod): string | undefined {
  const { resourceVersion } = pod.metadata;
  const doubted = conditionOf(pod.status, "Ready")?.reason === "NodeNotReady";
  return doubted && resourceVersion !== state.answered ? resourceVersion : undefined;
}

function conditionOf(status: PodStatus | undefined, type: string): PodCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** Runs, and its postStart hook has ended. */
function isStarted(pod: Pod, instance: ContainerFact, facts: PodFacts): boolean {
  const container = findContainer(pod, instance.name);
  return isRunning(instance) && container !== undefined && hookOf(pod, container, instance, facts.hooks) === "done";
}

function report(state: PodState, now: number, node: NodeIdentity, effects: PodEffect[]): PodState {
  const { pod, gone, finalized } = state.facts;
  if (pod === undefined || gone || finalized || !state.synced) return state;
  const last = state.status ?? pod.status;
  const doubted = doubtOf(state, pod);
  const status = podStatus({ ...state.facts, pod }, node, last, now);
  assert(
    PHASES.indexOf(status.phase) >= PHASES.indexOf(last?.phase ?? "Pending"),
    `the phase of pod ${pod.metadata.name} would go back from ${last?.phase} to ${status.phase}`,
  );
  if (state.status !== undefined && JSON.stringify(status) === JSON.stringify(state.status)) {
    if (doubted === undefined || conditionOf(status, "Ready")?.status !== "True") return state;
    effects.push({ type: "report", pod, status });
    return { ...state, answered: doubted };
  }
  if (state.status === undefined && JSON.stringify(status) === JSON.stringify(pod.status)) return { ...state, status };
  effects.push({ type: "report", pod, status });
  for (const event of statusEvents(pod, last, status)) effects.push({ type: "event", pod, event });
  return { ...state, status };
}
