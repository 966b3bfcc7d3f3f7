import type { Counter, Histogram, Registry } from "@trireme/telemetry";

/** The scheduler's metrics, under Kubernetes' names, so that stock dashboards work. */
export interface SchedulerMetrics {
  readonly attempts: Counter<"result">;
  readonly attemptSeconds: Histogram<"result">;
  readonly algorithmSeconds: Histogram;
}

/** Registers the scheduler's metrics. */
export function createSchedulerMetrics(registry: Registry): SchedulerMetrics {
  return {
    attempts: registry.counter("scheduler_schedule_attempts_total", "Attempts to schedule pods, by result.", [
      "result",
    ]),
    attemptSeconds: registry.histogram(
      "scheduler_scheduling_attempt_duration_seconds",
      "From the decision to its binding's answer.",
      ["result"],
    ),
    algorithmSeconds: registry.histogram(
      "scheduler_scheduling_algorithm_duration_seconds",
      "What the decision alone took.",
    ),
  };
}
