import { sleep } from "@trireme/base";
import type { Host } from "./machines.ts";
import type { Sighting } from "./verdict.ts";

/** Between two looks. */
const EVERY_MS = 500;
/** A machine that is off is asked again after this time. */
const RETRY_MS = 300;

/**
 * A program for the node's own Node: one line for each container of a StatefulSet's pod that has a process now, with the
 * kernel's uptime, the pod's name and the container's id. It looks at processes, so it believes neither the agent nor
 * containerd. A process that ends while it is looked at has nothing to be read.
 */
function program(statefulSet: string): string {
  return `
    const { readdirSync, readFileSync } = require("node:fs");
    const read = (path) => { try { return readFileSync(path, "latin1"); } catch { return ""; } };
    setInterval(() => {
      const now = read("/proc/uptime").split(" ")[0];
      const seen = new Set();
      for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
        const pod = /(?:^|\\0)HOSTNAME=(${statefulSet}-[0-9]+)(?:\\0|$)/.exec(read("/proc/" + pid + "/environ"))?.[1];
        const container = pod && /[/]([0-9a-f]{64})$/m.exec(read("/proc/" + pid + "/cgroup"))?.[1];
        if (container) seen.add(now + " " + pod + " " + container);
      }
      for (const line of seen) console.log(line);
    }, ${EVERY_MS});`;
}

/** Looks on each node what runs of a StatefulSet's pods, until stopped; a node that is off or paused shows nothing. */
export function watchPods(nodes: readonly Host[], statefulSet: string) {
  const sightings: Sighting[] = [];
  const problems = new Map<string, string>();
  let stopped = false;
  for (const node of nodes) {
    void (async () => {
      while (!stopped) {
        try {
          await node.follow(["node", "-e", program(statefulSet)], (line) => {
            const [seconds, pod = "", container = ""] = line.split(" ");
            sightings.push({ atMs: Number(seconds) * 1000, node: node.name, pod, container });
          });
        } catch (error) {
          // As a rule the machine is off: nothing runs on it, which is what no line says. If not, somebody wants to know.
          problems.set(node.name, (error as Error).message);
        }
        await sleep(RETRY_MS);
      }
    })();
  }
  return {
    /** All that was seen since the start. */
    sightings: sightings as readonly Sighting[],
    /** By node, why it could not be looked at when that failed last. */
    problems: problems as ReadonlyMap<string, string>,
    stop(): void {
      stopped = true;
    },
  };
}
