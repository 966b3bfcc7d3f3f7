import type { Container, ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from "@trireme/api";
import { restartOf } from "../pods/crash-delay.ts";
import type { ContainerFact, PodFacts } from "../pods/facts.ts";
import { PULL_FAILURE_SHOWN_MS, newestOf, previousOf } from "../pods/facts.ts";
import { probeFact } from "../probes/probe-state.ts";
import { hookOf } from "../pods/hooks.ts";
import { isRunning, isSidecar } from "../pods/killing.ts";
import type { Role } from "../pods/next-step.ts";
import { restarts } from "../pods/next-step.ts";
import type { NodeIdentity } from "../pods/pod-behaviour.ts";
import { qosClassOf } from "./qos.ts";

/** RFC 3339 with whole seconds, as the API shows times. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/**
 * The status of a pod, from what is known of it. `last` is what was reported before: phases never go back, times of
 * transition stay, and conditions that are not ours are kept.
 */
export function podStatus(
  facts: PodFacts & { readonly pod: Pod },
  node: NodeIdentity,
  last: PodStatus | undefined,
  now: number,
): PodStatus {
  const { pod, runtime } = facts;
  const inits = (pod.spec.initContainers ?? []).map((container) => {
    const role: Role = isSidecar(container) ? "sidecar" : "init";
    return statusOf(facts, container, role, last, now);
  });
  const containers = pod.spec.containers.map((container) => statusOf(facts, container, "main", last, now));
  const ephemeral = (pod.spec.ephemeralContainers ?? []).map((c) => statusOf(facts, c, "ephemeral", last, now));
  const phase = phaseOf(facts, last);
  // A pod that has ended keeps the address it had, for those who look back.
  const ip = pod.spec.hostNetwork ? node.address : runtime.sandboxes[0]?.ip || (last?.podIP ?? "");
  return {
    phase,
    conditions: conditionsOf(facts, inits, containers, phase, last, now),
    hostIP: node.address,
    hostIPs: [{ ip: node.address }],
    ...(ip === "" ? {} : { podIP: ip, podIPs: [{ ip }] }),
    startTime: last?.startTime ?? timeOf(facts.acceptedAt || now),
    qosClass: last?.qosClass ?? qosClassOf(pod),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: containers,
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
    ...whyOf(facts, phase, last),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf(facts: PodFacts & { readonly pod: Pod }, last: PodStatus | undefined): string {
  // A pod is not over for others while something of it still runs: its sidecars, or all of it past its deadline.
  const over = facts.ended !== undefined && !facts.runtime.containers.some(isRunning);
  if (over || isOver(last?.phase)) return facts.ended?.phase ?? last?.phase ?? "Failed";
  if (last?.phase === "Running") return "Running";
  const started = facts.pod.spec.containers.every((container) => {
    const newest = newestOf(facts.runtime, container.name);
    return newest !== undefined && newest.state !== "created" && !isHooked(facts, container, newest);
  });
  return started ? "Running" : "Pending";
}

function isOver(phase: string | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/** Why the pod as a whole is as it is. */
function whyOf(facts: PodFacts, phase: string, last: PodStatus | undefined): Pick<PodStatus, "reason" | "message"> {
  const { reason, message } = isOver(phase) && facts.ended?.reason !== undefined ? facts.ended : (last ?? {});
  return { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

/** Runs in the runtime, but its postStart hook has not ended well: for people it waits. */
function isHooked(facts: PodFacts & { readonly pod: Pod }, container: Container, newest: ContainerFact): boolean {
  return isRunning(newest) && hookOf(facts.pod, container, newest, facts.hooks) !== "done";
}

function statusOf(
  facts: PodFacts & { readonly pod: Pod },
  container: Container,
  role: Role,
  last: PodStatus | undefined,
  now: number,
): ContainerStatus {
  const newest = newestOf(facts.runtime, container.name);
  const older = previousOf(facts.runtime, container.name);
  const probe = newest === undefined ? undefined : (facts.probes[newest.id] ?? probeFact(container, []));
  const running = newest !== undefined && isRunning(newest) && !isHooked(facts, container, newest);
  const state = stateOf(facts, container, role, newest, now);
  // While a dead container waits for its turn to run again, its end is its last state.
  const before = state.waiting !== undefined && newest?.state === "exited" ? newest : older;
  // After a restart of the agent a container is as ready as it was, until its probes have spoken again.
  const reported = [...(last?.containerStatuses ?? []), ...(last?.initContainerStatuses ?? [])].find(
    (status) => newest !== undefined && status.containerID === `containerd://${newest.id}`,
  );
  const ended = role === "init" && newest?.state === "exited" && newest.exitCode === 0;
  const out: ContainerStatus = {
    name: container.name,
    state,
    lastState: before?.state === "exited" ? { terminated: terminated(before) } : {},
    ready:
      role === "init"
        ? ended
        : // What people look through serves nobody.
          role !== "ephemeral" && running && facts.endingSince === 0 && (probe?.ready ?? reported?.ready ?? false),
    restartCount: newest?.attempt ?? 0,
    image: container.image ?? "",
    imageID: newest?.imageRef ?? "",
    started: running && (probe?.started ?? reported?.started ?? false),
  };
  if (newest !== undefined) out.containerID = `containerd://${newest.id}`;
  return out;
}

function terminated(fact: ContainerFact): NonNullable<ContainerState["terminated"]> {
  const reason = fact.reason === "" ? (fact.exitCode === 0 ? "Completed" : "Error") : fact.reason;
  return {
    exitCode: fact.exitCode,
    reason,
    ...(fact.message === "" ? {} : { message: fact.message }),
    startedAt: timeOf(fact.startedAt || fact.createdAt),
    finishedAt: timeOf(fact.finishedAt),
    containerID: `containerd://${fact.id}`,
  };
}

function stateOf(
  facts: PodFacts & { readonly pod: Pod },
  container: Container,
  role: Role,
  newest: ContainerFact | undefined,
  now: number,
): ContainerState {
  if (newest !== undefined && isHooked(facts, container, newest)) {
    const failed = facts.hooks[newest.id] === "failed";
    return { waiting: failed ? { reason: "PostStartHookError", message: "PostStartHook failed" } : usualWait(facts) };
  }
  if (newest?.state === "running") return { running: { startedAt: timeOf(newest.startedAt) } };
  const over = facts.ended !== undefined || facts.endingSince !== 0;
  if (newest?.state === "exited") {
    if (over || !restarts(facts.pod, newest, role)) return { terminated: terminated(newest) };
    const again = restartOf(newest);
    if (again.at > now) {
      const seconds = Math.round((again.at - newest.finishedAt) / 1000);
      const message = `back-off ${seconds}s restarting failed container=${container.name} pod=${podNameOf(facts.pod)}`;
      return { waiting: { reason: "CrashLoopBackOff", message } };
    }
    if (facts.failures[container.name] === undefined) return { terminated: terminated(newest) };
  }
  return { waiting: waitingOf(facts, container, now) };
}

function waitingOf(facts: PodFacts & { readonly pod: Pod }, container: Container, now: number) {
  const failure = facts.failures[container.name] ?? facts.failures[""];
  if (failure !== undefined) return { reason: failure.reason, message: failure.message };
  const image = facts.images[container.image ?? ""];
  if (image?.state !== "failed") return usualWait(facts);
  const { reason, message } = image;
  if (reason !== "ErrImagePull" || now < image.failedAt + PULL_FAILURE_SHOWN_MS) return { reason, message };
  return { reason: "ImagePullBackOff", message: `Back-off pulling image "${container.image}": ${reason}: ${message}` };
}

function usualWait(facts: PodFacts & { readonly pod: Pod }): { reason: string } {
  const initializing = (facts.pod.spec.initContainers ?? []).length > 0;
  return { reason: initializing ? "PodInitializing" : "ContainerCreating" };
}

/** A pod as kubelet's messages name it. */
export function podNameOf({ metadata }: Pod): string {
  return `${metadata.name}_${metadata.namespace ?? "default"}(${metadata.uid ?? ""})`;
}

/** The condition types that this agent writes; all others belong to other actors. */
const OURS = new Set(["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"]);

function conditionsOf(
  facts: PodFacts & { readonly pod: Pod },
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  phase: string,
  last: PodStatus | undefined,
  now: number,
): PodCondition[] {
  const { pod } = facts;
  const sandboxed = facts.runtime.sandboxes[0]?.ready ?? false;
  const sidecars = new Set((pod.spec.initContainers ?? []).filter(isSidecar).map((c) => c.name));
  const waiting = inits.filter((s) => (sidecars.has(s.name) ? s.started !== true : s.ready === false));
  const initialized = phase === "Succeeded" || phase === "Running" || waiting.length === 0;
  const unready = [...inits.filter((s) => sidecars.has(s.name)), ...containers].filter((s) => !s.ready);
  const gates = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => gateProblem(pod, conditionType));
  const why: Pick<PodCondition, "reason" | "message"> | undefined =
    phase === "Succeeded"
      ? { reason: "PodCompleted" }
      : phase === "Failed"
        ? { reason: "PodFailed" }
        : unready.length > 0
          ? {
              reason: "ContainersNotReady",
              message: `containers with unready status: [${unready.map((s) => s.name).join(" ")}]`,
            }
          : undefined;
  const gated = why ?? (gates.length > 0 ? { reason: "ReadinessGatesNotReady", message: gates.join(", ") } : undefined);
  const notInitialized = {
    reason: "ContainersNotInitialized",
    message: `containers with incomplete status: [${waiting.map((s) => s.name).join(" ")}]`,
  };
  const previous = last?.conditions ?? pod.status?.conditions ?? [];
  const make = (type: string, reason: Pick<PodCondition, "reason" | "message"> | undefined, ok: boolean) => {
    const status = ok ? "True" : "False";
    const old = previous.find((condition) => condition.type === type);
    const since = old?.status === status ? old.lastTransitionTime : undefined;
    return { type, status, ...reason, lastTransitionTime: since ?? timeOf(now) };
  };
  const foreign = (pod.status?.conditions ?? []).filter((condition) => !OURS.has(condition.type));
  return [
    make("PodReadyToStartContainers", undefined, sandboxed),
    make("Initialized", initialized ? undefined : notInitialized, initialized),
    make("Ready", gated, gated === undefined),
    make("ContainersReady", why, why === undefined),
    ...foreign,
  ];
}

/** What is wrong with one readiness gate, in kubelet's words. */
function gateProblem(pod: Pod, type: string): string[] {
  const condition = pod.status?.conditions?.find((one) => one.type === type);
  if (condition === undefined) return [`corresponding condition of pod readiness gate "${type}" does not exist.`];
  if (condition.status === "True") return [];
  return [`the status of pod readiness gate "${type}" is not "True", but ${condition.status}`];
}
