import type { Pod } from "@trireme/api";
import { keyOf } from "@trireme/api";

/** First pause after a failed attempt; doubled for each further one. Kubernetes waits 1 s; our attempts are cheap. */
export const INITIAL_BACKOFF_MS = 100;
/** Longest pause between attempts, as in Kubernetes. */
export const MAX_BACKOFF_MS = 10_000;
/** A pod that nothing helps is tried again after this time anyway, in case an event went unnoticed. */
export const UNSCHEDULABLE_RETRY_MS = 60_000;

interface Entry {
  pod: Pod;
  attempts: number;
  /** Order of arrival, for fairness among equal priorities. */
  readonly order: number;
  /** When a pod in `backoff` may be tried again, or one in `unschedulable` will be. */
  readyAt: number;
  /** The cluster changed while the pod was being tried: a refusal then is already out of date. */
  moved: boolean;
  place: "active" | "backoff" | "unschedulable" | "inFlight";
}

/**
 * The pods that wait for a node: *active* ones are to be tried now, those in *backoff* a little later, *unschedulable*
 * ones when something in the cluster changed (or after a minute). Pure: time comes in as an argument.
 *
 * Invariant: each pod key is in one place at a time; a pod in flight comes back by `failed` or leaves by `remove`.
 */
export class SchedulingQueue {
  private readonly entries = new Map<string, Entry>();
  private nextOrder = 0;

  get size(): number {
    return this.entries.size;
  }

  /** Failed attempts so far of a pod that waits; 0 for one that does not. */
  attempts(key: string): number {
    return this.entries.get(key)?.attempts ?? 0;
  }

  /** How many pods wait in each place, for the metrics. */
  counts(): Record<"active" | "backoff" | "unschedulable" | "inFlight", number> {
    const counts = { active: 0, backoff: 0, unschedulable: 0, inFlight: 0 };
    for (const entry of this.entries.values()) counts[entry.place] += 1;
    return counts;
  }

  /** Takes in a pod without a node, or its newest state. A changed pod that was unschedulable gets another chance. */
  add(pod: Pod): void {
    const key = keyOf(pod);
    const entry = this.entries.get(key);
    if (entry === undefined || entry.pod.metadata.uid !== pod.metadata.uid) {
      const place = entry?.place === "inFlight" ? "inFlight" : "active";
      this.entries.set(key, { pod, attempts: 0, order: this.nextOrder++, readyAt: 0, moved: true, place });
      return;
    }
    const changed = hasNewSpec(entry.pod, pod);
    entry.pod = pod;
    if (!changed) return;
    if (entry.place === "unschedulable") entry.place = "active";
    entry.moved = true;
  }

  /** The pod has a node, has ended or is gone. */
  remove(key: string): void {
    this.entries.delete(key);
  }

  /** The pod to try now: highest priority, then first come. It is in flight until `failed` or `remove`. */
  pop(now: number): Pod | undefined {
    let best: Entry | undefined;
    for (const entry of this.entries.values()) {
      if (entry.place !== "active" && entry.place !== "inFlight" && entry.readyAt <= now) entry.place = "active";
      if (entry.place === "active" && (best === undefined || goesBefore(entry, best))) best = entry;
    }
    if (best === undefined) return undefined;
    best.place = "inFlight";
    best.attempts += 1;
    best.moved = false;
    return best.pod;
  }

  /** The attempt failed: no node fits (`unschedulable`), or something went wrong that may pass by itself. */
  failed(key: string, unschedulable: boolean, now: number): void {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.place !== "inFlight") return;
    const backoff = Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** Math.min(entry.attempts - 1, 20));
    const wait = unschedulable && !entry.moved;
    entry.place = wait ? "unschedulable" : "backoff";
    entry.readyAt = now + (wait ? UNSCHEDULABLE_RETRY_MS : backoff);
  }

  /** Something changed that may make room: unschedulable pods are tried again, after their backoff. */
  clusterChanged(now: number): void {
    for (const entry of this.entries.values()) {
      if (entry.place === "inFlight") entry.moved = true;
      if (entry.place !== "unschedulable") continue;
      const backoff = Math.min(MAX_BACKOFF_MS, INITIAL_BACKOFF_MS * 2 ** Math.min(entry.attempts - 1, 20));
      const since = entry.readyAt - UNSCHEDULABLE_RETRY_MS;
      entry.place = "backoff";
      entry.readyAt = Math.max(now, since + backoff);
    }
  }

  /** What these pods waited for has come: they are tried at once, without their backoff. */
  activate(isMeant: (pod: Pod) => boolean): void {
    for (const entry of this.entries.values()) {
      if (!isMeant(entry.pod)) continue;
      entry.moved = true;
      if (entry.place !== "inFlight") entry.place = "active";
    }
  }

  /** When the next pod that waits for time alone may be tried; undefined: none does. */
  nextReadyAt(): number | undefined {
    let next: number | undefined;
    for (const { place, readyAt } of this.entries.values()) {
      if (place === "backoff" || place === "unschedulable") next = Math.min(next ?? readyAt, readyAt);
    }
    return next;
  }
}

function goesBefore(a: Entry, b: Entry): boolean {
  const [left, right] = [a.pod.spec.priority ?? 0, b.pod.spec.priority ?? 0];
  return left === right ? a.order < b.order : left > right;
}

/** Whether what the scheduler looks at changed; our own condition on the pod must not wake it. */
function hasNewSpec(before: Pod, after: Pod): boolean {
  const view = ({ metadata, spec }: Pod): string =>
    JSON.stringify([
      metadata.labels,
      spec.nodeSelector,
      spec.affinity,
      spec.tolerations,
      spec.schedulingGates,
      spec.priority,
      spec.containers.map((container) => container.resources),
    ]);
  return view(before) !== view(after);
}
