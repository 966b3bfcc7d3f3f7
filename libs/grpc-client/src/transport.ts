import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
  connectivityState,
  status,
} from "@grpc/grpc-js";
import { TriremeError, sleep } from "@trireme/base";
import { HealthClient } from "@trireme/proto/grpc/health/v1/health";
import { ManifestServiceClient } from "@trireme/proto/trireme/api/v1/manifest";
import { type Identity, channelTo } from "./credentials.ts";
import { ServerOrder } from "./server-order.ts";
import { StatusError, errorFromCall, isBroken } from "./status-error.ts";

/** How to reach the apiservers, and as whom. */
export type TransportOptions = Identity & {
  /** `host:port` of the gRPC door of every apiserver (6444), the preferred one first. */
  readonly servers: readonly string[];
  /** PEM of the cluster's CA. */
  readonly ca: string | Buffer;
  /** Deadline of a call that names none. */
  readonly timeoutMs?: number;
  /** Acts as somebody else, as `kubectl --as` does. */
  readonly impersonate?: { readonly user: string; readonly groups?: readonly string[] };
};

/** One call: its deadline and what ends it early. */
export interface CallSettings {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Deadline of a call that names none. */
const TIMEOUT_MS = 10_000;

/** Patience with one server's connection: TCP and TLS together. */
const CONNECT_MS = 1200;

/** Pause before all servers are tried once more, when none answered. */
const RETRY_MS = 250;

/** gRPC's words for a call that found no connection: not one byte of it has left. */
const NEVER_SENT = "No connection established";

type Run<A> = (
  client: ManifestServiceClient,
  metadata: Metadata,
  options: CallOptions,
  done: (error: ServiceError | null, answer: A) => void,
) => { cancel(): void };

/** Sends calls to whichever server answers, and remembers which does. */
export class Transport {
  readonly servers: readonly string[];
  private readonly options: TransportOptions;
  private readonly clients: readonly ManifestServiceClient[];
  private readonly order: ServerOrder;

  constructor(options: TransportOptions) {
    if (options.servers.length === 0) throw new TriremeError("BadRequest", "servers: name at least one, host:port");
    this.options = options;
    this.servers = options.servers;
    this.order = new ServerOrder(options.servers.length);
    this.clients = options.servers.map((address) => {
      const channel = channelTo(address, options.ca, options);
      return new ManifestServiceClient(address, channel.credentials, channel.options);
    });
  }

  /** The server that calls go to first now, `host:port`. */
  get currentServer(): string {
    return this.servers[this.order.order()[0]!]!;
  }

  /** Ends all connections; calls under way fail. */
  close(): void {
    for (const client of this.clients) client.close();
  }

  /** One question and its answer. A read goes to other servers when one fails; a write only if it was never sent. */
  async unary<A>(what: string, kind: "read" | "write", settings: CallSettings, run: Run<A>): Promise<A> {
    const deadline = Date.now() + (settings.timeoutMs ?? this.options.timeoutMs ?? TIMEOUT_MS);
    for (;;) {
      const index = await this.connect(what, deadline, settings.signal);
      try {
        const answer = await this.callOnce(index, what, deadline, settings.signal, run);
        this.order.answered(index);
        return answer;
      } catch (thrown) {
        const error = thrown as StatusError;
        if (settings.signal?.aborted === true || !isBroken(error)) throw error;
        this.order.failed(index);
        const wasSent = error.answered || !error.message.includes(NEVER_SENT);
        if (kind === "write" && wasSent) throw error.answered ? error : unknown(what, error);
        await pause(what, deadline, settings.signal, error);
      }
    }
  }

  /** Opens a stream at whichever server answers; each of its failures is a StatusError. It ends by `settings` or itself. */
  async *stream<A>(
    what: string,
    settings: CallSettings,
    open: (client: ManifestServiceClient, metadata: Metadata, options: CallOptions) => ClientReadableStream<A>,
  ): AsyncGenerator<A, void, undefined> {
    const until = settings.timeoutMs === undefined ? undefined : Date.now() + settings.timeoutMs;
    const patience = Date.now() + (this.options.timeoutMs ?? TIMEOUT_MS);
    const index = await this.connect(what, Math.min(until ?? patience, patience), settings.signal);
    const call = open(this.clients[index]!, this.metadata(), until === undefined ? {} : { deadline: until });
    // Its errors come by the iterator; one that comes after the last step is nobody's.
    call.on("error", () => undefined);
    const onAbort = (): void => call.cancel();
    settings.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for await (const message of call as AsyncIterable<A>) yield message;
      this.order.answered(index);
    } catch (thrown) {
      const error = errorFromCall(thrown as ServiceError, what);
      if (settings.signal?.aborted === true) throw cancelled(what);
      if (isBroken(error)) this.order.failed(index);
      throw error;
    } finally {
      settings.signal?.removeEventListener("abort", onAbort);
      call.cancel();
    }
  }

  /**
   * A conversation with one server: `talk` writes and reads, and its outcome is the answer. It is never begun twice; when
   * the connection breaks nobody knows what became of it, which `Unknown` says.
   */
  async converse<Q, A, T>(
    what: string,
    settings: CallSettings,
    open: (client: ManifestServiceClient, metadata: Metadata, options: CallOptions) => ClientDuplexStream<Q, A>,
    talk: (call: ClientDuplexStream<Q, A>) => Promise<T>,
  ): Promise<T> {
    const { signal, timeoutMs } = settings;
    const until = timeoutMs === undefined ? undefined : Date.now() + timeoutMs;
    const patience = Date.now() + (this.options.timeoutMs ?? TIMEOUT_MS);
    const index = await this.connect(what, Math.min(until ?? patience, patience), signal);
    const call = open(this.clients[index]!, this.metadata(), until === undefined ? {} : { deadline: until });
    call.on("error", () => undefined);
    const onAbort = (): void => call.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await talk(call);
    } catch (thrown) {
      if (signal?.aborted === true) throw cancelled(what);
      if (typeof (thrown as Partial<ServiceError>).code !== "number") throw thrown;
      const error = errorFromCall(thrown as ServiceError, what);
      throw isBroken(error) && !error.answered ? unknown(what, error) : error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      call.cancel();
    }
  }

  /** The metadata that says who calls. */
  metadata(): Metadata {
    const metadata = new Metadata();
    const { token, impersonate } = this.options;
    if (token !== undefined) {
      metadata.set("authorization", `Bearer ${typeof token === "string" ? token : token()}`);
    }
    if (impersonate !== undefined) {
      metadata.set("impersonate-user", impersonate.user);
      for (const group of impersonate.groups ?? []) metadata.add("impersonate-group", group);
    }
    return metadata;
  }

  /** Whether each server says that it serves; false also when it does not answer in time. */
  async health(settings: CallSettings): Promise<{ readonly server: string; readonly serving: boolean }[]> {
    return Promise.all(
      this.servers.map(async (server) => {
        const channel = channelTo(server, this.options.ca, this.options);
        const client = new HealthClient(server, channel.credentials, channel.options);
        const deadline = Date.now() + (settings.timeoutMs ?? CONNECT_MS);
        try {
          const serving = await new Promise<boolean>((resolve) => {
            client.check({ service: "" }, new Metadata(), { deadline }, (error, answer) => {
              resolve(error === null && answer.status === SERVING);
            });
          });
          return { server, serving };
        } finally {
          client.close();
        }
      }),
    );
  }

  /** A server with a connection, the preferred one if it has; all are tried until one has, or time is up. */
  async connect(what: string, deadline: number, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      for (const index of this.order.order()) {
        if (signal?.aborted === true) throw cancelled(what);
        const patience = Math.min(deadline, Date.now() + CONNECT_MS);
        if (await isConnected(this.clients[index]!, patience)) return index;
        this.order.failed(index);
      }
      await pause(what, deadline, signal, undefined, `no apiserver answers at ${this.servers.join(", ")}`);
    }
  }

  private async callOnce<A>(
    index: number,
    what: string,
    deadline: number,
    signal: AbortSignal | undefined,
    run: Run<A>,
  ): Promise<A> {
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<A>((resolve, reject) => {
        const call = run(this.clients[index]!, this.metadata(), { deadline }, (error, answer) => {
          if (error === null) resolve(answer);
          else reject(signal?.aborted === true ? cancelled(what) : errorFromCall(error, what));
        });
        onAbort = () => call.cancel();
        signal?.addEventListener("abort", onAbort, { once: true });
        if (signal?.aborted === true) onAbort();
      });
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }
}

const SERVING = 1;

/** Whether a connection stands, or comes to stand by then. A server that refuses is not waited for. */
async function isConnected(client: Client, until: number): Promise<boolean> {
  const channel = client.getChannel();
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return true;
    if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) return false;
    const changed = await new Promise<boolean>((resolve) => {
      channel.watchConnectivityState(state, until, (error) => resolve(error === undefined || error === null));
    });
    if (!changed) return false;
  }
}

/** Waits a little before the next try; throws when there is no time for it. */
async function pause(
  what: string,
  deadline: number,
  signal: AbortSignal | undefined,
  cause: StatusError | undefined,
  why = cause?.message ?? "",
): Promise<void> {
  if (Date.now() + RETRY_MS >= deadline) {
    throw new StatusError("ServiceUnavailable", `${what}: ${why}`, { grpcCode: status.UNAVAILABLE, cause });
  }
  await sleep(RETRY_MS, signal).catch(() => {
    throw cancelled(what);
  });
}

function cancelled(what: string): StatusError {
  return new StatusError("Cancelled", `${what}: cancelled`, { grpcCode: status.CANCELLED });
}

function unknown(what: string, cause: StatusError): StatusError {
  const message = `${what}: sent, but no answer came, so it may have taken effect: ${cause.message}`;
  return new StatusError("Unknown", message, { grpcCode: cause.grpcCode, cause });
}
