import { sleep } from "@trireme/base";
import type { Host } from "./machines.ts";
import type { Sighting } from "./verdict.ts";

/** Between two looks, s. */
const EVERY = 0.5;
/** A machine that is off is asked again after this time, ms. */
const RETRY_MS = 300;

/**
 * One line for each container of a StatefulSet's pod that has a process now: the kernel's uptime, the pod's name and the
 * container's id. It looks at processes, so it believes neither the agent nor containerd.
 */
function script(statefulSet: string): string {
  return `while sleep ${EVERY}; do
    read now rest </proc/uptime
    for file in $(grep -ls HOSTNAME=${statefulSet}- /proc/[0-9]*/environ); do
      name=$(tr '\\0' '\\n' <$file 2>/dev/null | sed -n 's/^HOSTNAME=//p')
      id=$(sed -n 's#.*/##p' \${file%/environ}/cgroup 2>/dev/null | grep -E '^[0-9a-f]{64}$' | head -n 1)
      [ -z "$name" ] || [ -z "$id" ] || echo "$now $name $id"
    done | sort -u
  done`;
}

/** Looks on each node what runs of a StatefulSet's pods, until stopped; a node that is off or paused shows nothing. */
export function watchPods(nodes: readonly Host[], statefulSet: string) {
  const sightings: Sighting[] = [];
  let stopped = false;
  for (const node of nodes) {
    void (async () => {
      while (!stopped) {
        try {
          await node.follow(["sh", "-c", script(statefulSet)], (line) => {
            const [seconds, pod = "", container = ""] = line.split(" ");
            sightings.push({ atMs: Number(seconds) * 1000, node: node.name, pod, container });
          });
        } catch {
          // The machine is off: nothing runs on it, which is what no line says.
        }
        await sleep(RETRY_MS);
      }
    })();
  }
  return {
    /** All that was seen since the start. */
    sightings: sightings as readonly Sighting[],
    stop(): void {
      stopped = true;
    },
  };
}
