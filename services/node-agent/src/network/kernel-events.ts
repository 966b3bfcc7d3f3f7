import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Clock } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";

/** A monitor that ends is started again after this long. */
const RESTART_MS = 5000;

/**
 * Calls `onChange` whenever links, addresses or routes of this network namespace change (rtnetlink(7), by `ip monitor`),
 * often several times for one change. Whoever listens still looks at times by himself: while the monitor is started again,
 * or when the kernel's queue for it overflows, changes go untold. It never outlives this process.
 */
export function watchKernelNetwork(options: {
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}): { stop(): void } {
  const { clock, log } = options;
  let end: () => void = () => undefined;
  let stopped = false;

  function start(): void {
    const command = ["ip", "-oneline", "monitor", "link", "address", "route"];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], { stdio: ["ignore", "pipe", "ignore"] });
    let why: unknown;
    createInterface({ input: child.stdout }).on("line", options.onChange);
    child.once("error", (error) => (why = error));
    child.once("close", (code, signal) => {
      if (stopped) return;
      log.warn("the kernel's network events are not heard, and asked for again", { err: why, code, signal });
      end = clock.after(RESTART_MS, start);
    });
    end = () => void child.kill();
  }

  start();
  return {
    stop() {
      stopped = true;
      end();
    },
  };
}
