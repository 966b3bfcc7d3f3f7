import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { Container, HTTPGetAction, Probe } from "@trireme/api";
import { TriremeError, errorFrom } from "@trireme/base";
import type { Cri } from "@trireme/cri";

/** What one probe of a container found; the message is for the event and the status. */
export interface CheckResult {
  readonly ok: boolean;
  readonly message: string;
}

/** A container's port by number or by name. */
export function portOf(port: number | string, container: Container): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find((p) => p.name === port)?.containerPort ?? Number(port);
  if (!Number.isInteger(named)) {
    throw new TriremeError("Invalid", `container ${container.name} has no port named "${port}"`);
  }
  return named;
}

/** Asks an HTTP path; 200 to 399 is success, as in kubelet. Redirects are not followed. Certificates are not checked. */
export function httpCheck(action: HTTPGetAction, host: string, port: number, timeoutMs: number): Promise<CheckResult> {
  const secure = action.scheme === "HTTPS";
  const headers: Record<string, string> = { "user-agent": "kube-probe/1.34", accept: "*/*", connection: "close" };
  for (const header of action.httpHeaders ?? []) headers[header.name.toLowerCase()] = header.value;
  return new Promise((resolve) => {
    const path = action.path ?? "/";
    const options = { host, port, path: path.startsWith("/") ? path : `/${path}`, headers, agent: false as const };
    const answer = (ok: boolean, message: string): void => {
      clearTimeout(timer);
      resolve({ ok, message });
      request.destroy();
    };
    const request = secure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    const timer = setTimeout(() => answer(false, `no answer within ${timeoutMs} ms from ${host}:${port}`), timeoutMs);
    request.on("response", (response) => {
      const code = response.statusCode ?? 0;
      response.resume();
      answer(code >= 200 && code < 400, `HTTP probe of ${path} answered with status ${code}`);
    });
    request.on("error", (error) => answer(false, errorFrom(error).message));
    request.end();
  });
}

/** Whether a TCP connection can be made. */
export function tcpCheck(host: string, port: number, timeoutMs: number): Promise<CheckResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (ok: boolean, message: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ok, message });
    };
    const timer = setTimeout(() => answer(false, `no connection within ${timeoutMs} ms to ${host}:${port}`), timeoutMs);
    socket.on("connect", () => answer(true, ""));
    socket.on("error", (error) => answer(false, errorFrom(error).message));
  });
}

/** Runs a probe's action once. */
export async function check(
  probe: Probe,
  where: { readonly cri: Cri; readonly container: Container; readonly containerId: string; readonly ip: string },
): Promise<CheckResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  try {
    if (probe.httpGet !== undefined) {
      const port = portOf(probe.httpGet.port, where.container);
      return await httpCheck(probe.httpGet, probe.httpGet.host || where.ip, port, timeoutSeconds * 1000);
    }
    if (probe.tcpSocket !== undefined) {
      const port = portOf(probe.tcpSocket.port, where.container);
      return await tcpCheck(probe.tcpSocket.host || where.ip, port, timeoutSeconds * 1000);
    }
    if (probe.exec !== undefined) {
      const result = await where.cri.execSync(where.containerId, probe.exec.command ?? [], timeoutSeconds);
      const output = Buffer.concat([result.stdout, result.stderr]).subarray(0, MAX_OUTPUT).toString("utf8");
      return { ok: result.exitCode === 0, message: output };
    }
    return { ok: false, message: "this node makes httpGet, tcpSocket and exec probes" };
  } catch (error) {
    return { ok: false, message: errorFrom(error).message };
  }
}

/** What is kept of a probe command's output for the message, as in kubelet. */
const MAX_OUTPUT = 10 * 1024;
