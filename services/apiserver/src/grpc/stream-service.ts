import type { ServerDuplexStream } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import { PODS, type Resource } from "@trireme/api";
import type {
  AttachRequest,
  AttachResponse,
  ExecRequest,
  ExecResponse,
  ManifestServiceServer,
  PortForwardRequest,
  PortForwardResponse,
} from "@trireme/proto/trireme/api/v1/manifest";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { StreamKind } from "../pipeline/pod-streams.ts";
import { PodChannel, type StreamName, exitCodeOf } from "./pod-channel.ts";
import { type CallContext, type CallServer, send } from "./serving.ts";
import { required } from "./targets.ts";

/** What exec and attach agree with the runtime on; the newest that all of them speak over SPDY. */
const REMOTE_COMMAND = "v4.channel.k8s.io";
const PORT_FORWARD = "portforward.k8s.io";

/** How long after its data a forwarded connection may still say what was wrong. */
const LAST_WORDS_MS = 1000;

const OPENED = { $case: "opened", value: {} } as const;

type StreamMethods = Pick<ManifestServiceServer, "exec" | "attach" | "portForward">;

/** The methods that reach into pods: the same tunnels as by REST, and at their end our own client of the runtime. */
export function streamMethods(pipeline: RequestPipeline, calls: CallServer): StreamMethods {
  return {
    exec: calls.conversation<ExecRequest, ExecResponse>("exec", async (context, call) => {
      const requests = requestsOf(call);
      const open = await openOf(requests);
      const query = new URLSearchParams(open.command.map((word): [string, string] => ["command", word]));
      const channel = await connect(pipeline, context, "exec", { ...open, query });
      const words = await converse(channel, open, requests, call);
      await send(call, { message: { $case: "exit", value: { code: exitCodeOf(words) } } });
    }),
    attach: calls.conversation<AttachRequest, AttachResponse>("attach", async (context, call) => {
      const requests = requestsOf(call);
      const open = await openOf(requests);
      const channel = await connect(pipeline, context, "attach", { ...open, query: new URLSearchParams() });
      // The container has ended; how it did, its pod's status tells.
      await converse(channel, open, requests, call);
    }),
    portForward: calls.conversation<PortForwardRequest, PortForwardResponse>("portforward", async (context, call) => {
      const requests = requestsOf(call);
      const open = await openOf(requests);
      if (open.port < 1 || open.port > 65_535) {
        throw new TriremeError("BadRequest", `open.port: Invalid value: ${open.port}: must be between 1 and 65535`);
      }
      const tunnel = await openTunnel(pipeline, context, "portforward", PORT_FORWARD, open, new URLSearchParams());
      const channel = new PodChannel(tunnel);
      const headers = { port: String(open.port), requestid: "0" };
      channel.open("error", headers);
      channel.end("error");
      channel.open("data", headers);
      await forward(channel, requests, call);
    }),
  };
}

/** What a client says, one by one. Its end must not destroy the stream, whose status is still to be sent. */
function requestsOf<Q, A>(call: ServerDuplexStream<Q, A>): AsyncIterator<Q> {
  return (call.iterator({ destroyOnReturn: false }) as AsyncIterable<Q>)[Symbol.asyncIterator]();
}

/** The first request, which says what is wanted. */
async function openOf<Q extends { message?: { $case: string; value: unknown } | undefined }>(
  requests: AsyncIterator<Q>,
): Promise<Extract<Q["message"], { $case: "open" }>["value"]> {
  const first = await requests.next();
  const message = first.done === true ? undefined : first.value.message;
  if (message?.$case !== "open")
    throw new TriremeError("BadRequest", "open: Required value: the first request is `open`");
  return message.value as Extract<Q["message"], { $case: "open" }>["value"];
}

interface Place {
  readonly namespace: string;
  readonly pod: string;
}

async function openTunnel(
  pipeline: RequestPipeline,
  { caller, signal }: CallContext,
  kind: StreamKind,
  protocol: string,
  { namespace, pod }: Place,
  query: URLSearchParams,
) {
  if (namespace === "") throw required("open.namespace");
  if (pod === "") throw required("open.pod");
  const of = { resource: PODS as Resource, namespace, name: pod };
  const headers = { upgrade: ["SPDY/3.1"], "x-stream-protocol-version": [protocol] };
  return pipeline.stream(caller, "create", of, kind, query, { method: "POST", headers }, signal);
}

interface RemoteCommand extends Place {
  readonly container: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly query: URLSearchParams;
}

async function connect(
  pipeline: RequestPipeline,
  context: CallContext,
  kind: StreamKind,
  open: RemoteCommand,
): Promise<PodChannel> {
  const { query, container, stdin, tty } = open;
  if (container !== "") query.set("container", container);
  for (const [name, wanted] of Object.entries({ stdin, stdout: true, stderr: !tty, tty })) {
    if (wanted) query.set(name, "true");
  }
  const channel = new PodChannel(await openTunnel(pipeline, context, kind, REMOTE_COMMAND, open, query));
  channel.open("error");
  if (stdin) channel.open("stdin");
  channel.open("stdout");
  if (!tty) channel.open("stderr");
  if (tty) channel.open("resize");
  return channel;
}

/** Carries input and output until the runtime has said its last words on the error stream, and answers those. */
async function converse<Q extends ExecRequest | AttachRequest, A extends ExecResponse | AttachResponse>(
  channel: PodChannel,
  { stdin, tty }: { readonly stdin: boolean; readonly tty: boolean },
  requests: AsyncIterator<Q>,
  call: ServerDuplexStream<Q, A>,
): Promise<string> {
  await send(call, { message: OPENED } as A);
  const input = async (): Promise<void> => {
    for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
      const { message } = next.value;
      if (message?.$case === "stdin" && stdin) await channel.say("stdin", message.value);
      else if (message?.$case === "resize" && tty) {
        const { columns, rows } = message.value;
        await channel.say("resize", Buffer.from(`${JSON.stringify({ Width: columns, Height: rows })}\n`));
      } else throw new TriremeError("BadRequest", `${message?.$case ?? "nothing"}: not asked for by \`open\``);
    }
    if (stdin) channel.end("stdin");
  };
  return between(channel, input, async () => {
    let words = "";
    for await (const { name, data } of channel.said()) {
      if (name === "error") {
        words += data?.toString() ?? "";
        // Whatever it wrote came before: the runtime speaks in one order.
        if (data === undefined || isWhole(words)) return words;
      } else if (data !== undefined && (name === "stdout" || name === "stderr")) {
        await send(call, { message: { $case: name, value: data } } as A);
      }
    }
    throw lost();
  });
}

/** Carries one connection's bytes until the pod's side ends. */
async function forward(
  channel: PodChannel,
  requests: AsyncIterator<PortForwardRequest>,
  call: ServerDuplexStream<PortForwardRequest, PortForwardResponse>,
): Promise<void> {
  await send(call, { message: OPENED });
  const input = async (): Promise<void> => {
    for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
      const { message } = next.value;
      if (message?.$case !== "data") throw new TriremeError("BadRequest", "after `open` comes `data` alone");
      await channel.say("data", message.value);
    }
    channel.end("data");
  };
  await between(channel, input, () => output(channel, call));
}

/** Carries what the pod says until both streams have ended: runtimes end the data first and then say what was wrong. */
async function output(
  channel: PodChannel,
  call: ServerDuplexStream<PortForwardRequest, PortForwardResponse>,
): Promise<void> {
  const ended = new Set<StreamName>();
  let cancel: NodeJS.Timeout | undefined;
  try {
    for await (const { name, data } of channel.said()) {
      if (data === undefined) {
        ended.add(name);
        if (ended.has("data") && ended.has("error")) return;
        if (name === "data") cancel = setTimeout(() => channel.close(), LAST_WORDS_MS);
      } else if (name === "error") {
        throw new TriremeError("InternalError", `the container runtime said: ${data.toString()}`);
      } else {
        await send(call, { message: { $case: "data", value: data } });
      }
    }
  } catch (thrown) {
    if (!ended.has("data") || thrown instanceof TriremeError) throw thrown;
  } finally {
    clearTimeout(cancel);
  }
  if (!ended.has("data")) throw lost();
}

/** Runs both directions; the output's end is the end of both, and a wrong input is its failure. */
async function between<T>(channel: PodChannel, input: () => Promise<void>, output: () => Promise<T>): Promise<T> {
  const wrong = new Promise<never>((_, reject) => void input().catch(reject));
  const outcome = output();
  // Whichever fails second has nobody to tell.
  outcome.catch(() => undefined);
  wrong.catch(() => undefined);
  try {
    return await Promise.race([outcome, wrong]);
  } finally {
    channel.close();
  }
}

/** Whether the last words, a Status, have all come. */
function isWhole(words: string): boolean {
  try {
    JSON.parse(words);
    return true;
  } catch {
    return false;
  }
}

function lost(): TriremeError {
  const message = "the connection to the container was lost: its node's agent or its runtime has ended";
  return new TriremeError("ServiceUnavailable", message);
}
