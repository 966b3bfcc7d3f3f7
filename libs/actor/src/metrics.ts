import type { Counter, Gauge, Registry } from "@trireme/telemetry";

/** What an actor system counts. */
export interface ActorMetrics {
  readonly restarts: Counter<"behaviour">;
  readonly decisions: Counter<"behaviour" | "directive">;
  readonly depth: Gauge<"behaviour">;
  readonly deadLetters: Counter<"behaviour">;
}

/** Registers an actor system's metrics, or answers ones that count nothing. */
export function actorMetrics(registry: Registry | undefined): ActorMetrics {
  if (registry === undefined) {
    const none = { inc() {}, dec() {}, set() {}, remove() {} };
    return { restarts: none, decisions: none, depth: none, deadLetters: none };
  }
  return {
    restarts: registry.counter("tri_actor_restarts_total", "Actors begun anew after a failure.", ["behaviour"]),
    decisions: registry.counter("tri_actor_decisions_total", "Decisions of supervisors.", ["behaviour", "directive"]),
    depth: registry.gauge("tri_actor_mailbox_depth", "Messages that wait, over all actors of a behaviour.", [
      "behaviour",
    ]),
    deadLetters: registry.counter("tri_actor_dead_letters_total", "Messages that no actor took.", ["behaviour"]),
  };
}
