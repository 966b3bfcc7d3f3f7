import { type Clock, TriremeError } from "@trireme/base";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { type SecureContext, type TLSSocket, createSecureContext } from "node:tls";
import type { ClientTiming } from "./timing.ts";

/** PEM texts of the client and of the authority it trusts. */
export interface ClientTls {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** One HTTP request, ready to send. */
export interface Outgoing {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body?: Buffer;
}

/** What opens a request and hears of its fate exactly once: an answer's head, or a failure. */
export interface OpenedRequest {
  readonly response: Promise<IncomingMessage>;
  /** Ends it; `response` rejects with `reason`, or the body's stream fails. */
  abort(reason: Error): void;
  /** Why it was ended, if it was. */
  aborted(): Error | undefined;
  /** To be called for each piece of the body: it shows that the server lives. */
  heard(): void;
}

/** Why no (whole) answer came. `sent` is false only if not one byte of the request can have reached the server. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly sent: boolean;
  constructor(message: string, sent: boolean, cause: unknown) {
    super(message, { cause });
    this.sent = sent;
  }
}

/**
 * Connections to one server at once. Requests beyond wait in line, unsent; an apiserver serves many clients and a burst
 * of ours must not cost it a handshake each.
 */
const MAX_CONNECTIONS = 64;

/** Consecutive unanswered questions that condemn a server. */
const PROBES_TO_CONDEMN = 2;

/** Keep-alive probes of the kernel find dead peers of idle pooled connections. */
const TCP_KEEPALIVE_MS = 5000;

/**
 * One apiserver: its connections and whether it lives. While it owes us something and is silent, it is asked `/livez` on
 * a connection apart; a server that was cut off sends no reset, so nothing else would tell for minutes.
 */
export class ApiServer {
  readonly address: string;
  private readonly host: string;
  private readonly port: number;
  private readonly tls: ClientTls;
  /** Read from PEM once, not for each connection; and of which certificate it is. */
  private secureContext: SecureContext;
  private certificate: ClientTls["cert"];
  /**
   * The newest ticket of this server. With it a handshake needs no signatures: when the bus is lost every informer opens a
   * watch at once, each on a connection of its own, and full handshakes alone would keep the machines busy for a second.
   */
  private session: Buffer | undefined;
  private readonly timing: ClientTiming;
  private readonly clock: Clock;
  private readonly onDead: () => void;
  private pooled: Agent;
  /** For questions alone: they must not wait in line behind what they ask about. */
  private probing: Agent;
  private readonly active = new Set<(reason: Error) => void>();
  private lastHeard = 0;
  private misses = 0;
  private cancelTimer: (() => void) | undefined;
  private isProbing = false;

  constructor(address: string, tls: ClientTls, timing: ClientTiming, clock: Clock, onDead: () => void) {
    const at = address.lastIndexOf(":");
    this.address = address;
    this.host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
    this.port = Number(address.slice(at + 1));
    if (at <= 0 || !Number.isInteger(this.port) || this.port < 1) {
      throw new TriremeError("BadRequest", `${JSON.stringify(address)} is not host:port`);
    }
    this.tls = tls;
    this.certificate = tls.cert;
    this.secureContext = secureContextOf(tls);
    this.timing = timing;
    this.clock = clock;
    this.onDead = onDead;
    this.pooled = this.createAgent(true);
    this.probing = this.createAgent(true);
  }

  /** Sends a request. `exclusive`: on a connection of its own, as a watch needs. */
  open(outgoing: Outgoing, exclusive: boolean): OpenedRequest {
    this.followIdentity();
    let sent = false;
    let cancelConnect: (() => void) | undefined;
    const agent = exclusive ? this.createAgent(false) : this.pooled;
    const req = httpsRequest({
      host: this.host,
      port: this.port,
      method: outgoing.method,
      path: outgoing.path,
      headers: { ...outgoing.headers, host: this.address },
      agent,
      ...this.tlsOptions(),
    });
    let aborted: Error | undefined;
    // Destroyed without an error: once the answer is whole, nobody listens on the socket and it would be uncaught.
    const abort = (reason: Error): void => {
      aborted ??= reason;
      req.destroy();
    };
    this.track(req, abort);
    req.once("socket", (socket) => {
      if (req.reusedSocket || !socket.connecting) {
        sent = true;
        return;
      }
      cancelConnect = this.clock.after(this.timing.connectMs, () =>
        abort(new Error(`no connection within ${this.timing.connectMs} ms`)),
      );
      const { certificate } = this;
      (socket as TLSSocket).on("session", (session) => {
        if (certificate === this.certificate) this.session = session;
      });
      socket.once("secureConnect", () => {
        sent = true;
        cancelConnect?.();
      });
    });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      req.once("response", (message) => {
        this.heard();
        // The body's consumer hears of its failure by listeners of its own; this one outlives them.
        message.on("error", () => cancelConnect?.());
        resolve(message);
      });
      const fail = (err: Error): void => {
        cancelConnect?.();
        const cause = aborted ?? err;
        reject(new ExchangeError(`${this.address}: ${cause.message}`, sent, cause));
      };
      req.on("error", fail);
      req.once("close", () => {
        fail(new Error("the connection was closed"));
        if (exclusive) agent.destroy();
      });
    });
    req.end(outgoing.body);
    return { response, abort, aborted: () => aborted, heard: () => this.heard() };
  }

  /** Asks `/livez` or `/readyz`: 200 in time is a yes. */
  async probe(path: "/livez" | "/readyz"): Promise<boolean> {
    const answer = await this.probeOnce(path);
    // A kept connection that the server closed meanwhile says nothing about the server.
    return (answer === "stale" ? await this.probeOnce(path) : answer) === "yes";
  }

  private probeOnce(path: string): Promise<"yes" | "no" | "stale"> {
    this.followIdentity();
    return new Promise((resolve) => {
      const req = httpsRequest({
        host: this.host,
        port: this.port,
        path,
        headers: { host: this.address },
        agent: this.probing,
        ...this.tlsOptions(),
      });
      const cancel = this.clock.after(this.timing.probeMs, () => req.destroy());
      req.once("response", (message) => {
        message.resume();
        message.on("error", () => cancel());
        resolve(message.statusCode === 200 ? "yes" : "no");
      });
      const failed = (): void => {
        cancel();
        // Whatever made this one fail, the next question starts on a connection of its own.
        resolve(req.reusedSocket && this.clock.monotonic() - startedAt < this.timing.probeMs ? "stale" : "no");
      };
      const startedAt = this.clock.monotonic();
      req.on("error", failed);
      req.once("close", failed);
      req.end();
    });
  }

  /** Fails everything under way and forgets all connections. */
  close(reason: Error): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    for (const abort of [...this.active]) abort(reason);
    this.pooled.destroy();
    this.probing.destroy();
  }

  /**
   * Where the certificate was renewed, what comes from now on goes over new connections: a kept one, or one that an old ticket
   * opens, would go on in the old certificate's name. What is under way ends where it began.
   */
  private followIdentity(): void {
    if (this.tls.cert === this.certificate) return;
    this.certificate = this.tls.cert;
    this.secureContext = secureContextOf(this.tls);
    this.session = undefined;
    for (const agent of [this.pooled, this.probing]) {
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
    this.pooled = this.createAgent(true);
    this.probing = this.createAgent(true);
  }

  private tlsOptions(): { secureContext: SecureContext; servername: string; session?: Buffer } {
    const { secureContext, session } = this;
    // An address has no server name; node then verifies the address against the certificate.
    const servername = isIP(this.host) === 0 ? this.host : "";
    return { secureContext, servername, ...(session === undefined ? {} : { session }) };
  }

  private createAgent(keepAlive: boolean): Agent {
    return new Agent({
      keepAlive,
      keepAliveMsecs: TCP_KEEPALIVE_MS,
      maxSockets: MAX_CONNECTIONS,
      scheduling: "lifo",
    });
  }

  private track(req: ClientRequest, abort: (reason: Error) => void): void {
    if (this.active.size === 0) this.heard();
    this.active.add(abort);
    this.arm();
    req.once("close", () => {
      this.active.delete(abort);
      if (this.active.size === 0) {
        this.cancelTimer?.();
        this.cancelTimer = undefined;
      }
    });
  }

  private heard(): void {
    this.lastHeard = this.clock.monotonic();
    this.misses = 0;
  }

  private arm(): void {
    if (this.cancelTimer !== undefined || this.active.size === 0) return;
    const dueMs = Math.max(0, this.lastHeard + this.timing.silenceMs - this.clock.monotonic());
    this.cancelTimer = this.clock.after(dueMs, () => {
      this.cancelTimer = undefined;
      void this.checkSilence();
    });
  }

  private async checkSilence(): Promise<void> {
    const before = this.lastHeard;
    if (!this.isProbing && this.clock.monotonic() - before >= this.timing.silenceMs) {
      this.isProbing = true;
      const alive = await this.probe("/livez");
      this.isProbing = false;
      if (alive) this.heard();
      else if (this.lastHeard === before) this.misses += 1;
      if (this.misses >= PROBES_TO_CONDEMN) {
        this.condemn();
        return;
      }
    }
    this.arm();
  }

  private condemn(): void {
    this.misses = 0;
    const old = this.pooled;
    this.pooled = this.createAgent(true);
    this.onDead();
    for (const abort of [...this.active]) abort(new Error("the server does not answer"));
    old.destroy();
  }
}

function secureContextOf({ ca, cert, key }: ClientTls): SecureContext {
  return createSecureContext({ ca, cert, key, minVersion: "TLSv1.2" });
}
