import { Exposition, type Family } from "@trireme/telemetry";
import type { InterfaceCounters, MeasuredContainer } from "./measured.ts";

/** The machine's own numbers. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Interfaces of one pod, told once a pod and not once a container. */
export interface PodInterfaces {
  readonly namespace: string;
  readonly name: string;
  readonly interfaces: readonly InterfaceCounters[];
}

/**
 * `/metrics/cadvisor`: what containers and pods use, under cAdvisor's names. Series of containers carry `container`, `pod`,
 * `namespace` and `image`, by which stock rules join them with kube_pod_info and leave out what is no container.
 */
export function renderCadvisor(
  containers: readonly MeasuredContainer[],
  pods: readonly PodInterfaces[],
  machine: MachineSize,
): string {
  const out = new Exposition();
  const labelsOf = ({ pod, container, image, group }: MeasuredContainer): Record<string, string> => ({
    container: container.name,
    id: group,
    image,
    name: container.id,
    namespace: pod.namespace,
    pod: pod.name,
  });
  const all = containers.map((one) => ({ ...one, labels: labelsOf(one) }));
  type Labelled = (typeof all)[number];
  const each = (
    name: string,
    type: "counter" | "gauge",
    help: string,
    value: (one: Labelled) => number | undefined,
  ): void => {
    const family = out.family(name, type, help);
    for (const one of all) {
      const found = value(one);
      if (found !== undefined) family.add(one.labels, found);
    }
  };
  const cpu = out.family("container_cpu_usage_seconds_total", "counter", "CPU time used.");
  for (const { labels, stats } of all) cpu.add({ ...labels, cpu: "total" }, stats.cpuSeconds);
  each(
    "container_cpu_cfs_periods_total",
    "counter",
    "Periods of the CPU limit.",
    (one) => one.stats.throttling?.periods,
  );
  each(
    "container_cpu_cfs_throttled_periods_total",
    "counter",
    "Periods in which the CPU limit stopped the container.",
    (one) => one.stats.throttling?.throttled,
  );
  each(
    "container_cpu_cfs_throttled_seconds_total",
    "counter",
    "Time for which the CPU limit stopped the container.",
    (one) => one.stats.throttling?.seconds,
  );
  const memory = (name: string, field: keyof Labelled["stats"]["memory"], help: string): void =>
    each(`container_memory_${name}`, "gauge", help, (one) => one.stats.memory[field]);
  memory("usage_bytes", "usage", "Memory in use, caches included.");
  memory("working_set_bytes", "workingSet", "Memory in use without what the kernel could drop at once.");
  memory("rss", "rss", "Anonymous memory.");
  memory("cache", "cache", "Page cache.");
  memory("swap", "swap", "Swap.");
  each("container_oom_events_total", "counter", "Kills for want of memory.", (one) => one.stats.oomKills);
  each("container_start_time_seconds", "gauge", "When it started, seconds since 1970.", (one) => {
    return one.container.startedAt / 1000;
  });
  each("container_last_seen", "gauge", "Whether it is there.", () => 1);
  const io = (name: string, field: "reads" | "writes" | "readBytes" | "writeBytes", help: string): void => {
    const family = out.family(`container_fs_${name}`, "counter", help);
    for (const { labels, stats } of all) {
      for (const device of stats.io) family.add({ ...labels, device: device.device }, device[field]);
    }
  };
  io("reads_total", "reads", "Reads of block devices.");
  io("writes_total", "writes", "Writes to block devices.");
  io("reads_bytes_total", "readBytes", "Bytes read from block devices.");
  io("writes_bytes_total", "writeBytes", "Bytes written to block devices.");
  network(out, pods);
  out.family("machine_cpu_cores", "gauge", "CPUs of the machine.").add({}, machine.cpus);
  out.family("machine_memory_bytes", "gauge", "Memory of the machine.").add({}, machine.memoryBytes);
  return out.text();
}

const NETWORK = [
  ["bytes", "bytes"],
  ["packets", "packets"],
  ["packets_dropped", "dropped"],
  ["errors", "errors"],
] as const;

function network(out: Exposition, pods: readonly PodInterfaces[]): void {
  for (const direction of ["receive", "transmit"] as const) {
    for (const [name, field] of NETWORK) {
      const help = `${direction === "receive" ? "Received by" : "Sent from"} pods: ${name.replace("_", " ")}.`;
      const family: Family = out.family(`container_network_${direction}_${name}_total`, "counter", help);
      for (const pod of pods) {
        for (const one of pod.interfaces) {
          const counters = direction === "receive" ? one.received : one.transmitted;
          // As cAdvisor's: of the pod's sandbox, hence with an image and without a container.
          const labels = {
            container: "",
            image: "pause",
            interface: one.name,
            namespace: pod.namespace,
            pod: pod.name,
          };
          family.add(labels, counters[field]);
        }
      }
    }
  }
}
