import type { Counter, Gauge, Histogram, Registry } from "@trireme/telemetry";

const none = { inc() {}, dec() {}, set() {}, remove() {}, observe() {} };

/** What informers count. */
export interface InformerMetrics {
  readonly objects: Gauge<"resource">;
  /** 1 while the stream keeps the copy up, 0 while the API does. */
  readonly streaming: Gauge<"resource">;
  readonly lists: Counter<"resource" | "result">;
  readonly watches: Counter<"resource" | "result">;
  readonly leaves: Counter<"resource" | "reason">;
}

/** Registers the informers' metrics, or answers ones that count nothing. */
export function informerMetrics(registry: Registry | undefined): InformerMetrics {
  if (registry === undefined) return { objects: none, streaming: none, lists: none, watches: none, leaves: none };
  return {
    objects: registry.gauge("tri_informer_objects", "Objects in a local copy.", ["resource"]),
    streaming: registry.gauge("tri_informer_streaming", "Whether the stream (1) or the API (0) keeps it up.", [
      "resource",
    ]),
    lists: registry.counter("tri_informer_lists_total", "Lists of the API.", ["resource", "result"]),
    watches: registry.counter("tri_informer_watches_total", "Watches of the API that ended.", ["resource", "result"]),
    leaves: registry.counter("tri_informer_stream_leaves_total", "Why the stream was left.", ["resource", "reason"]),
  };
}

/** What controllers count, partly under Kubernetes' own names. */
export interface ControllerMetrics {
  readonly reconciles: Counter<"controller" | "result">;
  readonly seconds: Histogram<"controller">;
  readonly depth: Gauge<"name">;
  readonly adds: Counter<"name">;
  readonly retries: Counter<"name">;
  readonly waited: Histogram<"name">;
}

/** Registers the controllers' metrics, or answers ones that count nothing. */
export function controllerMetrics(registry: Registry | undefined): ControllerMetrics {
  if (registry === undefined) {
    return { reconciles: none, seconds: none, depth: none, adds: none, retries: none, waited: none };
  }
  return {
    reconciles: registry.counter("tri_controller_reconcile_total", "Reconciliations.", ["controller", "result"]),
    seconds: registry.histogram("tri_controller_reconcile_seconds", "Duration of reconciliations.", ["controller"]),
    depth: registry.gauge("workqueue_depth", "Keys that wait.", ["name"]),
    adds: registry.counter("workqueue_adds_total", "Keys added.", ["name"]),
    retries: registry.counter("workqueue_retries_total", "Keys that wait for their back-off.", ["name"]),
    waited: registry.histogram("workqueue_queue_duration_seconds", "Time that keys waited.", ["name"]),
  };
}

/** What elections show. */
export interface ElectionMetrics {
  readonly leader: Gauge<"election">;
  readonly transitions: Counter<"election" | "to">;
}

/** Registers the elections' metrics, or answers ones that count nothing. */
export function electionMetrics(registry: Registry | undefined): ElectionMetrics {
  if (registry === undefined) return { leader: none, transitions: none };
  return {
    leader: registry.gauge("tri_election_leader", "Whether this process holds the office.", ["election"]),
    transitions: registry.counter("tri_election_transitions_total", "Offices taken and lost.", ["election", "to"]),
  };
}
