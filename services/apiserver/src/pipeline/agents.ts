import { type PeerCertificate, checkServerIdentity, connect as connectTls } from "node:tls";
import { TriremeError } from "@trireme/base";
import { NODES, type Node, type Pod, type Resource } from "@trireme/api";
import { NodeServiceClient } from "@trireme/proto/trireme/node/v1/node";
import { type ServiceError, experimental, status } from "@grpc/grpc-js";
import { LiveIdentity } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import type { ObjectStore } from "../registry/object-store.ts";

/** Where agents listen. */
const AGENT_PORT = 10251;

/** Longest wait for an agent to take a call; what it then streams may flow as long as it likes. */
const CONNECT_TIMEOUT_MS = 3000;

/** Longest look at who it is that answers in an agent's place. */
const LOOK_TIMEOUT_MS = 1000;

/**
 * A node that comes back is asked again within a second, not after the minutes that gRPC would wait by itself; and a
 * node that was cut off is noticed by those who read from it, since silence alone would keep them waiting for ever.
 */
const CHANNEL = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5000,
};

/** Connections to agents that are kept; one per node that somebody reached into. The oldest goes first. */
const MAX_CONNECTIONS = 256;

/** Connections to the agents of the nodes, shared by all that streams from pods. */
export class Agents {
  private readonly objects: ObjectStore;
  private readonly pkiDir: string;
  private readonly log: Logger;
  /** As whom agents are called; read at the first call. What is renewed counts from the next connection on. */
  private identity: LiveIdentity | undefined;
  private readonly connections = new Map<string, NodeServiceClient>();

  constructor(objects: ObjectStore, pkiDir: string, log: Logger) {
    this.objects = objects;
    this.pkiDir = pkiDir;
    this.log = log;
  }

  /** A client of this node's agent, connected. Throws ServiceUnavailable when nobody answers, BadGateway when it is another. */
  async of(nodeName: string): Promise<NodeServiceClient> {
    const node = await this.objects.cachedOrFresh({
      resource: NODES as Resource,
      namespace: undefined,
      name: nodeName,
    });
    const address = (node?.object as Node | undefined)?.status?.addresses?.find((one) => one.type === "InternalIP");
    if (address === undefined) {
      throw new TriremeError("ServiceUnavailable", `node "${nodeName}" has no address to reach its agent at`);
    }
    const client = this.connection(nodeName, address.address);
    const failure = await new Promise<Error | undefined>((resolve) => {
      client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => resolve(error ?? undefined));
    });
    if (failure === undefined) return client;
    const why = await impostorAt(nodeName, address.address, this.tls().ca);
    if (why === undefined) throw unreachable(nodeName, failure);
    throw new TriremeError("BadGateway", `who answers in place of the agent of node "${nodeName}" is not it: ${why}`, {
      cause: failure,
    });
  }

  close(): void {
    for (const client of this.connections.values()) client.close();
    this.connections.clear();
    this.identity?.close();
    this.identity = undefined;
  }

  private tls(): LiveIdentity {
    this.identity ??= new LiveIdentity({ dir: this.pkiDir, name: "apiserver-client" }, (err) => {
      this.log.error("the certificate for agents cannot be followed: the last one stays", { err });
    });
    return this.identity;
  }

  private connection(node: string, address: string): NodeServiceClient {
    const key = `${node} ${address}`;
    const known = this.connections.get(key);
    if (known !== undefined) return known;
    const tls = this.tls();
    const secure = experimental.createCertificateProviderChannelCredentials(tls, tls, {
      checkServerIdentity: (host, certificate) => checkAgent(node, host, certificate),
    });
    const client = new NodeServiceClient(`${address}:${AGENT_PORT}`, secure, CHANNEL);
    this.connections.set(key, client);
    for (const [oldest, connection] of this.connections) {
      if (this.connections.size <= MAX_CONNECTIONS) break;
      connection.close();
      this.connections.delete(oldest);
    }
    return client;
  }
}

/**
 * A node says itself where it is to be reached. Whoever answers there has to be that node: else it could lead us, and what
 * people type into their pods, to another.
 */
export function checkAgent(node: string, host: string, certificate: PeerCertificate): Error | undefined {
  const name = `system:node:${node}`;
  if (certificate.subject?.CN === name) return checkServerIdentity(host, certificate);
  return new Error(
    `${host} is not the agent of node ${node}: its certificate is of "${certificate.subject?.CN ?? ""}"`,
  );
}

/** What is wrong with the certificate of whoever answers there; undefined: nothing, or nobody answers. Shows none of ours. */
function impostorAt(node: string, host: string, ca: Buffer): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connectTls({ host, port: AGENT_PORT, ca, rejectUnauthorized: false });
    const done = (why?: string): void => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(LOOK_TIMEOUT_MS, () => done());
    socket.once("error", () => done());
    socket.once("secureConnect", () => {
      // No name was asked for: it is an address, which `checkAgent` compares.
      const known = socket.authorized || String(socket.authorizationError) === "ERR_TLS_CERT_ALTNAME_INVALID";
      if (!known) return done(`its certificate is not of this cluster (${String(socket.authorizationError)})`);
      done(checkAgent(node, host, socket.getPeerCertificate())?.message);
    });
  });
}

/** The 503 of a node that does not answer. */
export function unreachable(node: string, cause: Error): TriremeError {
  return new TriremeError("ServiceUnavailable", `the agent of node "${node}" does not answer; is the node Ready?`, {
    cause,
  });
}

/** gRPC's own word for bytes that are no message of an agent's: theirs have a bound below its. */
const NO_MESSAGE = /^Received message larger than max/;

/** Whether an error of a call shows that no agent of ours is at the other end. */
export function showsNoAgent(error: ServiceError): boolean {
  if (error.code === status.RESOURCE_EXHAUSTED) return NO_MESSAGE.test(error.details);
  return error.code === status.UNKNOWN || error.code === status.UNIMPLEMENTED;
}

/** The 502 of a node whose agent's port speaks, but not as an agent does; what it said is nobody's to read. */
export function noAgent(node: string, cause: Error): TriremeError {
  return new TriremeError("BadGateway", `what answers at the agent's port of node "${node}" is no agent of ours`, {
    cause,
  });
}

/** The container that a request means; throws BadRequest, naming the choices, when it means none. */
export function containerOf(pod: Pod, asked: string): string {
  const spec = pod.spec!;
  const { containers, initContainers = [], ephemeralContainers = [] } = spec;
  const names = [...containers, ...initContainers, ...ephemeralContainers].map((one) => one.name);
  const choices = `choose one of: [${names.join(" ")}]`;
  if (asked !== "") {
    if (names.includes(asked)) return asked;
    throw new TriremeError("BadRequest", `container ${asked} is not valid for pod ${pod.metadata.name}, ${choices}`);
  }
  const annotated = pod.metadata.annotations?.["kubectl.kubernetes.io/default-container"];
  if (annotated !== undefined && names.includes(annotated)) return annotated;
  if ((spec.containers ?? []).length === 1) return spec.containers![0]!.name;
  throw new TriremeError("BadRequest", `a container name must be specified for pod ${pod.metadata.name}, ${choices}`);
}
