import type { Counter, Histogram, Registry } from "@trireme/telemetry";

/** Who schedules: there is one profile. */
const PROFILE = "default-scheduler";

/** Attempts that have a series of their own; more are counted together. */
const MAX_ATTEMPTS_LABEL = 16;

/** Pods that wait, by the place where they do. */
export interface PendingPods {
  readonly active: number;
  readonly backoff: number;
  readonly unschedulable: number;
}

/** The scheduler's metrics, under Kubernetes' names, so that stock dashboards work. */
export interface SchedulerMetrics {
  readonly algorithmSeconds: Histogram;
  attempt(result: "scheduled" | "unschedulable" | "error", seconds: number): void;
  /** From a pod's creation to its binding, after that many attempts. */
  scheduled(seconds: number, attempts: number): void;
  /** Shows what `read` answers at each scrape. */
  observePending(read: () => PendingPods): void;
}

/** Registers the scheduler's metrics. */
export function createSchedulerMetrics(registry: Registry): SchedulerMetrics {
  const labels = ["result", "profile"] as const;
  const attempts: Counter<(typeof labels)[number]> = registry.counter(
    "scheduler_schedule_attempts_total",
    "Attempts to schedule pods, by result.",
    labels,
  );
  const attemptSeconds = registry.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "From the decision to its binding's answer.",
    labels,
  );
  const sli = registry.histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "From a pod's creation to its binding.",
    ["attempts"] as const,
  );
  return {
    algorithmSeconds: registry.histogram(
      "scheduler_scheduling_algorithm_duration_seconds",
      "What the decision alone took.",
    ),
    attempt(result, seconds) {
      attempts.inc({ result, profile: PROFILE });
      attemptSeconds.observe(seconds, { result, profile: PROFILE });
    },
    scheduled(seconds, count) {
      sli.observe(Math.max(0, seconds), { attempts: Math.min(count, MAX_ATTEMPTS_LABEL) });
    },
    observePending(read) {
      registry.gauge("scheduler_pending_pods", "Pods that wait for a node.", ["queue"] as const, (gauge) => {
        const { active, backoff, unschedulable } = read();
        gauge.set(active, { queue: "active" });
        gauge.set(backoff, { queue: "backoff" });
        gauge.set(unschedulable, { queue: "unschedulable" });
      });
    },
  };
}
