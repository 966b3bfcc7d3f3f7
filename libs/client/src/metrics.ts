import type { Counter, Histogram, Registry } from "@trireme/telemetry";

/** What a client counts, under the names that stock dashboards know. */
export interface ClientMetrics {
  readonly requests: Counter<"code" | "method" | "host">;
  readonly seconds: Histogram<"verb" | "host">;
  readonly failovers: Counter;
}

/** Registers the client's metrics, or answers ones that count nothing. */
export function clientMetrics(registry: Registry | undefined): ClientMetrics {
  if (registry === undefined) return { requests: { inc() {} }, seconds: { observe() {} }, failovers: { inc() {} } };
  return {
    requests: registry.counter("rest_client_requests_total", "Requests to apiservers, by answer.", [
      "code",
      "method",
      "host",
    ]),
    seconds: registry.histogram("rest_client_request_duration_seconds", "Duration of requests to apiservers.", [
      "verb",
      "host",
    ]),
    failovers: registry.counter("tri_client_failovers_total", "Apiservers that were given up until they are ready."),
  };
}
