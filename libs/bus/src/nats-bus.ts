import { TriremeError, errorFrom } from "@trireme/base";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import { Events, type NatsConnection, type Subscription as NatsSubscription, connect } from "nats";
import {
  type Bus,
  type BusHandler,
  type BusRefusal,
  type BusStatus,
  MAX_PAYLOAD_BYTES,
  type SubscribeOptions,
  type Subscription,
} from "./bus.ts";
import type { NatsCredentials } from "./jwt.ts";
import { type BusMetrics, type DropReason, busMetrics } from "./metrics.ts";
import { publicKeyOfSeed, signWithSeed } from "./nkeys.ts";

/** The name in every nats-server's certificate; clients dial addresses and verify this. */
export const NATS_TLS_NAME = "nats.trireme";

/** PEM texts of one side of a mutual TLS connection. */
export interface BusTls {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** How to reach the servers, and as whom. */
export interface NatsBusOptions {
  /** `host:port` of all servers, one's own first; after a failure the next one is tried, round and round. */
  readonly servers: readonly string[];
  /** Read anew at each attempt, so that renewed certificates and claims take effect without a restart. */
  readonly tls: () => BusTls;
  readonly credentials: () => NatsCredentials;
  /** Who this is, for the server's log. */
  readonly name: string;
  readonly log?: Logger;
  readonly registry?: Registry;
}

/**
 * Pause before another round over all servers, doubled with each round up to the last. The first is short, since hints are
 * late until it succeeds; a bus that stays away is asked for seldom, since then everyone has the API.
 */
const RETRY_MS = 250;
const MAX_RETRY_MS = 2000;

/** Jitter on top, so that a hundred nodes do not return in one instant. */
const RETRY_JITTER_MS = 100;

/** TCP, TLS and CONNECT together; a healthy server on a LAN needs some milliseconds, a loaded machine some hundred. */
const CONNECT_TIMEOUT_MS = 2000;

/** A frozen or cut-off server is noticed within PING_MS * (MAX_PINGS_OUT + 1). */
const PING_MS = 1000;
const MAX_PINGS_OUT = 1;

/**
 * Bytes that a server has not confirmed yet. Beyond it we drop rather than buffer: a stalled server would otherwise
 * make our memory grow until its pings time out.
 */
const MAX_UNCONFIRMED_BYTES = 8 * 1024 * 1024;

/** One log line per this many failed attempts in a row: the first says why, the rest would be the same. */
const LOG_EVERY_ATTEMPTS = 100;

interface Interest {
  readonly subject: string;
  readonly handler: BusHandler;
  readonly options: SubscribeOptions;
  live: NatsSubscription | undefined;
}

/**
 * Connects to a NATS cluster. Returns at once and keeps trying for ever: the cluster must work with every server down.
 * Reconnecting is done here and not by the library: its loop hides why a dial failed, stops for good on repeated
 * authorization errors, and buffers without bound while it is away.
 */
export function createNatsBus(options: NatsBusOptions): Bus & { setServers(servers: readonly string[]): void } {
  return new NatsBus(options);
}

class NatsBus implements Bus {
  private readonly options: NatsBusOptions;
  private readonly log: Logger;
  private readonly metrics: BusMetrics;
  private readonly interests = new Set<Interest>();
  private readonly statusListeners = new Set<(status: BusStatus) => void>();
  private readonly refusalListeners = new Set<(refusal: BusRefusal) => void>();
  private connection: NatsConnection | undefined;
  private servers: readonly string[];
  private connectedTo = "";
  private closed = false;
  private wake: (() => void) | undefined;
  private readonly ended: Promise<void>;
  /** Bytes published since the last confirmation, and whether one is under way. */
  private unconfirmed = 0;
  private confirming = false;

  constructor(options: NatsBusOptions) {
    if (options.servers.length === 0) throw new TriremeError("BadRequest", "the bus needs the address of a server");
    this.options = options;
    this.servers = options.servers;
    this.log = options.log ?? silentLogger;
    this.metrics = busMetrics(options.registry);
    this.metrics.connected.set(0);
    this.ended = this.run();
  }

  publish(subject: string, payload: Uint8Array): void {
    const connection = this.connection;
    if (connection === undefined) return this.drop("disconnected");
    if (payload.length > MAX_PAYLOAD_BYTES) return this.drop("too-large");
    if (this.unconfirmed + payload.length > MAX_UNCONFIRMED_BYTES) return this.drop("backpressure");
    connection.publish(subject, payload);
    this.metrics.published.inc();
    this.unconfirmed += payload.length + subject.length;
    if (!this.confirming && this.unconfirmed > MAX_UNCONFIRMED_BYTES / 8) this.confirm(connection);
  }

  subscribe(subject: string, handler: BusHandler, options: SubscribeOptions = {}): Subscription {
    const interest: Interest = { subject, handler, options, live: undefined };
    this.interests.add(interest);
    if (this.connection !== undefined) this.attach(this.connection, interest);
    return {
      unsubscribe: () => {
        this.interests.delete(interest);
        if (this.connection !== undefined) interest.live?.unsubscribe();
        interest.live = undefined;
      },
    };
  }

  /** Takes another list of servers: whoever is connected to one that is no longer in it goes to another. */
  setServers(servers: readonly string[]): void {
    if (servers.length === 0 || this.closed) return;
    this.servers = [...servers];
    if (this.connection === undefined || servers.includes(this.connectedTo)) return;
    this.connection.close().catch((err: unknown) => this.log.debug("bus close failed", { err }));
  }

  status(): BusStatus {
    return this.connection === undefined ? "disconnected" : "connected";
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.statusListeners.add(listener);
    return () => this.statusListeners.delete(listener);
  }

  onRefused(listener: (refusal: BusRefusal) => void): () => void {
    this.refusalListeners.add(listener);
    return () => this.refusalListeners.delete(listener);
  }

  async flush(): Promise<void> {
    const connection = this.connection;
    if (connection === undefined) throw new TriremeError("ServiceUnavailable", "the bus is disconnected");
    try {
      await connection.flush();
    } catch (cause) {
      throw new TriremeError("ServiceUnavailable", "the bus went away", { cause });
    }
  }

  async close(): Promise<void> {
    if (!this.closed) {
      this.closed = true;
      this.interests.clear();
      this.wake?.();
      const connection = this.connection;
      if (connection !== undefined) {
        // A frozen server never answers; the pause bounds the wait, and close() then destroys the socket.
        await Promise.race([connection.flush().catch(() => undefined), this.pause(PING_MS)]);
        await connection.close().catch((err: unknown) => this.log.debug("bus close failed", { err }));
      }
      this.wake?.();
    }
    await this.ended;
  }

  private drop(reason: DropReason): void {
    this.metrics.dropped.inc({ reason });
  }

  private confirm(connection: NatsConnection): void {
    this.confirming = true;
    const mark = this.unconfirmed;
    connection.flush().then(
      () => {
        if (this.connection !== connection) return;
        this.unconfirmed -= mark;
        this.confirming = false;
      },
      (err: unknown) => this.log.debug("bus flush failed", { err }),
    );
  }

  private async run(): Promise<void> {
    let turn = 0;
    let failures = 0;
    while (!this.closed) {
      const { servers } = this;
      const server = servers[turn % servers.length]!;
      try {
        const connection = await this.dial(server);
        failures = 0;
        const reason = await this.serve(connection, server);
        if (!this.closed) this.log.warn("bus disconnected", { server, err: reason });
      } catch (thrown) {
        this.metrics.connects.inc({ result: "error" });
        // Servers that are not there are an expected failure: its reason, no stack.
        const err = errorFrom(thrown, "ServiceUnavailable");
        if (failures % LOG_EVERY_ATTEMPTS === 0) this.log.warn("bus connect failed", { server, err, failures });
        failures += 1;
      }
      turn += 1;
      const wholeRound = failures > 0 && failures % servers.length === 0;
      if (wholeRound && !this.closed) {
        const backoff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (failures / servers.length - 1));
        await this.pause(backoff + Math.random() * RETRY_JITTER_MS);
      }
    }
  }

  private async dial(server: string): Promise<NatsConnection> {
    const { jwt, seed } = this.options.credentials();
    const { ca, cert, key } = this.options.tls();
    const pem = { ca: String(ca), cert: String(cert), key: String(key) };
    // The library hands these options to node's tls, its own type only lacks the name.
    const tls = { ...pem, servername: NATS_TLS_NAME, minVersion: "TLSv1.2" };
    return connect({
      servers: [server],
      name: this.options.name,
      authenticator: (nonce) => ({
        jwt,
        nkey: publicKeyOfSeed(seed),
        sig: signWithSeed(seed, Buffer.from(nonce ?? "")).toString("base64url"),
      }),
      tls,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_MS,
      maxPingOut: MAX_PINGS_OUT,
      reconnect: false,
      ignoreClusterUpdates: true,
      resolve: false,
    });
  }

  /** Runs one connection until it ends; answers why. */
  private async serve(connection: NatsConnection, server: string): Promise<unknown> {
    if (this.closed) {
      await connection.close();
      return undefined;
    }
    this.connection = connection;
    this.connectedTo = server;
    this.unconfirmed = 0;
    this.confirming = false;
    for (const interest of this.interests) this.attach(connection, interest);
    void this.watchRefusals(connection).catch((err: unknown) => this.log.debug("bus status ended", { err }));
    this.metrics.connects.inc({ result: "ok" });
    this.log.info("bus connected", { server });
    this.setConnected(true);
    const reason = await connection.closed();
    this.connection = undefined;
    for (const interest of this.interests) interest.live = undefined;
    this.setConnected(false);
    return reason ?? errorFrom("the server closed the connection", "ServiceUnavailable");
  }

  private attach(connection: NatsConnection, interest: Interest): void {
    interest.live = connection.subscribe(interest.subject, {
      callback: (error, message) => {
        if (error !== null) {
          this.log.warn("bus subscription refused", { subject: interest.subject, err: error });
          interest.options.onRefused?.({ operation: "subscribe", subject: interest.subject });
          return;
        }
        if (!this.interests.has(interest)) return;
        this.metrics.received.inc();
        interest.handler(message.data, message.subject);
      },
    });
  }

  private async watchRefusals(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      const context = status.type === Events.Error ? status.permissionContext : undefined;
      if (context?.operation !== "publish") continue;
      this.drop("refused");
      for (const listener of this.refusalListeners) listener({ operation: "publish", subject: context.subject });
    }
  }

  private setConnected(connected: boolean): void {
    this.metrics.connected.set(connected ? 1 : 0);
    for (const listener of this.statusListeners) listener(connected ? "connected" : "disconnected");
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
