import type { Container, LifecycleHandler } from "@trireme/api";
import { sleep } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { Logger } from "@trireme/telemetry";
import { httpCheck, portOf } from "../probes/checks.ts";

/**
 * Runs a container's preStop hook within its grace period and answers the whole seconds it took. A hook that fails or
 * runs out of time is logged and the container is stopped all the same.
 */
export async function runPreStop(hook: {
  readonly cri: Cri;
  readonly container: Container;
  readonly hook: LifecycleHandler;
  readonly containerId: string;
  readonly ip: string;
  readonly graceSeconds: number;
  readonly log: Logger;
}): Promise<number> {
  const started = performance.now();
  const { exec, httpGet, sleep: pause } = hook.hook;
  try {
    if (exec?.command !== undefined) await hook.cri.execSync(hook.containerId, exec.command, hook.graceSeconds);
    else if (httpGet !== undefined) {
      const port = portOf(httpGet.port, hook.container);
      await httpCheck(httpGet, httpGet.host ?? hook.ip, port, hook.graceSeconds * 1000);
    } else if (pause !== undefined) await sleep(Math.min(pause.seconds, hook.graceSeconds) * 1000);
  } catch (error) {
    hook.log.warn("a preStop hook failed", { container: hook.container.name, err: error });
  }
  return Math.floor((performance.now() - started) / 1000);
}
