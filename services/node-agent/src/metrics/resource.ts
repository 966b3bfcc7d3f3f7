import { Exposition } from "@trireme/telemetry";
import type { MeasuredContainer } from "./measured.ts";

/** `/metrics/resource`: the few numbers that autoscalers look at, under kubelet's names. */
export function renderResource(
  containers: readonly MeasuredContainer[],
  machine: { readonly cpuSeconds: number; readonly workingSetBytes: number },
): string {
  const out = new Exposition();
  const labels = ({ pod, container }: MeasuredContainer): Record<string, string> => ({
    container: container.name,
    namespace: pod.namespace,
    pod: pod.name,
  });
  const cpu = out.family("container_cpu_usage_seconds_total", "counter", "CPU time used by the container.");
  for (const one of containers) cpu.add(labels(one), one.stats.cpuSeconds);
  const memory = out.family("container_memory_working_set_bytes", "gauge", "Working set of the container.");
  for (const one of containers) memory.add(labels(one), one.stats.memory.workingSet);
  const start = out.family("container_start_time_seconds", "gauge", "When it started, seconds since 1970.");
  for (const one of containers) start.add(labels(one), one.container.startedAt / 1000);
  const pods = new Map<string, { namespace: string; pod: string; cpu: number; memory: number }>();
  for (const { pod, stats } of containers) {
    const sum = pods.get(pod.uid) ?? { namespace: pod.namespace, pod: pod.name, cpu: 0, memory: 0 };
    sum.cpu += stats.cpuSeconds;
    sum.memory += stats.memory.workingSet;
    pods.set(pod.uid, sum);
  }
  const podCpu = out.family("pod_cpu_usage_seconds_total", "counter", "CPU time used by the pod's containers.");
  for (const { namespace, pod, cpu: used } of pods.values()) podCpu.add({ namespace, pod }, used);
  const podMemory = out.family("pod_memory_working_set_bytes", "gauge", "Working set of the pod's containers.");
  for (const { namespace, pod, memory: used } of pods.values()) podMemory.add({ namespace, pod }, used);
  out.family("node_cpu_usage_seconds_total", "counter", "CPU time used by the machine.").add({}, machine.cpuSeconds);
  out.family("node_memory_working_set_bytes", "gauge", "Working set of the machine.").add({}, machine.workingSetBytes);
  out.family("resource_scrape_error", "gauge", "Whether the numbers could not be read (1).").add({}, 0);
  return out.text();
}
