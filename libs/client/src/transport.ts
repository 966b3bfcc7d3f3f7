import { type Clock, TriremeError, sleep, systemClock } from "@trireme/base";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import type { IncomingMessage } from "node:http";
import { ApiServer, type ClientTls, ExchangeError, type OpenedRequest, type Outgoing } from "./api-server.ts";
import { type ClientMetrics, clientMetrics } from "./metrics.ts";
import { ServerPool } from "./server-pool.ts";
import { type ClientTiming, DEFAULT_TIMING } from "./timing.ts";
import type { RawResponse } from "./types.ts";

/** Who the client is: PEM texts, or `tls`, whose fields may change: each new connection is made with what they are then. */
export type ClientIdentity = ClientTls | { readonly tls: ClientTls };

/** What the transport needs to know; see `ClientOptions`. */
export type TransportOptions = ClientIdentity & {
  readonly servers: readonly string[];
  readonly log?: Logger;
  readonly registry?: Registry;
  readonly clock?: Clock;
  readonly timing?: Partial<ClientTiming>;
};

/** Largest answer: a list of ten thousand pods is about 50 MB; beyond this something is wrong. */
const MAX_RESPONSE_BYTES = 256 * 1024 * 1024;

/** A server that was removed still answers for a moment; what it has not answered by then it never will. */
const RETIRE_MS = 5000;

/** Rounds over all servers for reads and for what was never sent: past a restart or a stall of everything at once. */
const ROUNDS = 3;

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** An answer whose body is still to come. */
export interface OpenResponse {
  readonly message: IncomingMessage;
  readonly opened: OpenedRequest;
  readonly address: string;
}

/** Sends requests to whichever server answers, and remembers which do. */
export class Transport {
  readonly timing: ClientTiming;
  readonly clock: Clock;
  private readonly pool: ServerPool;
  private readonly servers = new Map<string, ApiServer>();
  private readonly tls: ClientTls;
  private readonly log: Logger;
  private readonly metrics: ClientMetrics;
  private cancelRecheck: (() => void) | undefined;
  private closed = false;

  constructor(options: TransportOptions) {
    this.timing = { ...DEFAULT_TIMING, ...options.timing };
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silentLogger;
    this.metrics = clientMetrics(options.registry);
    this.pool = new ServerPool(options.servers);
    this.tls = "tls" in options ? options.tls : options;
    for (const address of options.servers) this.server(address);
  }

  /** Takes another list of servers. What is under way at one that is no longer in it may end within a while. */
  setServers(addresses: readonly string[]): void {
    if (this.closed || addresses.length === 0) return;
    this.pool.replace(addresses);
    for (const address of addresses) this.server(address);
    for (const [address, server] of this.servers) {
      if (addresses.includes(address)) continue;
      this.servers.delete(address);
      this.log.info("apiserver is no longer one", { server: address });
      this.clock.after(RETIRE_MS, () => server.close(new Error("this server was removed from the cluster")));
    }
  }

  private server(address: string): ApiServer {
    const known = this.servers.get(address);
    if (known !== undefined) return known;
    const onDead = (): void => this.markDown(address, "no answer");
    const server = new ApiServer(address, this.tls, this.timing, this.clock, onDead);
    this.servers.set(address, server);
    return server;
  }

  get currentServer(): string {
    return this.pool.order()[0]!;
  }

  close(): void {
    this.closed = true;
    this.cancelRecheck?.();
    for (const server of this.servers.values()) server.close(new Error("the client was closed"));
  }

  /** One call with its retries, until an answer (of any status) is here whole. */
  async call(outgoing: Outgoing, options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<RawResponse> {
    const timeoutMs = options.timeoutMs ?? this.timing.requestMs;
    const started = this.clock.monotonic();
    return this.withDeadline(timeoutMs, options.signal, outgoing, async (attempt) => {
      const { message, opened, address } = await this.open(outgoing, false, attempt);
      const body = await readBody(message, opened);
      this.metrics.seconds.observe((this.clock.monotonic() - started) / 1000, { verb: outgoing.method, host: address });
      return { status: message.statusCode ?? 0, headers: message.headers, body };
    });
  }

  /** Opens a long answer on a connection of its own; the request's timeout ends with its head. */
  async stream(outgoing: Outgoing, signal: AbortSignal | undefined): Promise<OpenResponse> {
    return this.withDeadline(this.timing.requestMs, signal, outgoing, (attempt) => this.open(outgoing, true, attempt));
  }

  /** Runs a call's attempts under one deadline and one signal, and names its failure. */
  private async withDeadline<R>(
    timeoutMs: number,
    signal: AbortSignal | undefined,
    outgoing: Outgoing,
    run: (attempt: Attempt) => Promise<R>,
  ): Promise<R> {
    const what = `${outgoing.method} ${outgoing.path}`;
    if (this.closed) throw new TriremeError("Cancelled", `${what}: the client is closed`);
    if (signal?.aborted === true) throw new TriremeError("Cancelled", `${what}: cancelled`);
    const attempt: Attempt = { current: undefined, server: undefined, stopped: undefined, wake: undefined };
    const stop = (why: "timeout" | "cancelled"): void => {
      attempt.stopped ??= why;
      // It may live and yet not serve, e.g. for its store's sake; once it says that it is ready it is preferred again.
      if (why === "timeout" && attempt.server !== undefined) this.markDown(attempt.server, "no answer in time");
      attempt.current?.abort(new Error(why));
      attempt.wake?.();
    };
    const cancelTimer = this.clock.after(timeoutMs, () => stop("timeout"));
    const onAbort = (): void => stop("cancelled");
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      for (let round = 1; ; round++) {
        try {
          return await run(attempt);
        } catch (thrown) {
          const harmless = thrown instanceof ExchangeError && (READS.has(outgoing.method) || !thrown.sent);
          const again = harmless && round < ROUNDS && attempt.stopped === undefined && !this.closed;
          if (!again) throw this.failure(what, outgoing, attempt, timeoutMs, thrown);
          await this.pause(attempt);
          if (attempt.stopped !== undefined) throw this.failure(what, outgoing, attempt, timeoutMs, thrown);
        }
      }
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Somebody waits for this call, so it keeps the process alive where no connection does. */
  private async pause(attempt: Attempt): Promise<void> {
    const woken = new AbortController();
    attempt.wake = () => woken.abort();
    await sleep(this.timing.retryMs, woken.signal).catch(() => undefined);
    attempt.wake = undefined;
  }

  private failure(what: string, out: Outgoing, attempt: Attempt, timeoutMs: number, cause: unknown): TriremeError {
    if (!(cause instanceof ExchangeError)) return cause as TriremeError;
    const mayHaveHappened = cause.sent && !READS.has(out.method);
    if (mayHaveHappened) {
      return new TriremeError(
        "Unknown",
        `${what}: sent, but no answer came, so it may have taken effect: ${cause.message}`,
        {
          cause,
        },
      );
    }
    if (attempt.stopped === "cancelled" || this.closed)
      return new TriremeError("Cancelled", `${what}: cancelled`, { cause });
    if (attempt.stopped === "timeout") {
      return new TriremeError("Timeout", `${what}: no answer within ${timeoutMs} ms`, { cause });
    }
    return new TriremeError("ServiceUnavailable", `${what}: no apiserver answers: ${cause.message}`, { cause });
  }

  /** Tries server after server until one answers with a head that is worth keeping. */
  private async open(outgoing: Outgoing, exclusive: boolean, attempt: Attempt): Promise<OpenResponse> {
    const isRead = READS.has(outgoing.method);
    const problems: string[] = [];
    let last: ExchangeError | undefined;
    let refused: OpenResponse | undefined;
    for (const address of this.pool.order()) {
      const server = this.server(address);
      const opened = server.open(outgoing, exclusive);
      attempt.current = opened;
      attempt.server = address;
      if (attempt.stopped !== undefined) opened.abort(new Error(attempt.stopped));
      try {
        const message = await opened.response;
        this.pool.markUp(address);
        const code = message.statusCode ?? 0;
        this.metrics.requests.inc({ code, method: outgoing.method, host: server.address });
        const answer: OpenResponse = { message, opened, address: server.address };
        // 503: this server cannot, another may. For a write it leaves open whether it happened, so that is final.
        if (code !== 503 || !isRead) return answer;
        refused?.message.destroy();
        refused = answer;
      } catch (thrown) {
        if (!(thrown instanceof ExchangeError)) throw thrown;
        this.metrics.requests.inc({ code: "<error>", method: outgoing.method, host: server.address });
        last = thrown;
        problems.push(thrown.message);
        if (attempt.stopped !== undefined || this.closed) throw thrown;
        this.markDown(address, thrown.message);
        if (thrown.sent && !isRead) throw thrown;
      }
    }
    if (refused !== undefined) return refused;
    throw new ExchangeError(problems.join("; "), last?.sent ?? false, last);
  }

  private markDown(address: string, why: string): void {
    if (this.closed || !this.pool.addresses.includes(address)) return;
    this.pool.markDown(address);
    this.metrics.failovers.inc();
    this.log.debug("apiserver given up for now", { server: address, reason: why });
    this.recheckLater();
  }

  /** Asks the servers that failed whether they are ready again, so that a returned first server is preferred again. */
  private recheckLater(): void {
    if (this.cancelRecheck !== undefined || this.closed || this.pool.addresses.length === 1) return;
    this.cancelRecheck = this.clock.after(this.timing.recheckMs, () => {
      void this.recheck().finally(() => {
        this.cancelRecheck = undefined;
        if (this.pool.down().length > 0) this.recheckLater();
      });
    });
  }

  private async recheck(): Promise<void> {
    await Promise.all(
      this.pool.down().map(async (address) => {
        if (await this.server(address).probe("/readyz")) this.pool.markUp(address);
      }),
    );
  }
}

/** The request that a call is at now, and whether the call was told to stop. */
interface Attempt {
  current: OpenedRequest | undefined;
  server: string | undefined;
  stopped: "timeout" | "cancelled" | undefined;
  /** Ends the pause between two rounds. */
  wake: (() => void) | undefined;
}

/** Collects a body. A failure on the way is an exchange that was sent. */
function readBody(message: IncomingMessage, opened: OpenedRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    message.on("data", (chunk: Buffer) => {
      opened.heard();
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > MAX_RESPONSE_BYTES) {
        opened.abort(new Error("too large"));
        reject(new TriremeError("RequestEntityTooLarge", `the answer is larger than ${MAX_RESPONSE_BYTES} bytes`));
      }
    });
    message.once("end", () => resolve(Buffer.concat(chunks)));
    message.once("error", (err) => {
      const cause = opened.aborted() ?? err;
      reject(new ExchangeError(cause.message, true, cause));
    });
    message.once("close", () => reject(new ExchangeError("the answer broke off", true, undefined)));
  });
}
