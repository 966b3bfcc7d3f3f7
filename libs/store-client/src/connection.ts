import { type ClientDuplexStream, Metadata, credentials } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import { MaintenanceClient, WatchClient, type WatchRequest, type WatchResponse } from "@trireme/proto/etcdserverpb/rpc";
import {
  type OpenRequest,
  type OpenResponse,
  type SessionRequest,
  type SessionResponse,
  SessionServiceClient,
} from "@trireme/proto/trireme/store/v1/session";
import { fromServiceError, fromSessionError } from "./errors.ts";
import type { StoreClientOptions, StoreStatus } from "./types.ts";

/** A member that has not accepted by then is left for the next; a packet filter would let the attempt hang. */
const CONNECT_TIMEOUT_MS = 1000;

/** A cut wire or a frozen member is noticed by pings: sent this often, answered within this time. */
const KEEPALIVE_MS = 1000;

/** Requests under way on one connection; more is refused, since the store would refuse them too. */
const MAX_PENDING = 20_000;

type Request = NonNullable<SessionRequest["request"]>;
type Answer = NonNullable<SessionResponse["response"]>;

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: TriremeError) => void;
  readonly write: boolean;
}

/** One connection to one member: a session for requests, and as many watch streams as wanted. Dead once it breaks. */
export class Connection {
  readonly endpoint: string;
  private readonly client: SessionServiceClient;
  private readonly watchClient: WatchClient;
  private readonly maintenance: MaintenanceClient;
  private readonly pending = new Map<bigint, Pending>();
  private stream: ClientDuplexStream<OpenRequest, OpenResponse> | undefined;
  private waiting: SessionRequest[] = [];
  private flushing = false;
  private nextId = 0n;
  private dead: TriremeError | undefined;
  private retired = false;
  private readonly watchStreams = new Set<{ cancel(): void }>();

  private constructor(endpoint: string, options: StoreClientOptions) {
    this.endpoint = endpoint;
    const { ca, cert, key } = options.tls;
    const tls = credentials.createSsl(ca, key, cert);
    this.client = new SessionServiceClient(endpoint, tls, {
      // Members are called by IP address, which is no server name for TLS; all their certificates bear this one.
      "grpc.ssl_target_name_override": "localhost",
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
      "grpc.keepalive_permit_without_calls": 1,
      // A new attempt is a new connection, never a shared one that may be the dead one.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
      "grpc.enable_http_proxy": 0,
    });
    const shared = { channelOverride: this.client.getChannel() };
    this.watchClient = new WatchClient(endpoint, tls, shared);
    this.maintenance = new MaintenanceClient(endpoint, tls, shared);
  }

  /** Connects, or throws ServiceUnavailable soon. */
  static async open(endpoint: string, options: StoreClientOptions): Promise<Connection> {
    const connection = new Connection(endpoint, options);
    try {
      await connection.ready();
    } catch (cause) {
      connection.close();
      throw new TriremeError("ServiceUnavailable", `the store at ${endpoint} cannot be reached`, { cause });
    }
    connection.begin();
    return connection;
  }

  get broken(): boolean {
    return this.dead !== undefined || this.retired;
  }

  /** Sends a request. What was sent and got no answer fails as `Unknown` when it was a write. */
  send(request: Request, write: boolean, deadline: number): Promise<Answer> {
    if (this.dead !== undefined) return Promise.reject(notSent(this.endpoint));
    if (this.pending.size >= MAX_PENDING) {
      return Promise.reject(new TriremeError("TooManyRequests", "too many requests wait for the store"));
    }
    const id = ++this.nextId;
    this.waiting.push({ id, request });
    this.flushSoon();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          this.pending.delete(id);
          reject(unanswered(this.endpoint, write));
          this.closeIfDone();
        },
        Math.max(0, deadline - performance.now()),
      );
      const settle =
        <T>(next: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          next(value);
        };
      this.pending.set(id, { resolve: settle(resolve), reject: settle(reject), write });
    });
  }

  /** Opens a watch stream that ends when the member loses its leader. */
  watch(): ClientDuplexStream<WatchRequest, WatchResponse> {
    const metadata = new Metadata();
    metadata.set("hasleader", "true");
    const stream = this.watchClient.watch(metadata);
    this.watchStreams.add(stream);
    stream.once("close", () => this.watchStreams.delete(stream));
    return stream;
  }

  /** No new requests: what is under way still gets its answer, then the connection closes. Watches move on at once. */
  retire(): void {
    if (this.retired) return;
    this.retired = true;
    for (const stream of this.watchStreams) stream.cancel();
    this.closeIfDone();
  }

  status(): Promise<StoreStatus> {
    return new Promise((resolve, reject) => {
      this.maintenance.status({}, new Metadata(), { deadline: Date.now() + CONNECT_TIMEOUT_MS }, (error, response) => {
        if (error !== null) {
          reject(fromServiceError(error));
          return;
        }
        resolve({
          endpoint: this.endpoint,
          memberId: String(response.header?.memberId ?? 0n),
          leader: String(response.leader),
          revision: Number(response.header?.revision ?? 0n),
          raftTerm: Number(response.raftTerm),
          raftIndex: Number(response.raftIndex),
          dbSize: Number(response.dbSize),
          version: response.version,
        });
      });
    });
  }

  close(): void {
    this.die(new TriremeError("ServiceUnavailable", "the connection was closed"));
  }

  private ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.waitForReady(Date.now() + CONNECT_TIMEOUT_MS, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    });
  }

  private begin(): void {
    const stream = this.client.open();
    this.stream = stream;
    stream.on("data", (batch: OpenResponse) => {
      for (const { id, response } of batch.responses) this.answered(id, response);
    });
    stream.on("error", (error) => this.die(fromServiceError(error)));
    stream.on("end", () => this.die(new TriremeError("ServiceUnavailable", "the store closed the session")));
    stream.on("drain", () => this.flushSoon());
  }

  private answered(id: bigint, response: SessionResponse["response"]): void {
    const pending = this.pending.get(id);
    if (pending === undefined || response === undefined) return;
    this.pending.delete(id);
    if (response.$case === "error") pending.reject(fromSessionError(response.value));
    else pending.resolve(response);
    this.closeIfDone();
  }

  private closeIfDone(): void {
    if (this.retired && this.pending.size === 0) this.close();
  }

  /** One message for all that this turn of the loop asks. */
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      if (this.dead !== undefined || this.waiting.length === 0 || this.stream?.writableNeedDrain === true) return;
      const requests = this.waiting;
      this.waiting = [];
      this.stream?.write({ requests });
    });
  }

  private die(reason: TriremeError): void {
    if (this.dead !== undefined) return;
    this.dead = reason;
    // What still waited here was never sent.
    for (const { id } of this.waiting) {
      this.pending.get(id)?.reject(notSent(this.endpoint));
      this.pending.delete(id);
    }
    for (const pending of this.pending.values()) {
      pending.reject(reason.code === "Forbidden" ? reason : unanswered(this.endpoint, pending.write));
    }
    this.pending.clear();
    this.stream?.cancel();
    this.client.close();
  }
}

/** A request that certainly did not leave: another member may be asked. */
export function notSent(endpoint: string): TriremeError {
  return new TriremeError("ServiceUnavailable", `the connection to the store at ${endpoint} is gone`);
}

function unanswered(endpoint: string, write: boolean): TriremeError {
  return write
    ? new TriremeError("Unknown", `the store at ${endpoint} took the request and did not answer: it may have happened`)
    : new TriremeError("Timeout", `the store at ${endpoint} did not answer`);
}
