import { readFileSync } from "node:fs";
import type { Clock } from "@trireme/base";
import { type Bus, type PodUsage, type Sample, type Usage, sampleCodec, sampleSubject } from "@trireme/bus";
import type { Logger } from "@trireme/telemetry";
import { type Counters, findCgroupRoots, machineCounters, readCounters } from "./cgroup-files.ts";
import { type Rate, Rates } from "./rates.ts";

/** Between two samples: autoscalers look every few seconds, and a reading costs tens of microseconds a container. */
const SAMPLE_MS = 2000;

/** The machine's own id among those of containers. */
const MACHINE = "machine";

/** A container that runs, by its pod. */
export interface RunningContainer {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly container: { readonly id: string; readonly name: string };
}

/** What the sampler needs. */
export interface SamplerOptions {
  readonly bus: Bus;
  readonly node: string;
  /** The cgroup below which each container has its own, named by its id. */
  readonly cgroupParent: string;
  readonly running: () => readonly RunningContainer[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Says every two seconds over the bus what the node and its pods use. Answers a function that ends it. */
export function startSampler(options: SamplerOptions): () => void {
  const { bus, node, cgroupParent, running, clock, log } = options;
  const roots = findCgroupRoots(readFileSync("/proc/self/mounts", "utf8"));
  if (roots === undefined) {
    log.warn("this machine accounts for no CPU or memory: there will be no measurements");
    return () => undefined;
  }
  const rates = new Rates();
  const read = (id: string): Counters | undefined => readCounters(roots, `${cgroupParent}/${id}`);
  const readMachine = (): Counters =>
    machineCounters(readFileSync("/proc/stat", "utf8"), readFileSync("/proc/meminfo", "utf8"));
  let cancel: () => void;
  const tick = (): void => {
    // Without a bus nobody hears: readings wait, and the first ones afterwards start anew.
    if (bus.status() !== "connected") rates.keep(new Set());
    else {
      const at = { wallMs: clock.now(), monotonicMs: clock.monotonic() };
      const sample = takeSample(node, rates, running(), { read, readMachine }, at);
      if (sample !== undefined) bus.publish(sampleSubject(node), sampleCodec.encode(sample));
    }
    cancel = clock.after(SAMPLE_MS, tick);
  };
  cancel = clock.after(0, tick);
  return () => cancel();
}

interface Readers {
  readonly read: (containerId: string) => Counters | undefined;
  readonly readMachine: () => Counters;
}

/** One sample, once the machine has been read twice. A pod is in it when all its running containers have a rate. */
export function takeSample(
  node: string,
  rates: Rates,
  running: readonly RunningContainer[],
  { read, readMachine }: Readers,
  at: { readonly wallMs: number; readonly monotonicMs: number },
): Sample | undefined {
  rates.keep(new Set([MACHINE, ...running.map(({ container }) => container.id)]));
  const byPod = new Map<string, Map<string, Rate | undefined>>();
  for (const { pod, container } of running) {
    const counters = read(container.id);
    if (counters === undefined) continue;
    const key = `${pod.namespace}/${pod.name}`;
    const containers = byPod.get(key) ?? new Map<string, Rate | undefined>();
    containers.set(container.name, rates.add(container.id, counters, at.monotonicMs));
    byPod.set(key, containers);
  }
  const machine = rates.add(MACHINE, readMachine(), at.monotonicMs);
  if (machine === undefined) return undefined;
  const pods: Record<string, PodUsage> = {};
  for (const [key, containers] of byPod) {
    const usage = sumOf(containers);
    if (usage !== undefined) pods[key] = usage;
  }
  return { v: 1, node, atMs: at.wallMs, ...machine, pods };
}

function sumOf(rates: ReadonlyMap<string, Rate | undefined>): PodUsage | undefined {
  let [cpuMillis, memoryBytes, windowMs] = [0, 0, Infinity];
  const containers: Record<string, Usage> = {};
  for (const [name, rate] of rates) {
    if (rate === undefined) return undefined;
    cpuMillis += rate.cpuMillis;
    memoryBytes += rate.memoryBytes;
    windowMs = Math.min(windowMs, rate.windowMs);
    containers[name] = { cpuMillis: rate.cpuMillis, memoryBytes: rate.memoryBytes };
  }
  return { cpuMillis, memoryBytes, windowMs, containers };
}
