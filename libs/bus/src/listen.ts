import type { Registry } from "@trireme/telemetry";
import type { Bus, SubscribeOptions, Subscription } from "./bus.ts";
import type { Codec } from "./codec.ts";
import { busMetrics } from "./metrics.ts";

/** Options of {@link listen}. */
export interface ListenOptions extends SubscribeOptions {
  /** Counts invalid messages as `tri_bus_dropped_total{reason="invalid"}`. */
  readonly registry?: Registry;
  /** Called for each invalid message, e.g. to log the first of them. */
  readonly onInvalid?: (error: unknown, subject: string) => void;
}

/** Subscribes to messages of one type: decodes and validates each; an invalid one is counted and dropped. */
export function listen<T>(
  bus: Bus,
  subject: string,
  codec: Codec<T>,
  handler: (message: T, subject: string) => void,
  options: ListenOptions = {},
): Subscription {
  const { dropped } = busMetrics(options.registry);
  return bus.subscribe(
    subject,
    (payload, from) => {
      let message: T;
      try {
        message = codec.decode(payload);
      } catch (error) {
        dropped.inc({ reason: "invalid" });
        options.onInvalid?.(error, from);
        return;
      }
      handler(message, from);
    },
    options,
  );
}
