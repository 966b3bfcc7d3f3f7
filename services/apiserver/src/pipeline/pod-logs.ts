import { TriremeError } from "@trireme/base";
import type { KubeObject, Pod } from "@trireme/api";
import type { NodeServiceClient } from "@trireme/proto/trireme/node/v1/node";
import { type ServiceError, status } from "@grpc/grpc-js";
import { type Agents, containerOf, noAgent, showsNoAgent, unreachable } from "./agents.ts";

/** Streams containers' logs from the agents of their nodes. */
export class PodLogs {
  private readonly agents: Pick<Agents, "of">;
  private readonly answerTimeoutMs: number;

  constructor(agents: Pick<Agents, "of">, answerTimeoutMs = ANSWER_TIMEOUT_MS) {
    this.agents = agents;
    this.answerTimeoutMs = answerTimeoutMs;
  }

  /** Opens the log that the query of `pods/<name>/log` asks for; rejects before the first byte when there is none. */
  async open(object: KubeObject, query: URLSearchParams, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const pod = object as Pod;
    const container = containerOf(pod, query.get("container") ?? "");
    const request = requestOf(pod, container, query);
    const nodeName = pod.spec?.nodeName ?? "";
    if (nodeName === "") throw waiting(pod, container, "the pod has not been assigned to a node yet");
    const client = await this.agents.of(nodeName);
    const call = client.logs(request);
    signal.addEventListener("abort", () => call.cancel(), { once: true });
    const pieces = call[Symbol.asyncIterator]() as AsyncIterator<{ data: Buffer }>;
    // The first piece tells whether there is a log at all, while the answer can still be an error.
    const timer = setTimeout(() => call.cancel(), this.answerTimeoutMs);
    const first = await firstOf(pieces, query.get("follow") === "true")
      .catch((thrown: unknown) => {
        throw fromAgent(pod, container, nodeName, thrown as ServiceError);
      })
      .finally(() => clearTimeout(timer));
    return flow(first, pieces, signal);
  }
}

/** Longest an agent may take to find the first line of a log that is not followed, or that there is none. */
const ANSWER_TIMEOUT_MS = 15_000;

type Pending = { readonly piece: Promise<IteratorResult<{ data: Buffer }>> };

/** How long a followed log may take to say its first word before the answer starts without it. */
const FIRST_PIECE_MS = 250;

async function firstOf(pieces: AsyncIterator<{ data: Buffer }>, follow: boolean): Promise<Pending> {
  const piece = pieces.next();
  if (!follow) await piece;
  else {
    const patience = new Promise((resolve) => setTimeout(resolve, FIRST_PIECE_MS).unref());
    await Promise.race([piece, patience]);
    // From here on `flow` awaits it; until then a failure must not count as unhandled.
    piece.catch((thrown: unknown) => thrown);
  }
  return { piece };
}

async function* flow(
  first: Pending,
  pieces: AsyncIterator<{ data: Buffer }>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    for (let piece = await first.piece; piece.done !== true; piece = await pieces.next()) yield piece.value.data;
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  }
}

function requestOf(pod: Pod, container: string, query: URLSearchParams): Parameters<NodeServiceClient["logs"]>[0] {
  const whole = (name: string, least: number): bigint | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^-?[0-9]{1,15}$/.test(text)) {
      throw new TriremeError("BadRequest", `${name}: Invalid value: "${text}": must be a whole number`);
    }
    if (Number(text) >= least) return BigInt(text);
    const must = least === 0 ? "must be greater than or equal to 0" : "must be greater than 0";
    throw invalid(pod, `${name}: Invalid value: ${text}: ${must}`);
  };
  const sinceTime = query.get("sinceTime");
  const sinceMs = sinceTime === null ? undefined : Date.parse(sinceTime);
  if (Number.isNaN(sinceMs)) throw new TriremeError("BadRequest", `sinceTime: Invalid value: "${sinceTime}"`);
  const sinceSeconds = whole("sinceSeconds", 1);
  if (sinceSeconds !== undefined && sinceMs !== undefined) {
    throw invalid(pod, "at most one of `sinceTime` or `sinceSeconds` may be specified");
  }
  return {
    namespace: pod.metadata.namespace!,
    pod: pod.metadata.name!,
    podUid: pod.metadata.uid!,
    container,
    follow: query.get("follow") === "true",
    previous: query.get("previous") === "true",
    timestamps: query.get("timestamps") === "true",
    tailLines: whole("tailLines", 0),
    sinceSeconds,
    sinceTimeMs: sinceMs === undefined ? undefined : BigInt(sinceMs),
    limitBytes: whole("limitBytes", 1),
  };
}

function invalid(pod: Pod, why: string): TriremeError {
  return new TriremeError("Invalid", `PodLogOptions "${pod.metadata.name}" is invalid: ${why}`);
}

function waiting(pod: Pod, container: string, why: string): TriremeError {
  return new TriremeError(
    "BadRequest",
    `container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${why}`,
  );
}

function fromAgent(pod: Pod, container: string, node: string, error: ServiceError): TriremeError {
  if (showsNoAgent(error)) return noAgent(node, error);
  switch (error.code) {
    case status.NOT_FOUND:
      return new TriremeError("NotFound", error.details, { cause: error });
    case status.FAILED_PRECONDITION:
    case status.INVALID_ARGUMENT:
      return new TriremeError("BadRequest", error.details, { cause: error });
    case status.UNAVAILABLE:
      return unreachable(node, error);
    case status.CANCELLED:
      return new TriremeError("BadGateway", `node "${node}" took the request and did not answer`, { cause: error });
    case undefined:
      return new TriremeError("InternalError", String(error), { cause: error });
    default:
      return new TriremeError(
        "InternalError",
        `reading the log of container "${container}" of pod "${pod.metadata.name}" failed: ${error.details}`,
        { cause: error },
      );
  }
}
