import { TriremeError } from "@trireme/base";
import type { KubeObject, Pod } from "@trireme/api";
import type { TunnelOpen, TunnelOpened, TunnelRequest, TunnelResponse } from "@trireme/proto/trireme/node/v1/node";
import { type ClientDuplexStream, type ServiceError, status } from "@grpc/grpc-js";
import { type Agents, containerOf, noAgent, showsNoAgent, unreachable } from "./agents.ts";

/** The subresources of a pod that turn a connection into a tunnel. */
export type StreamKind = "exec" | "attach" | "portforward";

/** Whether a subresource is one of a pod's streams. */
export function isStreamKind(subresource: string | undefined): subresource is StreamKind {
  return subresource === "exec" || subresource === "attach" || subresource === "portforward";
}

/** The part of a client's head that negotiates the protocol. */
export interface UpgradeHead {
  readonly method: string;
  /** Lower-case names; a header that came several times has several values. */
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

/** An open tunnel: the runtime has agreed to the protocol. */
export interface Tunnel {
  readonly opened: TunnelOpened;
  /** Carries the bytes both ways. */
  readonly call: ClientDuplexStream<TunnelRequest, TunnelResponse>;
}

/** The headers that reach the runtime: those that negotiate, and nothing that identifies the caller. */
const FORWARDED = [
  "upgrade",
  "x-stream-protocol-version",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-protocol",
];

/** SPDY inside a WebSocket; clients that ask for it go on with plain SPDY when it is refused. */
const SPDY_IN_WEBSOCKET = "SPDY/3.1+portforward.k8s.io";

/** Longest an agent and its runtime may take to open a tunnel. */
const OPEN_TIMEOUT_MS = 15_000;

/** Ports of one port-forward request. */
const MAX_PORTS = 64;

/** Opens tunnels into pods through the agents of their nodes. */
export class PodStreams {
  private readonly agents: Pick<Agents, "of">;
  private readonly openTimeoutMs: number;

  constructor(agents: Pick<Agents, "of">, openTimeoutMs = OPEN_TIMEOUT_MS) {
    this.agents = agents;
    this.openTimeoutMs = openTimeoutMs;
  }

  /** Opens what the request asks for; rejects, before a byte has flowed, with the reason why it cannot be. */
  async open(
    object: KubeObject,
    kind: StreamKind,
    query: URLSearchParams,
    head: UpgradeHead,
    signal: AbortSignal,
  ): Promise<Tunnel> {
    const pod = object as Pod;
    const open = tunnelOpenOf(pod, kind, query, head);
    const nodeName = pod.spec?.nodeName ?? "";
    if (nodeName === "") throw notRunning(pod, "it has not been assigned to a node yet");
    const phase = pod.status?.phase;
    if (phase === "Succeeded" || phase === "Failed") throw notRunning(pod, `its phase is ${phase}`);
    const client = await this.agents.of(nodeName);
    signal.throwIfAborted();
    const call = client.tunnel();
    // A broken tunnel is told by its end; without a listener the error would be nobody's.
    call.on("error", () => call.cancel());
    signal.addEventListener("abort", () => call.cancel(), { once: true });
    const timer = setTimeout(() => call.cancel(), this.openTimeoutMs);
    try {
      call.write({ open, data: NOTHING });
      const { opened } = await firstOf(call);
      if (opened === undefined) throw new TriremeError("BadGateway", `the agent of node "${nodeName}" said nothing`);
      if (opened.status !== SWITCHING_PROTOCOLS) throw refused(nodeName, opened);
      return { opened, call };
    } catch (thrown) {
      call.cancel();
      throw thrown instanceof TriremeError ? thrown : fromAgent(nodeName, thrown as ServiceError);
    } finally {
      clearTimeout(timer);
    }
  }
}

const NOTHING = Buffer.alloc(0);
const SWITCHING_PROTOCOLS = 101;

function firstOf(call: Tunnel["call"]): Promise<TunnelResponse> {
  return new Promise((resolve, reject) => {
    call.once("data", (first: TunnelResponse) => {
      call.pause();
      resolve(first);
    });
    call.once("error", reject);
    call.once("end", () => reject(new TriremeError("BadGateway", "the node's agent ended the stream before it began")));
  });
}

/** What the agent is told; throws BadRequest for what no agent could open. */
export function tunnelOpenOf(pod: Pod, kind: StreamKind, query: URLSearchParams, head: UpgradeHead): TunnelOpen {
  const open: TunnelOpen = {
    namespace: pod.metadata.namespace!,
    pod: pod.metadata.name!,
    podUid: pod.metadata.uid!,
    method: head.method,
    headers: FORWARDED.flatMap((name) => (head.headers[name] ?? []).map((value) => ({ name, value }))),
  };
  if (kind === "portforward") {
    const offered = (head.headers["sec-websocket-protocol"] ?? []).flatMap((line) => line.split(","));
    if (offered.some((name) => name.trim() === SPDY_IN_WEBSOCKET)) {
      throw new TriremeError("BadRequest", `${SPDY_IN_WEBSOCKET} is not spoken here; ask for SPDY/3.1 by itself`);
    }
    return { ...open, portForward: { ports: portsOf(query) } };
  }
  const container = containerOf(pod, query.get("container") ?? "");
  const tty = isSet(query, "tty");
  // A terminal has one output: the error stream is part of it, and the runtime refuses to be asked for both.
  const streams = {
    stdin: isSet(query, "stdin"),
    stdout: isSet(query, "stdout"),
    stderr: isSet(query, "stderr") && !tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new TriremeError("BadRequest", "you must specify at least 1 of stdin, stdout, stderr");
  }
  if (kind === "attach") return { ...open, attach: { container, streams: { ...streams, tty } } };
  const command = query.getAll("command");
  if (command.length === 0) throw new TriremeError("BadRequest", "command: Required value: say what to run");
  return { ...open, exec: { container, command, streams: { ...streams, tty } } };
}

function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "true" || value === "1";
}

function portsOf(query: URLSearchParams): number[] {
  const texts = query.getAll("ports").flatMap((value) => value.split(","));
  if (texts.length > MAX_PORTS) throw new TriremeError("BadRequest", `ports: at most ${MAX_PORTS} at once`);
  return texts.map((text) => {
    const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
    if (port >= 1 && port <= 65_535) return port;
    throw new TriremeError("BadRequest", `ports: Invalid value: "${text}": must be between 1 and 65535`);
  });
}

function notRunning(pod: Pod, why: string): TriremeError {
  return new TriremeError("BadRequest", `pod "${pod.metadata.name}" is not running: ${why}`);
}

/**
 * The runtime refused the protocol. Whatever else it says, redirects above all, is not followed: a node does not choose
 * where an apiserver's clients go. Nor does it choose what they read: of an answer that is none, the number alone is told.
 */
function refused(node: string, { status: code, message }: TunnelOpened): TriremeError {
  const why = message === "" ? "" : `: ${message}`;
  if (code >= 400 && code < 500) {
    return new TriremeError("BadRequest", `the container runtime refused the protocol (${code})${why}`);
  }
  const what = code >= 500 ? why : "";
  return new TriremeError("BadGateway", `the container runtime of node "${node}" answered ${code}, no stream${what}`);
}

function fromAgent(node: string, error: ServiceError): TriremeError {
  const cause = { cause: error };
  if (showsNoAgent(error)) return noAgent(node, error);
  switch (error.code) {
    case status.NOT_FOUND:
      return new TriremeError("NotFound", error.details, cause);
    case status.FAILED_PRECONDITION:
    case status.INVALID_ARGUMENT:
      return new TriremeError("BadRequest", error.details, cause);
    case status.RESOURCE_EXHAUSTED:
      return new TriremeError("TooManyRequests", error.details, { ...cause, details: { retryAfterSeconds: 1 } });
    case status.UNAVAILABLE:
      return unreachable(node, error);
    case status.CANCELLED:
      return new TriremeError("BadGateway", `node "${node}" took the request and did not open the stream`, cause);
    default:
      return new TriremeError("InternalError", `opening the stream on node "${node}" failed: ${error.message}`, cause);
  }
}
