import { readFileSync } from "node:fs";
import type { Pod } from "@trireme/api";
import type { ContainerFact, RuntimePod } from "../pods/facts.ts";
import { type ContainerStats, type StatRoots, findStatRoots, readContainerStats } from "../usage/container-stats.ts";

/** A running container with what it uses and the names that dashboards join by. */
export interface MeasuredContainer {
  readonly pod: RuntimePod;
  readonly container: ContainerFact;
  /** The image as the pod names it; stock queries leave out what has none. */
  readonly image: string;
  /** Its cgroup, from the root of the hierarchies. */
  readonly group: string;
  readonly stats: ContainerStats;
}

/** Where the measuring pages look. */
export interface MeasuringOptions {
  readonly cgroupParent: string;
  readonly running: () => readonly { readonly pod: RuntimePod; readonly container: ContainerFact }[];
  readonly podOf: (namespace: string, name: string) => Pod | undefined;
}

/** Reads what every running container uses, at each call. */
export function createMeasuring(options: MeasuringOptions): {
  readonly roots: StatRoots | undefined;
  containers(): MeasuredContainer[];
} {
  const { cgroupParent, running, podOf } = options;
  const roots = findStatRoots(readFileSync("/proc/self/mounts", "utf8"));
  return {
    roots,
    containers() {
      if (roots === undefined) return [];
      return running().flatMap(({ pod, container }) => {
        const group = `${cgroupParent}/${container.id}`;
        const stats = readContainerStats(roots, group);
        if (stats === undefined) return [];
        const { spec } = podOf(pod.namespace, pod.name) ?? {};
        const declared = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
        const image = declared.find((one) => one.name === container.name)?.image ?? container.image;
        return [{ pod, container, image, group, stats }];
      });
    },
  };
}

/** Counters of one network interface since it is there. */
export interface InterfaceCounters {
  readonly name: string;
  readonly received: Readonly<Record<"bytes" | "packets" | "errors" | "dropped", number>>;
  readonly transmitted: Readonly<Record<"bytes" | "packets" | "errors" | "dropped", number>>;
}

/** Reads the text of /proc/net/dev, loopback aside. */
export function parseNetDev(text: string): InterfaceCounters[] {
  return text.split("\n").flatMap((line) => {
    const match = /^ *([^:\s]+): *(.*)$/.exec(line);
    if (match === null || match[1] === "lo") return [];
    const [rb = 0, rp = 0, re = 0, rd = 0, , , , , tb = 0, tp = 0, te = 0, td = 0] = match[2]!.split(/ +/).map(Number);
    return [
      {
        name: match[1]!,
        received: { bytes: rb, packets: rp, errors: re, dropped: rd },
        transmitted: { bytes: tb, packets: tp, errors: te, dropped: td },
      },
    ];
  });
}

/** The interfaces of the pod that a container belongs to, seen through any process of it; empty when none is left. */
export function podInterfaces(roots: StatRoots, group: string): InterfaceCounters[] {
  try {
    const [pid] = readFileSync(`${roots.of("memory")}${group}/cgroup.procs`, "utf8").split("\n");
    if (pid === undefined || pid === "") return [];
    return parseNetDev(readFileSync(`/proc/${pid}/net/dev`, "utf8"));
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "ENODEV" || code === "EINVAL") return [];
    throw thrown;
  }
}
