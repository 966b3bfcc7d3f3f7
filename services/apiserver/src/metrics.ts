import { type Resource, groupResource } from "@trireme/api";
import type { Registry } from "@trireme/telemetry";
import { isStreamKind } from "./pipeline/pod-streams.ts";
import type { WatchCache } from "./storage/watch-cache.ts";

/** What one request was, in labels of bounded values. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
}

const LABELS = ["verb", "group", "version", "resource", "subresource"] as const;

/** Kubernetes' buckets for request durations, in seconds; stock rules select `le` 1, 5 and 30. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 5, 10, 20, 30, 60];

/** Methods that are counted under their own name; anything else a client invents is `other`. */
const VERBS = new Set([
  "get",
  "list",
  "watch",
  "create",
  "update",
  "patch",
  "delete",
  "deletecollection",
  "GET",
  "HEAD",
]);

/** Requests under way, by the bound they count against. */
export interface InFlight {
  read: number;
  write: number;
  /** Watches, log streams and tunnels. */
  long: number;
}

/** The apiserver's metrics, under the names that stock dashboards read. */
export interface ApiMetrics {
  request(labels: RequestLabels, code: number, seconds: number): void;
  /** Shows what `read` answers at each scrape. */
  observeInFlight(read: () => InFlight): void;
  render(): Promise<string>;
}

/** Registers the metrics. */
export function createApiMetrics(registry: Registry, cache: WatchCache, resources: readonly Resource[]): ApiMetrics {
  const total = registry.counter("apiserver_request_total", "Requests by verb, resource and HTTP code.", [
    ...LABELS,
    "code",
    "component",
  ] as const);
  const duration = registry.histogram(
    "apiserver_request_duration_seconds",
    "Time to the end of the answer; watches aside.",
    [...LABELS, "component"] as const,
    REQUEST_BUCKETS,
  );
  registry.gauge("apiserver_storage_objects", "Objects of each resource.", ["resource"] as const, (gauge) => {
    for (const resource of resources) gauge.set(cache.of(resource).size, { resource: groupResource(resource) });
  });
  registry.gauge("tri_apiserver_cache_revision", "Revision that the watch cache has applied.", [], (gauge) => {
    gauge.set(cache.revision);
  });
  registry
    .gauge("kubernetes_build_info", "What this is.", ["git_version"] as const)
    .set(1, { git_version: "v1.35.0+trireme-0.1.0" });
  return {
    request(given, code, seconds) {
      const labels = { ...given, verb: VERBS.has(given.verb) ? given.verb.toUpperCase() : "other" };
      total.inc({ ...labels, code, component: "apiserver" });
      const lasts = given.verb === "watch" || given.subresource === "log" || isStreamKind(given.subresource);
      if (!lasts) duration.observe(seconds, { ...labels, component: "apiserver" });
    },
    observeInFlight(read) {
      const kinds = ["request_kind"] as const;
      registry.gauge("apiserver_current_inflight_requests", "Requests under way.", kinds, (gauge) => {
        gauge.set(read().read, { request_kind: "readOnly" });
        gauge.set(read().write, { request_kind: "mutating" });
      });
      registry.gauge("apiserver_longrunning_requests", "Watches, logs and tunnels that are open.", [], (gauge) => {
        gauge.set(read().long);
      });
    },
    render: () => registry.render(),
  };
}
