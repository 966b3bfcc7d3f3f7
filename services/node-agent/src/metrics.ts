import type { Registry } from "@trireme/telemetry";

/** The agent's metrics, under kubelet's and kube-proxy's names so that stock dashboards work. */
export interface AgentMetrics {
  runtimeOperation(operation: string, seconds: number, failed: boolean): void;
  relist(seconds: number): void;
  proxySync(seconds: number): void;
  podStart(seconds: number): void;
  podDrain(seconds: number, outcome: string): void;
}

/** Registers the metrics; `counts` is asked at each scrape. */
export function agentMetrics(
  registry: Registry,
  node: string,
  counts: () => { readonly pods: number; readonly containers: Readonly<Record<string, number>> },
): AgentMetrics {
  const operation = ["operation_type"] as const;
  const total = registry.counter("kubelet_runtime_operations_total", "Calls to the container runtime.", operation);
  const errors = registry.counter("kubelet_runtime_operations_errors_total", "Calls that failed.", operation);
  const duration = registry.histogram("kubelet_runtime_operations_duration_seconds", "Time of a call.", operation);
  const relists = registry.histogram("kubelet_pleg_relist_duration_seconds", "Time to list pods and containers.");
  const proxy = registry.histogram("kubeproxy_sync_proxy_rules_duration_seconds", "Time to apply the rules.");
  const starts = registry.histogram("kubelet_pod_start_duration_seconds", "From seeing a pod to its running.");
  const drains = registry.histogram("tri_pod_drain_seconds", "From a pod's end to its SIGTERM.", ["outcome"]);
  registry.gauge("kubelet_node_name", "The node's name; joins other series.", ["node"]).set(1, { node });
  registry.gauge("kubelet_running_pods", "Pods with a sandbox.", [], (gauge) => gauge.set(counts().pods));
  registry.gauge("kubelet_running_pod_count", "As kubelet_running_pods.", [], (gauge) => gauge.set(counts().pods));
  registry.gauge("kubelet_running_containers", "Containers by state.", ["container_state"], (gauge) => {
    for (const [state, count] of Object.entries(counts().containers)) gauge.set(count, { container_state: state });
  });
  return {
    runtimeOperation(type, seconds, failed) {
      total.inc({ operation_type: type });
      if (failed) errors.inc({ operation_type: type });
      duration.observe(seconds, { operation_type: type });
    },
    relist: (seconds) => relists.observe(seconds),
    proxySync: (seconds) => proxy.observe(seconds),
    podStart: (seconds) => starts.observe(seconds),
    podDrain: (seconds, outcome) => drains.observe(seconds, { outcome }),
  };
}
