import { X509Certificate } from "node:crypto";
import type { Pod, PodStatus } from "@trireme/api";
import type { Clock } from "@trireme/base";
import type { Registry } from "@trireme/telemetry";
import type { PodRunner } from "./pods/pod-runner.ts";

/** The agent's metrics, under kubelet's and kube-proxy's names so that stock dashboards work. */
export interface AgentMetrics {
  runtimeOperation(operation: string, seconds: number, failed: boolean): void;
  relist(seconds: number): void;
  proxySync(seconds: number): void;
  /** Told of each status before it is written: the first Running is a pod's start. */
  podStatus(pod: Pod, status: PodStatus): void;
  /** The same runner of steps, measured. */
  timed(run: PodRunner["run"]): PodRunner["run"];
  podDrain(seconds: number, outcome: string): void;
}

/** What the gauges are made from. */
export interface AgentFacts {
  readonly node: string;
  /** The agent's certificate, PEM: it is both its server's and its client's. */
  readonly certificate: () => string | Buffer;
  readonly counts: () => { readonly pods: number; readonly containers: Readonly<Record<string, number>> };
  readonly clock: Clock;
}

/** Registers the metrics: the agent's in `registry`, the service proxy's in `proxy`. `counts` is asked at each scrape. */
export function agentMetrics(
  registry: Registry,
  proxy: Registry,
  { node, certificate, counts, clock }: AgentFacts,
): AgentMetrics {
  const operation = ["operation_type"] as const;
  const total = registry.counter("kubelet_runtime_operations_total", "Calls to the container runtime.", operation);
  const errors = registry.counter("kubelet_runtime_operations_errors_total", "Calls that failed.", operation);
  const duration = registry.histogram("kubelet_runtime_operations_duration_seconds", "Time of a call.", operation);
  const relists = registry.histogram("kubelet_pleg_relist_duration_seconds", "Time to list pods and containers.");
  const intervals = registry.histogram("kubelet_pleg_relist_interval_seconds", "Time between two such lists.");
  const steps = registry.histogram("kubelet_pod_worker_duration_seconds", "Time of one step for one pod.", operation);
  const syncs = proxy.histogram("kubeproxy_sync_proxy_rules_duration_seconds", "Time to apply the rules.");
  const starts = registry.histogram("kubelet_pod_start_duration_seconds", "From seeing a pod to its running.");
  const drains = registry.histogram("tri_pod_drain_seconds", "From a pod's end to its SIGTERM.", ["outcome"]);
  registry.gauge("kubelet_node_name", "The node's name; joins other series.", ["node"]).set(1, { node });
  registry.gauge("kubelet_running_pods", "Pods with a sandbox.", [], (gauge) => gauge.set(counts().pods));
  registry.gauge("kubelet_running_pod_count", "As kubelet_running_pods.", [], (gauge) => gauge.set(counts().pods));
  registry.gauge("kubelet_running_containers", "Containers by state.", ["container_state"], (gauge) => {
    for (const [state, count] of Object.entries(counts().containers)) gauge.set(count, { container_state: state });
  });
  for (const side of ["client", "server"] as const) {
    const name = `kubelet_certificate_manager_${side}_ttl_seconds`;
    registry.gauge(name, `What is left of the life of the ${side} certificate.`, [], (gauge) => {
      gauge.set((Date.parse(new X509Certificate(certificate()).validTo) - clock.now()) / 1000);
    });
  }
  let lastRelist: number | undefined;
  return {
    runtimeOperation(type, seconds, failed) {
      total.inc({ operation_type: type });
      if (failed) errors.inc({ operation_type: type });
      duration.observe(seconds, { operation_type: type });
    },
    relist(seconds) {
      relists.observe(seconds);
      const now = clock.monotonic();
      if (lastRelist !== undefined) intervals.observe((now - lastRelist) / 1000);
      lastRelist = now;
    },
    proxySync: (seconds) => syncs.observe(seconds),
    podStatus(pod, status) {
      const begun = Date.parse(status.startTime ?? "");
      if (status.phase !== "Running" || pod.status?.phase === "Running" || Number.isNaN(begun)) return;
      starts.observe(Math.max(0, clock.now() - begun) / 1000);
    },
    timed: (run) => async (step, facts, tell) => {
      const from = clock.monotonic();
      try {
        await run(step, facts, tell);
      } finally {
        steps.observe((clock.monotonic() - from) / 1000, { operation_type: step.type });
      }
    },
    podDrain: (seconds, outcome) => drains.observe(seconds, { outcome }),
  };
}
