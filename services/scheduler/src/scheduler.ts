import {
  type Node,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  type PersistentVolume,
  type PersistentVolumeClaim,
  type Pod,
  SELECTED_NODE,
  type StorageClass,
  apiVersionOf,
  keyOf,
} from "@trireme/api";
import { type Clock, type Prng, type TriremeError, errorFrom } from "@trireme/base";
import type { ApiClient } from "@trireme/client";
import type { Change, EventRecorder, Informer } from "@trireme/controller";
import {
  ClusterState,
  type Placement,
  type StorageView,
  type Unschedulable,
  claimNamesOf,
  schedule,
} from "@trireme/scheduling";
import type { Logger } from "@trireme/telemetry";
import type { SchedulerMetrics } from "./metrics.ts";
import { SchedulingQueue } from "./queue.ts";

/** Pods that name another scheduler are not ours. */
export const SCHEDULER_NAME = "default-scheduler";

// Bindings in flight: enough to hide the latency of a commit, bounded so that a burst of pods does not flood the API.
const MAX_BINDING = 16;
// Decisions in a row before other work of this thread gets its turn.
const MAX_DECISIONS_PER_TURN = 64;
// A binding whose outcome is unknown stays assumed for so long; by then the cache has told.
const UNKNOWN_OUTCOME_MS = 5_000;

/** What the scheduler is made of. */
export interface SchedulerOptions {
  readonly client: ApiClient;
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly claims: Informer<PersistentVolumeClaim>;
  readonly volumes: Informer<PersistentVolume>;
  readonly classes: Informer<StorageClass>;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly log: Logger;
  readonly metrics: SchedulerMetrics;
  /** A write was refused because another server was elected meanwhile. */
  readonly onFenced: () => void;
}

/**
 * Binds pods to nodes. It follows the caches all the time, so that its view is warm; it decides and writes only between
 * `lead` and `rest`.
 */
export class Scheduler {
  private readonly options: SchedulerOptions;
  private readonly state = new ClusterState();
  private readonly queue = new SchedulingQueue();
  private readonly stops: (() => void)[] = [];
  private leading = false;
  private binding = 0;
  private turn: (() => void) | undefined;
  private timer: (() => void) | undefined;

  private readonly storage: StorageView;

  constructor(options: SchedulerOptions) {
    this.options = options;
    const { claims, volumes, classes } = options;
    this.storage = {
      claim: (namespace, name) => claims.get(namespace, name),
      volume: (name) => volumes.get("", name),
      volumes: () => volumes.list(),
      storageClass: (name) => classes.get("", name),
    };
  }

  /** Follows the caches from now on. */
  follow(): void {
    this.options.metrics.observePending(() => this.queue.counts());
    const { pods, nodes, claims, volumes, classes } = this.options;
    this.stops.push(nodes.onChange((change) => this.onNode(change)));
    this.stops.push(claims.onChange(({ object }) => this.onClaim(object)));
    this.stops.push(volumes.onChange(() => this.clusterChanged()));
    this.stops.push(classes.onChange(() => this.clusterChanged()));
    this.stops.push(pods.onChange((change) => this.onPod(change)));
  }

  /** Begins to decide: this server was elected, and its caches show everything that its predecessor wrote. */
  lead(): void {
    this.leading = true;
    this.kick();
  }

  /** Stops deciding at once. Assumptions go: the next office begins from what the API says. */
  rest(): void {
    this.leading = false;
    this.timer?.();
    this.turn?.();
    this.timer = undefined;
    this.turn = undefined;
    for (const { metadata } of this.options.pods.list()) this.state.forget(keyOf({ metadata }));
    for (const pod of this.options.pods.list()) if (isOurs(pod)) this.queue.add(pod);
  }

  /** Stops for good. */
  stop(): void {
    this.rest();
    for (const stop of this.stops.splice(0)) stop();
  }

  private onNode({ type, object, old }: Change<Node>): void {
    if (type === "deleted") this.state.removeNode(object.metadata.name);
    else this.state.setNode(object);
    if (type !== "deleted" && (old === undefined || mayFitMore(old, object))) this.clusterChanged();
  }

  private onPod({ type, key, object, old }: Change<Pod>): void {
    const bound = (object.spec.nodeName ?? "") !== "";
    if (type === "deleted" || isFinished(object)) {
      this.state.removePod(key);
      this.queue.remove(key);
      if ((old?.spec.nodeName ?? object.spec.nodeName ?? "") !== "") this.clusterChanged();
      return;
    }
    this.state.setPod(object);
    if (bound) {
      this.queue.remove(key);
    } else if (object.metadata.deletionTimestamp !== undefined || !isOurs(object)) {
      this.queue.remove(key);
    } else if (!this.state.isAssumed(key)) {
      this.queue.add(object);
      this.kick();
    }
  }

  /** Pods that name the claim are tried at once: what they wait for may be what has just come. */
  private onClaim({ metadata: { namespace, name } }: PersistentVolumeClaim): void {
    this.queue.activate((pod) => pod.metadata.namespace === namespace && claimNamesOf(pod).includes(name));
    this.kick();
  }

  private clusterChanged(): void {
    this.queue.clusterChanged(this.options.clock.monotonic());
    this.kick();
  }

  /** Runs decisions soon, after the events that arrive together. */
  private kick(): void {
    if (!this.leading || this.turn !== undefined) return;
    this.turn = this.options.clock.after(0, () => {
      this.turn = undefined;
      this.decide();
    });
  }

  private decide(): void {
    const { clock } = this.options;
    for (let i = 0; this.leading && this.binding < MAX_BINDING; i++) {
      if (i === MAX_DECISIONS_PER_TURN) {
        this.kick();
        return;
      }
      const pod = this.queue.pop(clock.monotonic());
      if (pod === undefined) break;
      this.decideFor(pod);
    }
    this.wakeForBackoff();
  }

  private wakeForBackoff(): void {
    this.timer?.();
    this.timer = undefined;
    const next = this.queue.nextReadyAt();
    if (next === undefined || !this.leading || this.binding >= MAX_BINDING) return;
    const { clock } = this.options;
    this.timer = clock.after(Math.max(1, next - clock.monotonic()), () => this.kick());
  }

  private decideFor(pod: Pod): void {
    const { clock, prng, metrics } = this.options;
    const key = keyOf(pod);
    const started = clock.monotonic();
    // A pod that waited for its volumes kept its place; it is decided on anew, now that they may be there.
    this.state.forget(key);
    const snapshot = { ...this.state.snapshot(), storage: this.storage };
    const result = schedule(snapshot, pod, clock.now(), prng);
    metrics.algorithmSeconds.observe((clock.monotonic() - started) / 1000);
    if (result.kind === "unschedulable") {
      metrics.attempt("unschedulable", (clock.monotonic() - started) / 1000);
      this.queue.failed(key, true, clock.monotonic());
      void this.report(pod, result);
      return;
    }
    this.state.assume(pod, result.node);
    this.binding += 1;
    const done = result.claims.length > 0 ? this.selectNode(pod, result) : this.bind(pod, result.node, started);
    void done.finally(() => {
      this.binding -= 1;
      this.kick();
    });
  }

  private async bind(pod: Pod, node: string, started: number): Promise<void> {
    const { client, clock, events, metrics } = this.options;
    const { name, namespace, uid } = pod.metadata;
    const key = keyOf(pod);
    // Asked before: once it is bound the queue may have forgotten it.
    const attempts = this.queue.attempts(key) + 1;
    const body = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: node },
    };
    try {
      await client.resource<Pod>(PODS, namespace).subresource("POST", name, "binding", body);
      metrics.attempt("scheduled", (clock.monotonic() - started) / 1000);
      const waited = clock.now() - Date.parse(pod.metadata.creationTimestamp ?? "");
      if (!Number.isNaN(waited)) metrics.scheduled(waited / 1000, attempts);
      events.normal(podObject(pod), "Scheduled", `Successfully assigned ${key} to ${node}`);
    } catch (thrown) {
      this.bindFailed(pod, node, errorFrom(thrown), started);
    }
  }

  /**
   * Tells the pod's claims which node was chosen, then lets the pod wait with its place kept: when the binder has bound the
   * last of them, it is decided on again, and their volumes lead it to that node. Nothing about the wait is remembered but
   * what the claims say, so another scheduler goes on in the middle of it.
   */
  private async selectNode(pod: Pod, { node, claims }: Placement): Promise<void> {
    const { client, clock } = this.options;
    try {
      for (const { metadata } of claims) {
        if (metadata.annotations?.[SELECTED_NODE] === node) continue;
        const { uid, resourceVersion, name, namespace } = metadata;
        const body = { metadata: { uid, resourceVersion, annotations: { [SELECTED_NODE]: node } } };
        const api = client.resource<PersistentVolumeClaim>(PERSISTENTVOLUMECLAIMS, namespace);
        await api.patch(name, { type: "merge", body });
      }
      this.queue.failed(keyOf(pod), true, clock.monotonic());
    } catch (thrown) {
      this.bindFailed(pod, node, errorFrom(thrown), clock.monotonic());
    }
  }

  private bindFailed(pod: Pod, node: string, error: TriremeError, started: number): void {
    const { clock, events, log, metrics, onFenced } = this.options;
    const key = keyOf(pod);
    metrics.attempt("error", (clock.monotonic() - started) / 1000);
    if (error.code === "Fenced") {
      log.warn("binding was fenced", { pod: key });
      this.state.forget(key);
      this.queue.failed(key, false, clock.monotonic());
      onFenced();
      return;
    }
    if (error.code === "Unknown") {
      // It may be bound. The assumption keeps its place until the cache has told, then what is unbound is tried again.
      clock.after(UNKNOWN_OUTCOME_MS, () => {
        if (!this.state.isAssumed(key)) return;
        this.state.forget(key);
        this.queue.failed(key, false, clock.monotonic());
        this.kick();
      });
      return;
    }
    this.state.forget(key);
    this.queue.failed(key, false, clock.monotonic());
    // Bound meanwhile, or gone: the cache will say so.
    if (error.code === "Conflict" || error.code === "NotFound") return;
    log.warn("binding failed", { pod: key, node, err: error });
    events.warning(podObject(pod), "FailedScheduling", `binding rejected: ${error.message}`);
  }

  /** Tells people why: a condition on the pod and an event. */
  private async report(pod: Pod, { message }: Unschedulable): Promise<void> {
    const { client, clock, events, log, onFenced } = this.options;
    events.warning(podObject(pod), "FailedScheduling", message);
    const before = pod.status?.conditions?.find((one) => one.type === "PodScheduled");
    if (before?.status === "False" && before.reason === "Unschedulable" && before.message === message) return;
    const time = `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;
    const condition = {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
      lastTransitionTime: before?.status === "False" ? (before.lastTransitionTime ?? time) : time,
    };
    const { name, namespace, uid } = pod.metadata;
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    try {
      const pods = client.resource<Pod>(PODS, namespace);
      await pods.patch(name, { type: "strategic", subresource: "status", body });
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code === "Fenced") onFenced();
      else if (error.code !== "NotFound") log.debug("condition not written", { pod: keyOf(pod), err: error });
    }
  }
}

function isOurs(pod: Pod): boolean {
  return (
    (pod.spec.nodeName ?? "") === "" &&
    (pod.spec.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME &&
    (pod.spec.schedulingGates ?? []).length === 0 &&
    pod.metadata.deletionTimestamp === undefined &&
    !isFinished(pod)
  );
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Whether a node may now take pods that it refused before; heartbeats in its status are no such change. */
function mayFitMore(before: Node, after: Node): boolean {
  const view = ({ metadata, spec, status }: Node): string =>
    JSON.stringify([metadata.labels, spec?.taints, spec?.unschedulable, status?.allocatable, status?.capacity]);
  return view(before) !== view(after);
}

function podObject(pod: Pod): Pod {
  return { ...pod, apiVersion: apiVersionOf(PODS), kind: PODS.kind };
}
