import type { Container, LifecycleHandler } from "@trireme/api";
import { TriremeError, sleep } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import { portOf, requestOnce, tcpCheck } from "../probes/checks.ts";

/** One hook of one running container. */
export interface Hook {
  readonly cri: Cri;
  readonly container: Container;
  readonly handler: LifecycleHandler;
  readonly containerId: string;
  /** The pod's address. */
  readonly ip: string;
  /** The hook has failed when it takes longer. */
  readonly timeoutSeconds: number;
}

/** A postStart hook that takes longer has hung: kubelet would wait for ever, and the pod with it. */
export const POST_START_SECONDS = 3600;

/** What is kept of a hook command's output for the log. */
const MAX_OUTPUT = 1024;

/**
 * Runs a lifecycle hook to its end; rejects when it fails. As in kubelet an HTTP hook has succeeded when it was answered,
 * whatever the status is. Kubelet knows no `tcpSocket` hook; here it succeeds when a connection can be made.
 */
export async function runHook(hook: Hook): Promise<void> {
  const { container, handler, ip, timeoutSeconds } = hook;
  const { exec, httpGet, tcpSocket, sleep: pause } = handler;
  if (exec !== undefined) {
    const { exitCode, stdout, stderr } = await hook.cri.execSync(hook.containerId, exec.command ?? [], timeoutSeconds);
    if (exitCode === 0) return;
    const said = Buffer.concat([stdout, stderr]).subarray(0, MAX_OUTPUT).toString("utf8");
    throw new TriremeError("InternalError", `the hook's command ended with exit code ${exitCode}: ${said}`);
  }
  if (httpGet !== undefined) {
    const agent = "kube-lifecycle/1.34";
    await requestOnce(httpGet, httpGet.host || ip, portOf(httpGet.port, container), timeoutSeconds * 1000, agent);
    return;
  }
  if (tcpSocket !== undefined) {
    const port = portOf(tcpSocket.port, container);
    const { ok, message } = await tcpCheck(tcpSocket.host || ip, port, timeoutSeconds * 1000);
    if (!ok) throw new TriremeError("InternalError", message);
    return;
  }
  if (pause !== undefined) await sleep(Math.min(pause.seconds, timeoutSeconds) * 1000);
}
