import type { Counter, Gauge, Registry } from "@trireme/telemetry";

/** Why a message was given up. */
export type DropReason = "disconnected" | "backpressure" | "too-large" | "invalid" | "refused";

/** What a bus and its subscriptions count. */
export interface BusMetrics {
  readonly published: Counter;
  readonly received: Counter;
  readonly dropped: Counter<"reason">;
  readonly connected: Gauge;
  readonly connects: Counter<"result">;
}

/** Registers the bus's metrics, or answers counters that count nothing. */
export function busMetrics(registry: Registry | undefined): BusMetrics {
  if (registry === undefined) {
    const none = { inc() {}, dec() {}, set() {}, remove() {} };
    return { published: none, received: none, dropped: none, connected: none, connects: none };
  }
  return {
    published: registry.counter("tri_bus_published_total", "Messages handed to the bus's connection."),
    received: registry.counter("tri_bus_received_total", "Messages delivered to handlers."),
    dropped: registry.counter("tri_bus_dropped_total", "Messages given up, by reason.", ["reason"]),
    connected: registry.gauge("tri_bus_connected", "Whether the bus is connected (1) or not (0)."),
    connects: registry.counter("tri_bus_connects_total", "Attempts to connect to a server, by result.", ["result"]),
  };
}
