import type { IncomingHttpHeaders } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import type { Container, HTTPGetAction, Probe } from "@trireme/api";
import { TriremeError, errorFrom } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import { grpcCheck } from "./grpc-check.ts";

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

/** What was answered to one request; redirects are not followed and certificates are not checked. */
interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** Asks an HTTP path once; rejects, in kubelet's words, when nobody answers in time. */
export function requestOnce(
  action: HTTPGetAction,
  host: string,
  port: number,
  timeoutMs: number,
  userAgent: string,
): Promise<Answer> {
  const secure = action.scheme === "HTTPS";
  const headers: Record<string, string> = { "user-agent": userAgent, accept: "*/*", connection: "close" };
  for (const header of action.httpHeaders ?? []) {
    const name = header.name.toLowerCase();
    // An empty value takes a header away that would be there by default.
    if (header.value === "" && (name === "accept" || name === "user-agent")) delete headers[name];
    else headers[name] = header.value;
  }
  const path = action.path?.startsWith("/") ? action.path : `/${action.path ?? ""}`;
  const url = `${secure ? "https" : "http"}://${atPort(host, port)}${path}`;
  return new Promise((resolve, reject) => {
    const options = { host, port, path, headers, agent: false as const };
    const fail = (why: string): void => {
      clearTimeout(timer);
      request.destroy();
      reject(new TriremeError("ServiceUnavailable", `Get "${url}": ${why}`));
    };
    const request = secure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    const timer = setTimeout(() => fail("context deadline exceeded (no answer in time)"), timeoutMs);
    request.on("response", (response) => {
      clearTimeout(timer);
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
      // The answer's head is all that counts; what follows is not waited for.
      response.on("error", () => undefined);
      request.destroy();
    });
    request.on("error", (error) => fail(dialError(error, host, port)));
    request.end();
  });
}

/** Redirects to the same host are followed so far, as in kubelet; one to another host counts as success. */
const MAX_REDIRECTS = 10;

/** Asks an HTTP path; 200 to 399 is success, as in kubelet. */
export async function httpCheck(
  action: HTTPGetAction,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<CheckResult> {
  const until = performance.now() + timeoutMs;
  let at = { action, host, port };
  for (let redirects = 0; ; redirects++) {
    const left = Math.max(1, until - performance.now());
    const { status, headers } = await requestOnce(at.action, at.host, at.port, left, "kube-probe/1.34");
    const next = status >= 300 && status < 400 ? redirected(at, headers.location) : undefined;
    if (next === undefined) {
      const ok = status >= 200 && status < 400;
      return { ok, message: ok ? "" : `HTTP probe failed with statuscode: ${status}` };
    }
    if (redirects === MAX_REDIRECTS) return { ok: false, message: `stopped after ${MAX_REDIRECTS} redirects` };
    at = next;
  }
}

interface Target {
  readonly action: HTTPGetAction;
  readonly host: string;
  readonly port: number;
}

/** Where a redirect leads, if it leads to the same host. Pure. */
export function redirected({ action, host, port }: Target, location: string | undefined): Target | undefined {
  const scheme = action.scheme === "HTTPS" ? "https" : "http";
  const from = `${scheme}://${atPort(host, port)}${action.path?.startsWith("/") ? action.path : `/${action.path ?? ""}`}`;
  if (location === undefined || !URL.canParse(location, from)) return undefined;
  const to = new URL(location, from);
  if (to.hostname !== new URL(from).hostname || !/^https?:$/.test(to.protocol)) return undefined;
  const secure = to.protocol === "https:";
  const next = { ...action, scheme: secure ? "HTTPS" : "HTTP", path: `${to.pathname}${to.search}` } as HTTPGetAction;
  return { action: next, host, port: to.port === "" ? (secure ? 443 : 80) : Number(to.port) };
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
    const timer = setTimeout(() => answer(false, `dial tcp ${atPort(host, port)}: i/o timeout`), timeoutMs);
    socket.on("connect", () => answer(true, ""));
    socket.on("error", (error) => answer(false, dialError(error, host, port)));
  });
}

/** Runs a probe's action once. */
export async function check(
  probe: Probe,
  where: { readonly cri: Cri; readonly container: Container; readonly containerId: string; readonly ip: string },
): Promise<CheckResult> {
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  const timeoutMs = timeoutSeconds * 1000;
  try {
    if (probe.httpGet !== undefined) {
      const port = portOf(probe.httpGet.port, where.container);
      return await httpCheck(probe.httpGet, probe.httpGet.host || where.ip, port, timeoutMs);
    }
    if (probe.tcpSocket !== undefined) {
      const port = portOf(probe.tcpSocket.port, where.container);
      return await tcpCheck(probe.tcpSocket.host || where.ip, port, timeoutMs);
    }
    if (probe.grpc !== undefined) {
      return await grpcCheck(atPort(where.ip, probe.grpc.port), probe.grpc.service ?? "", timeoutMs);
    }
    if (probe.exec !== undefined) {
      const result = await where.cri.execSync(where.containerId, probe.exec.command ?? [], timeoutSeconds);
      const output = Buffer.concat([result.stdout, result.stderr]).subarray(0, MAX_OUTPUT).toString("utf8");
      return { ok: result.exitCode === 0, message: output };
    }
    return { ok: false, message: "the probe names no handler" };
  } catch (error) {
    return { ok: false, message: errorFrom(error).message };
  }
}

/** What is kept of a probe command's output for the message, as in kubelet. */
const MAX_OUTPUT = 10 * 1024;

function atPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const DIAL: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
};

/** A connection's failure in the words that Kubernetes' users search for. */
function dialError(error: Error, host: string, port: number): string {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code === "ECONNRESET") return "read: connection reset by peer";
  return DIAL[code] === undefined ? errorFrom(error).message : `dial tcp ${atPort(host, port)}: ${DIAL[code]}`;
}
