import type { ContainerStatus, Pod } from "../kinds.ts";
import { parseTime } from "../time.ts";
import { humanAge, humanDuration } from "./age.ts";
import { type Printer, headerOf, orNone, text, wide } from "./column.ts";

/** What the first columns of a Pod say; also for callers that explain a Pod in other words than a table. */
export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  /** The STATUS column: a phase, or the reason that matters more. */
  readonly status: string;
  readonly restarts: number;
  /** Milliseconds since the epoch of the last restart's death, if one is known. */
  readonly lastRestart: number | undefined;
}

interface Restarts {
  count: number;
  last: number | undefined;
}

/** Sums a Pod up as kubectl's printer does (kubernetes `printers.go` printPod). */
export function summarizePod(pod: Pod): PodSummary {
  const status = pod.status ?? {};
  const conditions = status.conditions ?? [];
  let reason = status.reason || status.phase || "Unknown";
  if (conditions.some((c) => c.type === "PodScheduled" && c.reason === "SchedulingGated")) reason = "SchedulingGated";

  const sidecars = new Set(
    (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always").map((c) => c.name),
  );
  const init = summarizeInit(pod, sidecars);
  if (init.reason !== undefined) reason = init.reason;
  let { ready } = init;
  let restarts = init.restarts;

  const initialized = conditions.some((c) => c.type === "Initialized" && c.status === "True");
  if (init.reason === undefined || initialized) {
    restarts = init.sidecarRestarts;
    let running = false;
    // The first container speaks last, so that it wins.
    for (const container of (status.containerStatuses ?? []).toReversed()) {
      addRestarts(restarts, container);
      const { waiting, terminated } = container.state ?? {};
      if (waiting?.reason) reason = waiting.reason;
      else if (terminated) reason = terminationReason(terminated);
      else if (container.ready && container.state?.running) {
        running = true;
        ready += 1;
      }
    }
    if (reason === "Completed" && running) {
      const isReady = conditions.some((c) => c.type === "Ready" && c.status === "True");
      reason = isReady ? "Running" : "NotReady";
    }
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    const terminal = status.phase === "Succeeded" || status.phase === "Failed";
    if (status.reason === "NodeLost") reason = "Unknown";
    else if (!terminal) reason = "Terminating";
  }
  const total = pod.spec.containers.length + sidecars.size;
  return { ready, total, status: reason, restarts: restarts.count, lastRestart: restarts.last };
}

function summarizeInit(pod: Pod, sidecars: ReadonlySet<string>) {
  const restarts: Restarts = { count: 0, last: undefined };
  const sidecarRestarts: Restarts = { count: 0, last: undefined };
  let ready = 0;
  for (const [index, container] of (pod.status?.initContainerStatuses ?? []).entries()) {
    addRestarts(restarts, container);
    const isSidecar = sidecars.has(container.name);
    if (isSidecar) addRestarts(sidecarRestarts, container);
    const { waiting, terminated } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (isSidecar && container.started) {
      if (container.ready) ready += 1;
      continue;
    }
    let reason = `Init:${index}/${pod.spec.initContainers?.length ?? 0}`;
    if (terminated) reason = `Init:${terminationReason(terminated)}`;
    else if (waiting?.reason && waiting.reason !== "PodInitializing") reason = `Init:${waiting.reason}`;
    return { reason, ready, restarts, sidecarRestarts };
  }
  return { reason: undefined, ready, restarts, sidecarRestarts };
}

function terminationReason(terminated: { reason?: string; signal?: number; exitCode: number }): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function addRestarts(into: Restarts, container: ContainerStatus): void {
  into.count += container.restartCount;
  const finished = container.lastState?.terminated?.finishedAt;
  const at = finished === undefined ? undefined : parseTime(finished);
  if (at !== undefined && (into.last === undefined || at > into.last)) into.last = at;
}

function restartsCell({ restarts, lastRestart }: PodSummary, now: number): string {
  if (restarts === 0 || lastRestart === undefined) return String(restarts);
  return `${restarts} (${humanDuration(now - lastRestart)} ago)`;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return "<none>";
  const isTrue = (type: string): boolean =>
    (pod.status?.conditions ?? []).some((c) => c.type === type && c.status === "True");
  return `${gates.filter((gate) => isTrue(gate.conditionType)).length}/${gates.length}`;
}

interface PodView {
  readonly pod: Pod;
  readonly summary: PodSummary;
}

const COLUMNS = [
  { ...text<PodView>("Name", "The Pod's name.", ({ pod }) => pod.metadata.name), format: "name" },
  text<PodView>("Ready", "Containers that are ready, of all.", ({ summary: s }) => `${s.ready}/${s.total}`),
  text<PodView>("Status", "Where the Pod is in its life, or what holds it up.", ({ summary }) => summary.status),
  text<PodView>("Restarts", "Restarts of its containers, and when the last was.", ({ summary }, now) =>
    restartsCell(summary, now),
  ),
  text<PodView>("Age", "Time since the Pod was created.", ({ pod }, now) =>
    humanAge(pod.metadata.creationTimestamp, now),
  ),
  wide(
    text<PodView>("IP", "The Pod's address.", ({ pod }) => orNone(pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP)),
  ),
  wide(text<PodView>("Node", "The node that it is bound to.", ({ pod }) => orNone(pod.spec.nodeName))),
  wide(
    text<PodView>("Nominated Node", "The node that it waits for.", ({ pod }) => orNone(pod.status?.nominatedNodeName)),
  ),
  wide(text<PodView>("Readiness Gates", "Extra conditions for readiness that hold.", ({ pod }) => readinessGates(pod))),
];

/** Prints Pods. */
export const podPrinter: Printer = {
  columns: COLUMNS.map(headerOf),
  cells: (object, now) => {
    const view = { pod: object as Pod, summary: summarizePod(object as Pod) };
    return COLUMNS.map((column) => column.cell(view, now));
  },
};
