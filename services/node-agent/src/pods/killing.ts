import type { Container, Pod } from "@trireme/api";
import type { ContainerFact, PodFacts } from "./facts.ts";
import type { Step } from "./next-step.ts";

type Kill = Extract<Step, { type: "kill" }>;

/** What a pod's containers get between SIGTERM and SIGKILL when its manifest says nothing. */
export const DEFAULT_GRACE_SECONDS = 30;

/** A container whose turn comes late still gets this long, as in kubelet, unless the pod ends by force. */
const LAST_TURN_SECONDS = 2;

/** The grace period of the manifest. */
export function ownGraceOf(pod: Pod): number {
  return pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
}

/** Seconds that a pod's containers get between SIGTERM and SIGKILL when it is deleted. */
export function graceOf(pod: Pod): number {
  return pod.metadata.deletionGracePeriodSeconds ?? ownGraceOf(pod);
}

/** Whether an init container runs beside the pod's containers for as long as they do. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** Whether this instance runs. */
export function isRunning(container: ContainerFact): boolean {
  return container.state === "running";
}

/**
 * Tells the containers to end whose turn it is, if they have not been told yet; an earlier deadline overrides a later
 * one. All share one grace period: first the pod's containers end, then its sidecars one by one, the last one first.
 */
export function killAll(facts: PodFacts, grace: number, now: number): Kill | undefined {
  const began = facts.endingSince || facts.endedAt || now;
  const running = facts.runtime.containers.filter(isRunning);
  const all = grace === 0 || facts.pod === undefined;
  const { turn, late } = all ? { turn: running, late: false } : turnOf(facts.pod, running);
  const deadline = Math.max(began + grace * 1000, late ? now + LAST_TURN_SECONDS * 1000 : 0);
  const due = turn.filter(({ id }) => deadline < (facts.killing[id] ?? Number.POSITIVE_INFINITY));
  const graceSeconds = Math.max(0, Math.ceil((deadline - now) / 1000));
  return due.length === 0 ? undefined : { type: "kill", containers: due, graceSeconds, deadline };
}

/** Tells one container to end, once. */
export function killOne(
  facts: PodFacts,
  container: ContainerFact,
  graceSeconds: number,
  why: string,
  now: number,
): Kill | undefined {
  if (facts.killing[container.id] !== undefined) return undefined;
  return { type: "kill", containers: [container], graceSeconds, deadline: now + graceSeconds * 1000, why };
}

function turnOf(pod: Pod, running: readonly ContainerFact[]): { turn: readonly ContainerFact[]; late: boolean } {
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar).map((container) => container.name);
  const others = running.filter((container) => !sidecars.includes(container.name));
  if (others.length > 0) return { turn: others, late: false };
  const last = sidecars.findLast((name) => running.some((container) => container.name === name));
  return { turn: running.filter((container) => container.name === last), late: true };
}
