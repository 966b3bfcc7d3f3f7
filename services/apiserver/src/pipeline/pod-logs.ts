import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TriremeError } from "@trireme/base";
import { type KubeObject, NODES, type Node, type Pod, type Resource } from "@trireme/api";
import { NodeServiceClient } from "@trireme/proto/trireme/node/v1/node";
import { type ServiceError, credentials, status } from "@grpc/grpc-js";
import type { ObjectStore } from "../registry/object-store.ts";

/** Where agents listen. */
const AGENT_PORT = 10251;

/** Longest wait for an agent to take a call; its log may then flow as long as it likes. */
const CONNECT_TIMEOUT_MS = 3000;

/** A node that comes back is asked again within a second, not after the minutes that gRPC would wait by itself. */
const RECONNECT = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 1000 };

/** Connections to agents that are kept; one per node that somebody read logs of. The oldest goes first. */
const MAX_CONNECTIONS = 256;

/** Streams containers' logs from the agents of their nodes. */
export class PodLogs {
  private readonly objects: ObjectStore;
  private readonly pkiDir: string;
  private readonly connections = new Map<string, NodeServiceClient>();

  constructor(objects: ObjectStore, pkiDir: string) {
    this.objects = objects;
    this.pkiDir = pkiDir;
  }

  /** Opens the log that the query of `pods/<name>/log` asks for; rejects before the first byte when there is none. */
  async open(object: KubeObject, query: URLSearchParams, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const pod = object as Pod;
    const container = containerOf(pod, query.get("container") ?? "");
    const request = requestOf(pod, container, query);
    const nodeName = pod.spec?.nodeName ?? "";
    if (nodeName === "") throw waiting(pod, container, "the pod has not been assigned to a node yet");
    const node = await this.objects.cachedOrFresh({
      resource: NODES as Resource,
      namespace: undefined,
      name: nodeName,
    });
    const address = (node?.object as Node | undefined)?.status?.addresses?.find((one) => one.type === "InternalIP");
    if (address === undefined) {
      throw new TriremeError("ServiceUnavailable", `node "${nodeName}" has no address to read the log from`);
    }
    const client = await this.connection(address.address);
    await new Promise<void>((resolve, reject) => {
      client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(unreachable(nodeName, error));
      });
    });
    const call = client.logs(request);
    signal.addEventListener("abort", () => call.cancel(), { once: true });
    const pieces = call[Symbol.asyncIterator]() as AsyncIterator<{ data: Buffer }>;
    // The first piece tells whether there is a log at all, while the answer can still be an error.
    const first = await firstOf(pieces, query.get("follow") === "true").catch((thrown: unknown) => {
      throw fromAgent(pod, container, nodeName, thrown as ServiceError);
    });
    return flow(first, pieces, signal);
  }

  close(): void {
    for (const client of this.connections.values()) client.close();
    this.connections.clear();
  }

  private async connection(address: string): Promise<NodeServiceClient> {
    const known = this.connections.get(address);
    if (known !== undefined) return known;
    const [ca, key, cert] = await Promise.all(
      ["ca.crt", "apiserver-client.key", "apiserver-client.crt"].map((file) => readFile(join(this.pkiDir, file))),
    );
    const client = new NodeServiceClient(
      `${address}:${AGENT_PORT}`,
      credentials.createSsl(ca!, key!, cert!),
      RECONNECT,
    );
    this.connections.set(address, client);
    for (const [oldest, connection] of this.connections) {
      if (this.connections.size <= MAX_CONNECTIONS) break;
      connection.close();
      this.connections.delete(oldest);
    }
    return client;
  }
}

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

function containerOf(pod: Pod, asked: string): string {
  const spec = pod.spec!;
  const names = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((one) => one.name);
  if (asked !== "") {
    if (names.includes(asked)) return asked;
    throw new TriremeError("BadRequest", `container ${asked} is not valid for pod ${pod.metadata.name}`);
  }
  const annotated = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  if (annotated !== undefined && names.includes(annotated)) return annotated;
  if ((spec.containers ?? []).length === 1) return spec.containers![0]!.name;
  throw new TriremeError(
    "BadRequest",
    `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names.join(" ")}]`,
  );
}

function requestOf(pod: Pod, container: string, query: URLSearchParams): Parameters<NodeServiceClient["logs"]>[0] {
  const whole = (name: string): bigint | undefined => {
    const text = query.get(name);
    if (text === null || text === "") return undefined;
    if (!/^[0-9]{1,15}$/.test(text)) {
      throw new TriremeError("BadRequest", `${name}: Invalid value: "${text}": must be a whole number, 0 or more`);
    }
    return BigInt(text);
  };
  const sinceTime = query.get("sinceTime");
  const sinceMs = sinceTime === null ? undefined : Date.parse(sinceTime);
  if (Number.isNaN(sinceMs)) throw new TriremeError("BadRequest", `sinceTime: Invalid value: "${sinceTime}"`);
  return {
    namespace: pod.metadata.namespace!,
    pod: pod.metadata.name!,
    podUid: pod.metadata.uid!,
    container,
    follow: query.get("follow") === "true",
    previous: query.get("previous") === "true",
    timestamps: query.get("timestamps") === "true",
    tailLines: whole("tailLines"),
    sinceSeconds: whole("sinceSeconds"),
    sinceTimeMs: sinceMs === undefined ? undefined : BigInt(sinceMs),
    limitBytes: whole("limitBytes"),
  };
}

function waiting(pod: Pod, container: string, why: string): TriremeError {
  return new TriremeError(
    "BadRequest",
    `container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${why}`,
  );
}

function unreachable(node: string, cause: Error): TriremeError {
  return new TriremeError("ServiceUnavailable", `the agent of node "${node}" does not answer; is the node Ready?`, {
    cause,
  });
}

function fromAgent(pod: Pod, container: string, node: string, error: ServiceError): TriremeError {
  switch (error.code) {
    case status.NOT_FOUND:
      return new TriremeError("NotFound", error.details, { cause: error });
    case status.FAILED_PRECONDITION:
      return new TriremeError("BadRequest", error.details, { cause: error });
    case status.UNAVAILABLE:
      return unreachable(node, error);
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
