import type { ClientDuplexStream } from "@grpc/grpc-js";
import { type Clock, errorFrom } from "@trireme/base";
import type { MemberInfo } from "@trireme/mvcc";
import {
  type AskRequest,
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  PeerServiceClient,
} from "@trireme/proto/trireme/raft/v1/raft";
import type { Message } from "@trireme/raft";
import type { Counter, CounterFamily, Histogram, Logger } from "@trireme/telemetry";
import { hex, peerAddressOf, splitHostPort } from "../cluster.ts";
import { FAILURE } from "../replica/failures.ts";
import { type TlsFiles, channelCredentials } from "../tls.ts";
import { type Answer, ask } from "./ask.ts";
import { bytesOf, toWire } from "./codec.ts";

/** Between two attempts: short, since a restarted peer is wanted at once; bounded, since a dead one may stay dead. */
const MIN_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 500;

/**
 * An attempt that has not been greeted by then is dropped; a packet filter would let it hang for minutes. Each further
 * attempt gets twice the time, so that a machine under great load is not dialled for ever without success.
 */
const MIN_CONNECT_TIMEOUT_MS = 1000;
const MAX_CONNECT_TIMEOUT_MS = 4000;

/** A cut wire is noticed by pings: sent this often, answered within this time. */
const KEEPALIVE_MS = 1000;

/**
 * Messages that wait for a slow wire. Beyond, they are dropped and the core is told, which then probes instead of
 * filling the pipe; its own window (32 MiB in flight) is what normally holds.
 */
const MAX_WAITING_MESSAGES = 4096;

/** How often the time of an answer is taken, for people who look at the network. As etcd. */
const PING_MS = 4000;

/** Channel options of everything that one member sends to another. */
export const PEER_CHANNEL_OPTIONS = {
  "grpc.keepalive_time_ms": KEEPALIVE_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
  "grpc.keepalive_permit_without_calls": 1,
  // Each link closes its own connection when it gives up; a shared pool would hand the dead one back.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.max_send_message_length": -1,
  "grpc.max_receive_message_length": -1,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
} as const;

export interface LinkOptions {
  readonly member: MemberInfo;
  readonly hello: Hello;
  readonly tls: TlsFiles;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: PeerMetrics;
  /** What was sent lately may be lost. */
  readonly onBroken: () => void;
  /** The peer's machine says that nobody listens there. */
  readonly onGone: () => void;
  /** The peer says that this member has been removed from the cluster. */
  readonly onRemoved: () => void;
}

/** What is counted for each peer; labelled by the peer's id, of which there are few. */
export interface PeerMetrics {
  readonly sentBytes: CounterFamily<"To">;
  readonly sendFailures: Counter<"To">;
  readonly roundTrip: Histogram<"To">;
}

/** How grpc-js reports a connection that the other machine itself refused. */
const REFUSED_TEXT = "ECONNREFUSED";

/** What a member is told that was removed: etcd's text. Who hears it stops. */
export const REMOVED_TEXT = "the member has been permanently removed from the cluster";

/** Channel options that make a member's certificate prove that it is this member, wherever the address leads. */
export function identityOptions(member: MemberInfo): Record<string, string> {
  // Who has not started yet has not said its name: then the certificate must be valid for the address.
  if (member.name === "") return {};
  const [host] = splitHostPort(peerAddressOf(member));
  return { "grpc.ssl_target_name_override": member.name, "grpc.default_authority": host };
}

/** Our way to one other member: dials, greets, sends batches, and dials again for as long as it is open. */
export class PeerLink {
  private readonly options: LinkOptions;
  private client: PeerServiceClient | undefined;
  private stream: ClientDuplexStream<ConnectRequest, ConnectResponse> | undefined;
  private ready = false;
  private blocked = false;
  private waiting: Message[] = [];
  private backoffMs = MIN_BACKOFF_MS;
  private connectTimeoutMs = MIN_CONNECT_TIMEOUT_MS;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readySince = 0;
  private pinger: NodeJS.Timeout | undefined;
  private readonly label: string;
  private readonly sentBytes: { inc(by: number): void };
  private member: MemberInfo;

  constructor(options: LinkOptions) {
    this.options = options;
    this.member = options.member;
    this.label = hex(options.member.id);
    this.sentBytes = options.metrics.sentBytes.series({ To: this.label });
    this.dial();
  }

  /** Milliseconds for which the peer has been connected without a break; undefined while it is not. */
  get connectedMs(): number | undefined {
    return this.ready ? this.options.clock.monotonic() - this.readySince : undefined;
  }

  /** Whether the peer has greeted us on the present stream. */
  get connected(): boolean {
    return this.ready;
  }

  /** Queues a message until {@link flush}; without a connection it is lost, as Raft expects of a network. */
  send(message: Message): void {
    if (!this.ready) return;
    if (this.waiting.length >= MAX_WAITING_MESSAGES) {
      this.waiting = [];
      this.options.onBroken();
    }
    this.waiting.push(message);
  }

  /** Sends what is queued as one batch, once the wire takes it. */
  flush(): void {
    if (!this.ready || this.blocked || this.waiting.length === 0 || this.stream === undefined) return;
    const messages = this.waiting.map(toWire);
    this.waiting = [];
    this.sentBytes.inc(bytesOf(messages));
    this.blocked = !this.stream.write({ messages });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.drop();
  }

  /** Takes over what has become known of the peer, its name above all: from the next attempt on it must prove it. */
  know(member: MemberInfo): void {
    this.member = member;
  }

  /** Asks the peer something beside the stream; rejects when it cannot be reached in time. */
  ask(question: NonNullable<AskRequest["question"]>, timeoutMs: number): Promise<Answer> {
    const { client } = this;
    if (client === undefined || !this.ready) return Promise.reject(FAILURE.noLeader());
    return ask(client, { hello: this.options.hello, question }, timeoutMs);
  }

  private dial(): void {
    const { tls, hello, log } = this.options;
    const { member } = this;
    const client = new PeerServiceClient(peerAddressOf(member), channelCredentials(tls), {
      ...PEER_CHANNEL_OPTIONS,
      ...identityOptions(member),
    });
    const stream = client.connect();
    this.client = client;
    this.stream = stream;
    this.timer = setTimeout(() => {
      this.connectTimeoutMs = Math.min(MAX_CONNECT_TIMEOUT_MS, this.connectTimeoutMs * 2);
      this.fail(stream, "no answer in time");
    }, this.connectTimeoutMs);
    stream.on("data", () => {
      if (this.ready) return;
      clearTimeout(this.timer);
      this.ready = true;
      this.readySince = this.options.clock.monotonic();
      this.blocked = false;
      this.pinger = setInterval(() => void this.ping(), PING_MS);
      this.backoffMs = MIN_BACKOFF_MS;
      this.connectTimeoutMs = MIN_CONNECT_TIMEOUT_MS;
      log.info("peer connected", { peer: this.name });
    });
    stream.on("drain", () => {
      this.blocked = false;
      this.flush();
    });
    stream.on("error", (error) => this.fail(stream, errorFrom(error).message));
    stream.on("end", () => this.fail(stream, "the peer closed the stream"));
    stream.write({ hello, messages: [] });
  }

  private fail(stream: ClientDuplexStream<ConnectRequest, ConnectResponse>, reason: string): void {
    if (this.closed || stream !== this.stream) return;
    const { log, metrics, onBroken, onGone, onRemoved } = this.options;
    if (this.ready) log.warn("peer lost", { peer: this.name, reason });
    else log.debug("peer not reached", { peer: this.name, reason });
    if (this.ready) metrics.sendFailures.inc({ To: this.label });
    this.drop();
    onBroken();
    if (reason.includes(REFUSED_TEXT)) onGone();
    if (reason.includes(REMOVED_TEXT)) onRemoved();
    this.timer = setTimeout(() => this.dial(), this.backoffMs);
    this.backoffMs = Math.min(MAX_BACKOFF_MS, this.backoffMs * 2);
  }

  private get name(): string {
    const { member } = this;
    return member.name === "" ? peerAddressOf(member) : member.name;
  }

  private async ping(): Promise<void> {
    const { clock, metrics } = this.options;
    const started = clock.monotonic();
    try {
      await this.ask({ $case: "ping", value: {} }, PING_MS);
      metrics.roundTrip.observe((clock.monotonic() - started) / 1000, { To: this.label });
    } catch {
      // The stream's own keep-alive says when the peer is gone.
    }
  }

  private drop(): void {
    clearTimeout(this.timer);
    clearInterval(this.pinger);
    const { stream, client } = this;
    this.stream = undefined;
    this.client = undefined;
    this.ready = false;
    this.waiting = [];
    // A cancelled stream still reports an error, which is no news by then.
    stream?.on("error", () => undefined);
    stream?.cancel();
    client?.close();
  }
}
