import { type Resource, groupResource } from "@trireme/api";
import { Exposition, type Registry } from "@trireme/telemetry";
import { isStreamKind } from "./pipeline/pod-streams.ts";
import type { WatchCache } from "./storage/watch-cache.ts";

/** What one request was, in labels of bounded values. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** What it reached: one object (`resource`), a `namespace`, or the `cluster`; empty for paths. */
  readonly scope: string;
  /** `All` for a dry run, else empty. */
  readonly dry_run: string;
}

const LABELS = ["verb", "group", "version", "resource", "subresource", "scope"] as const;

/** Kubernetes' buckets for request durations, in seconds; stock rules select `le` 1, 5 and 30. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 5, 10, 20, 30, 60];

/** Kubernetes' buckets for what is left of a client certificate's life: from 0 s over hours and days to a year. */
const EXPIRY_BUCKETS = [
  0, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 345_600, 604_800, 2_592_000, 7_776_000, 15_552_000, 31_104_000,
];

/** Verbs as Kubernetes' metrics name them, which is by HTTP method for writes; anything else a client invents is `other`. */
const VERBS: Readonly<Record<string, string>> = {
  get: "GET",
  list: "LIST",
  watch: "WATCH",
  create: "POST",
  update: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETE",
  GET: "GET",
  HEAD: "GET",
};

/** Codes of answers that were not the request's own: no room for it, or no time. */
const TERMINATIONS = new Set([429, 504]);

const DURATION = "apiserver_request_duration_seconds";
/** Time without that of admission webhooks. There are none, so it is the same time under another name. */
const SLI_DURATION = "apiserver_request_sli_duration_seconds";

/** Requests under way, by the bound they count against. */
export interface InFlight {
  read: number;
  write: number;
  /** Watches, log streams and tunnels. */
  long: number;
}

/** The apiserver's metrics, under the names that stock dashboards read. */
export interface ApiMetrics {
  /** `lasts`: by its nature, as a watch does; its time is no latency. */
  request(labels: RequestLabels, code: number, seconds: number, lasts?: boolean): void;
  /** Events sent to one watch. */
  watched(resource: Resource, events: number): void;
  /** What was left of the life of the certificate that a request came with. */
  certificate(remainingSeconds: number): void;
  /** Shows what `read` answers at each scrape. */
  observeInFlight(read: () => InFlight): void;
  render(): Promise<string>;
}

/** Registers the metrics. */
export function createApiMetrics(registry: Registry, cache: WatchCache, resources: readonly Resource[]): ApiMetrics {
  const total = registry.counter("apiserver_request_total", "Requests by verb, resource and HTTP code.", [
    ...LABELS,
    "dry_run",
    "code",
    "component",
  ] as const);
  const duration = registry.histogram(
    DURATION,
    "Time to the end of the answer; watches aside.",
    [...LABELS, "component"] as const,
    REQUEST_BUCKETS,
  );
  const terminations = registry.counter(
    "apiserver_request_terminations_total",
    "Requests that were ended for want of room or time, by code.",
    ["verb", "group", "version", "resource", "scope", "component", "code"] as const,
  );
  const watchEvents = registry.counter("apiserver_watch_events_total", "Events sent to watches.", [
    "group",
    "version",
    "resource",
  ] as const);
  const expiry = registry.histogram(
    "apiserver_client_certificate_expiration_seconds",
    "What was left of the life of the certificates that requests came with.",
    [],
    EXPIRY_BUCKETS,
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
    request({ dry_run, ...given }, code, seconds, isLong = false) {
      const labels = { ...given, verb: VERBS[given.verb] ?? "other" };
      const { subresource, ...terminated } = labels;
      total.inc({ ...labels, dry_run, code, component: "apiserver" });
      if (TERMINATIONS.has(code)) terminations.inc({ ...terminated, code, component: "apiserver" });
      const lasts = isLong || given.verb === "watch" || subresource === "log" || isStreamKind(subresource);
      if (!lasts) duration.observe(seconds, { ...labels, component: "apiserver" });
    },
    watched({ group, version, resource }, events) {
      watchEvents.inc({ group, version, resource }, events);
    },
    certificate: (remainingSeconds) => expiry.observe(remainingSeconds),
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
    render: async () => withSliDurations(await registry.render()),
  };
}

/** Adds the service level's durations as a copy of the lines of the others: kept once, told twice. */
export function withSliDurations(text: string): string {
  const from = text.indexOf(`# HELP ${DURATION} `);
  if (from < 0) return text;
  const next = text.indexOf("\n# HELP ", from);
  const family = text.slice(from, next < 0 ? text.length : next + 1);
  return `${text}\n${family.replaceAll(DURATION, SLI_DURATION)}`;
}

/** `/metrics/slis`: the health of this server as numbers. */
export function renderHealth(problems: readonly string[]): string {
  const out = new Exposition();
  const health = out.family("kubernetes_healthcheck", "gauge", "Whether a check of readiness passes (1) or not (0).");
  for (const name of ["shutdown", "watch-cache", "store"]) {
    health.add({ name, type: "readyz" }, problems.some((problem) => problem.startsWith(`${name}:`)) ? 0 : 1);
  }
  return out.text();
}
