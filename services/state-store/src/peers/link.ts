import type { ClientDuplexStream } from "@grpc/grpc-js";
import { errorFrom } from "@trireme/base";
import {
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  PeerServiceClient,
} from "@trireme/proto/trireme/raft/v1/raft";
import type { Message } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import type { Member } from "../cluster.ts";
import { type TlsFiles, channelCredentials } from "../tls.ts";
import { toWire } from "./codec.ts";

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
  readonly member: Member;
  readonly hello: Hello;
  readonly tls: TlsFiles;
  readonly log: Logger;
  /** What was sent lately may be lost. */
  readonly onBroken: () => void;
}

/** Our way to one other member: dials, greets, sends batches, and dials again for as long as it is open. */
export class PeerLink {
  private readonly options: LinkOptions;
  private client: PeerServiceClient | undefined;
  private stream: ClientDuplexStream<ConnectRequest, ConnectResponse> | undefined;
  private ready = false;
  private blocked = false;
  private waiting: Message[] = [];
  private flushing = false;
  private backoffMs = MIN_BACKOFF_MS;
  private connectTimeoutMs = MIN_CONNECT_TIMEOUT_MS;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(options: LinkOptions) {
    this.options = options;
    this.dial();
  }

  /** Whether the peer has greeted us on the present stream. */
  get connected(): boolean {
    return this.ready;
  }

  /** Queues a message; without a connection it is lost, as Raft expects of a network. */
  send(message: Message): void {
    if (!this.ready) return;
    if (this.waiting.length >= MAX_WAITING_MESSAGES) {
      this.waiting = [];
      this.options.onBroken();
    }
    this.waiting.push(message);
    if (this.flushing) return;
    // One write for all that this turn of the loop has to say.
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      this.flush();
    });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.drop();
  }

  private flush(): void {
    if (!this.ready || this.blocked || this.waiting.length === 0 || this.stream === undefined) return;
    const messages = this.waiting.map(toWire);
    this.waiting = [];
    this.blocked = !this.stream.write({ messages });
  }

  private dial(): void {
    const { member, tls, hello, log } = this.options;
    const [host] = member.peerAddress.split(":");
    const client = new PeerServiceClient(member.peerAddress, channelCredentials(tls), {
      ...PEER_CHANNEL_OPTIONS,
      // The certificate must be this member's own, wherever the address leads.
      "grpc.ssl_target_name_override": member.name,
      "grpc.default_authority": host ?? member.name,
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
      this.blocked = false;
      this.backoffMs = MIN_BACKOFF_MS;
      this.connectTimeoutMs = MIN_CONNECT_TIMEOUT_MS;
      log.info("peer connected", { peer: member.name });
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
    const { member, log, onBroken } = this.options;
    if (this.ready) log.warn("peer lost", { peer: member.name, reason });
    else log.debug("peer not reached", { peer: member.name, reason });
    this.drop();
    onBroken();
    this.timer = setTimeout(() => this.dial(), this.backoffMs);
    this.backoffMs = Math.min(MAX_BACKOFF_MS, this.backoffMs * 2);
  }

  private drop(): void {
    clearTimeout(this.timer);
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
