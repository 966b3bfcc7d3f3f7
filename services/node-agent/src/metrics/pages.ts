import { readFileSync } from "node:fs";
import type { Pod } from "@trireme/api";
import type { Page, Registry } from "@trireme/telemetry";
import type { PodSet } from "../pods/pod-set.ts";
import type { ProbeTally } from "../probes/prober.ts";
import { machineCounters } from "../usage/cgroup-files.ts";
import { type MachineSize, type PodInterfaces, renderCadvisor } from "./cadvisor.ts";
import { type MeasuredContainer, createMeasuring, podInterfaces } from "./measured.ts";
import { renderProbes } from "./probe-page.ts";
import { renderResource } from "./resource.ts";
import { type ClaimInUse, renderVolumeStats } from "./volume-stats.ts";

/** What the pages are made from, once the agent runs. */
export interface PageSources {
  readonly pods: Pick<PodSet, "running">;
  readonly podOf: (namespace: string, name: string) => Pod | undefined;
  readonly tallies: () => readonly ProbeTally[];
  readonly claims: () => Promise<readonly ClaimInUse[]>;
  readonly machine: MachineSize;
  readonly cgroupParent: string;
}

/** The agent's pages by path: kubelet's four, and kube-proxy's. Before the agent runs they hold what there is. */
export function agentPages(
  kubelet: Registry,
  proxy: Registry,
  sources: () => PageSources | undefined,
): ReadonlyMap<string, Page> {
  let measuring: ReturnType<typeof createMeasuring> | undefined;
  const measured = (from: PageSources): MeasuredContainer[] => {
    measuring ??= createMeasuring({
      cgroupParent: from.cgroupParent,
      running: () => from.pods.running(),
      podOf: from.podOf,
    });
    return measuring.containers();
  };
  const when = (render: (from: PageSources) => string | Promise<string>): Page => {
    return async () => {
      const from = sources();
      return from === undefined ? "" : render(from);
    };
  };
  const volumeStats = when(async (from) => renderVolumeStats(await from.claims()));
  return new Map<string, Page>([
    ["/metrics", async () => `${await kubelet.render()}\n${await volumeStats()}`],
    [
      "/metrics/cadvisor",
      when((from) => {
        const containers = measured(from);
        return renderCadvisor(containers, interfacesOf(containers, measuring?.roots, from), from.machine);
      }),
    ],
    ["/metrics/resource", when((from) => renderResource(measured(from), readMachineUse()))],
    ["/metrics/probes", when((from) => renderProbes(from.tallies()))],
    ["/metrics/proxy", () => proxy.render()],
  ]);
}

/** Interfaces of each pod with a network of its own; one that shares the node's would be told again and again. */
function interfacesOf(
  containers: readonly MeasuredContainer[],
  roots: ReturnType<typeof createMeasuring>["roots"],
  from: PageSources,
): PodInterfaces[] {
  const done = new Set<string>();
  const out: PodInterfaces[] = [];
  for (const { pod, group } of containers) {
    if (roots === undefined || done.has(pod.uid)) continue;
    if (from.podOf(pod.namespace, pod.name)?.spec.hostNetwork === true) continue;
    const interfaces = podInterfaces(roots, group);
    if (interfaces.length === 0) continue;
    done.add(pod.uid);
    out.push({ namespace: pod.namespace, name: pod.name, interfaces });
  }
  return out;
}

function readMachineUse(): { cpuSeconds: number; workingSetBytes: number } {
  const now = machineCounters(readFileSync("/proc/stat", "utf8"), readFileSync("/proc/meminfo", "utf8"));
  return { cpuSeconds: now.cpuMicros / 1e6, workingSetBytes: now.memoryBytes };
}
