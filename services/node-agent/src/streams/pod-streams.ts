import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import type { Socket } from "node:net";
import { TriremeError } from "@trireme/base";
import type { Cri } from "@trireme/cri";
import type { TunnelHeader, TunnelOpen, TunnelStreams } from "@trireme/proto/trireme/node/v1/node";
import type { RuntimePod } from "../pods/facts.ts";
import type { Opened, StreamSource } from "./tunnel.ts";

/** What a stream is looked up in. */
export interface PodStreamsOptions {
  readonly cri: Pick<Cri, "exec" | "attach" | "portForward">;
  /** What the runtime holds of a pod now. */
  readonly runtime: (uid: string) => Promise<RuntimePod | undefined>;
}

/** The runtime's streaming server is on this machine; one that answers slower than this is broken. */
const ANSWER_TIMEOUT_MS = 10_000;

/** How much of a refusal's text is read and passed on. */
const MAX_REFUSAL_BYTES = 1024;

/** Opens streams into the pods of this node: asks the runtime for a URL and negotiates with what listens there. */
export function podStreams(options: PodStreamsOptions): StreamSource {
  return async (request, signal) => {
    const pod = await options.runtime(request.podUid);
    if (pod === undefined) throw new TriremeError("NotFound", `pod "${request.pod}" is not running on this node`);
    const url = runtimeUrl(await urlOf(options.cri, pod, request));
    return negotiate(url, request.method, request.headers, signal);
  };
}

async function urlOf(cri: PodStreamsOptions["cri"], pod: RuntimePod, request: TunnelOpen): Promise<string> {
  const { exec, attach, portForward } = request;
  if (exec !== undefined) {
    const containerId = runningContainer(pod, exec.container);
    return cri.exec({ containerId, cmd: exec.command, ...wanted(exec.streams) });
  }
  if (attach !== undefined) {
    return cri.attach({ containerId: runningContainer(pod, attach.container), ...wanted(attach.streams) });
  }
  if (portForward === undefined) throw new TriremeError("BadRequest", "the request names no stream");
  const sandbox = pod.sandboxes.find((one) => one.ready);
  if (sandbox === undefined) throw new TriremeError("Conflict", `pod "${pod.name}" is not running: it has no network`);
  return cri.portForward(sandbox.id, portForward.ports);
}

function wanted(streams: TunnelStreams | undefined): TunnelStreams {
  return streams ?? { stdin: false, stdout: false, stderr: false, tty: false };
}

/** The running instance of a container; throws the reason why there is none. */
export function runningContainer(pod: RuntimePod, name: string): string {
  const newest = pod.containers.find((container) => container.name === name);
  if (newest?.state === "running") return newest.id;
  const why = newest === undefined ? "it has not been created yet" : `its state is ${newest.state}`;
  throw new TriremeError("Conflict", `container "${name}" of pod "${pod.name}" is not running: ${why}`);
}

/** The streaming server must be on this machine: a URL that leads elsewhere would carry a user's input away. */
export function runtimeUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname)) return url;
  throw new TriremeError("InternalError", "the runtime's streaming server must listen on a loopback address");
}

function negotiate(url: URL, method: string, asked: readonly TunnelHeader[], signal: AbortSignal): Promise<Opened> {
  const headers: Record<string, string | string[]> = { connection: "Upgrade" };
  for (const [name, values] of Map.groupBy(asked, (header) => header.name)) {
    headers[name] = values.length === 1 ? values[0]!.value : values.map((header) => header.value);
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false, signal });
    const failed = (cause: Error): void =>
      reject(new TriremeError("ServiceUnavailable", "the runtime's streaming server does not answer", { cause }));
    request.setTimeout(ANSWER_TIMEOUT_MS, () => request.destroy(new Error("timeout")));
    request.once("error", failed);
    request.once("upgrade", (response: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.setTimeout(0);
      resolve({ status: response.statusCode ?? 0, headers: pairsOf(response.rawHeaders), socket, head });
    });
    request.once("response", (response: IncomingMessage) => {
      readRefusal(response).then((message) => {
        request.destroy();
        resolve({ status: response.statusCode ?? 0, message });
      }, failed);
    });
    request.end();
  });
}

async function readRefusal(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) {
    text += String(piece);
    if (text.length >= MAX_REFUSAL_BYTES) break;
  }
  return text.slice(0, MAX_REFUSAL_BYTES).trim();
}

function pairsOf(raw: readonly string[]): TunnelHeader[] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [{ name, value: raw[i + 1] ?? "" }] : []));
}
