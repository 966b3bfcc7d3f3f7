import { type PeerCertificate, checkServerIdentity } from "node:tls";
import {
  type Server,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { type Clock, TriremeError, errorFrom } from "@trireme/base";
import type { MemberInfo } from "@trireme/mvcc";
import {
  type AskRequest,
  type AskResponse,
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  PeerServiceService,
  type SendSnapshotRequest,
  type SendSnapshotResponse,
} from "@trireme/proto/trireme/raft/v1/raft";
import type { Message, SnapMessage } from "@trireme/raft";
import type { CounterFamily, Logger } from "@trireme/telemetry";
import { type Cluster, hex, peerAddressOf, splitHostPort } from "../cluster.ts";
import { FAILURE } from "../replica/failures.ts";
import type { TlsFiles } from "../tls.ts";
import { type Answer, type Question, toAskError } from "./ask.ts";
import { bytesOf, fromWire } from "./codec.ts";
import { PeerLink, type PeerMetrics, REMOVED_TEXT } from "./link.ts";
import { type SnapshotSink, sendSnapshot } from "./snapshot-stream.ts";

/** What the transport hands to the replica. */
export interface PeerHandler {
  /** A message from a member that proved who it is. */
  receive(message: Message): void;
  /** What was sent to the member lately may be lost. */
  unreachable(id: bigint): void;
  /** Nobody listens at the member's address: its process is gone. */
  gone(id: bigint): void;
  /** Opens a file for a snapshot that a member begins to send. */
  openSnapshot(message: SnapMessage): Promise<SnapshotSink>;
  /** The snapshot that was sent to `id` has arrived, or has not. */
  snapshotSent(id: bigint, ok: boolean): void;
  /** The file of the snapshot that `message` names. */
  snapshotFile(message: SnapMessage): string | undefined;
  /** A peer says that this member has been removed from the cluster. */
  removed(by: bigint): void;
}

/** Who answers what peers ask. */
export type Answerer = (question: Question) => Promise<Answer>;

/**
 * The wire to a member that was removed stays for this long: the news of its removal, and of what was committed just
 * before, is on its way there.
 */
const FAREWELL_MS = 1000;

interface Wire {
  readonly link: PeerLink;
  /** Where it leads; another address needs another wire. */
  readonly address: string;
}

/** Counts what comes from peers. */
export interface TransportMetrics extends PeerMetrics {
  readonly receivedBytes: CounterFamily<"From">;
}

/** All wires between this member and the others. */
export class PeerTransport {
  private readonly cluster: Cluster;
  private readonly tls: TlsFiles;
  private readonly log: Logger;
  private readonly handler: PeerHandler;
  private readonly hello: Hello;
  private readonly clock: Clock;
  private readonly metrics: TransportMetrics;
  private readonly wires = new Map<bigint, Wire>();
  /** Streams that members opened to us. */
  private readonly accepted = new Map<ServerDuplexStream<ConnectRequest, ConnectResponse>, bigint>();
  private readonly farewells = new Set<NodeJS.Timeout>();
  private answerer: Answerer = () => Promise.reject(FAILURE.stopped());

  constructor(options: {
    cluster: Cluster;
    tls: TlsFiles;
    log: Logger;
    clock: Clock;
    metrics: TransportMetrics;
    handler: PeerHandler;
  }) {
    this.cluster = options.cluster;
    this.tls = options.tls;
    this.log = options.log;
    this.clock = options.clock;
    this.metrics = options.metrics;
    this.handler = options.handler;
    const { self, id, name, peerUrls } = this.cluster;
    this.hello = { clusterId: id, memberId: self, name, peerUrls: [...peerUrls] };
  }

  /** Sets who answers what peers ask. */
  answerWith(answerer: Answerer): void {
    this.answerer = answerer;
  }

  /** Makes the wires what the membership says: dials new members, and parts from those that left. */
  reconfigure(): void {
    for (const [id, wire] of this.wires) {
      const peer = this.cluster.peer(id);
      if (peer !== undefined && peerAddressOf(peer) === wire.address) {
        wire.link.know(peer);
        continue;
      }
      this.wires.delete(id);
      if (this.cluster.isRemoved(id)) {
        this.part(id, wire.link);
      } else {
        wire.link.close();
        this.handler.unreachable(id);
      }
    }
    for (const peer of this.cluster.peers()) if (!this.wires.has(peer.id)) this.wires.set(peer.id, this.dial(peer));
  }

  private dial(member: MemberInfo): Wire {
    const link = new PeerLink({
      member,
      hello: this.hello,
      tls: this.tls,
      log: this.log,
      clock: this.clock,
      metrics: this.metrics,
      onBroken: () => this.handler.unreachable(member.id),
      onGone: () => this.handler.gone(member.id),
      onRemoved: () => this.handler.removed(member.id),
    });
    return { link, address: peerAddressOf(member) };
  }

  /** Tells a member that it was removed: it hears what is still under way, and then why nobody listens to it any more. */
  private part(id: bigint, link: PeerLink): void {
    const timer = setTimeout(() => {
      this.farewells.delete(timer);
      link.close();
      for (const [stream, sender] of this.accepted) if (sender === id) refuse(stream, REMOVED_TEXT);
    }, FAREWELL_MS);
    this.farewells.add(timer);
  }

  /** Answers the other members' calls on this server. */
  serve(server: Server): void {
    server.addService(PeerServiceService, {
      connect: (stream: ServerDuplexStream<ConnectRequest, ConnectResponse>) => this.accept(stream),
      sendSnapshot: (
        stream: ServerReadableStream<SendSnapshotRequest, SendSnapshotResponse>,
        answer: (error: { code: number; details: string } | null, value?: SendSnapshotResponse) => void,
      ) => {
        this.acceptSnapshot(stream).then(
          () => answer(null, {}),
          (thrown: unknown) => {
            const { code, message } = errorFrom(thrown);
            const refused = code === "Forbidden";
            answer({ code: refused ? status.PERMISSION_DENIED : status.FAILED_PRECONDITION, details: message });
          },
        );
      },
      ask: (call: ServerUnaryCall<AskRequest, AskResponse>, answer: sendUnaryData<AskResponse>) => {
        this.answer(call).then(
          (response) => answer(null, response),
          (error: unknown) => answer(null, toAskError(error)),
        );
      },
    });
  }

  /** Sends messages, those to one member as one batch. */
  send(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.type === "snap") this.sendSnapshot(message);
      else this.wires.get(message.to)?.link.send(message);
    }
    for (const { link } of this.wires.values()) link.flush();
  }

  /** Whether what is sent to the member now has a wire to travel on. */
  reaches(id: bigint): boolean {
    return this.connectedMs(id) !== undefined;
  }

  /** Milliseconds for which the member has been connected without a break; undefined while it is not. */
  connectedMs(id: bigint): number | undefined {
    return this.wires.get(id)?.link.connectedMs;
  }

  /** Asks a member something; rejects when it cannot be reached. */
  ask(id: bigint, question: Question, timeoutMs: number): Promise<Answer> {
    const wire = this.wires.get(id);
    return wire === undefined ? Promise.reject(FAILURE.noLeader()) : wire.link.ask(question, timeoutMs);
  }

  close(): void {
    for (const { link } of this.wires.values()) link.close();
    this.wires.clear();
    for (const timer of this.farewells) clearTimeout(timer);
  }

  private async answer(call: ServerUnaryCall<AskRequest, AskResponse>): Promise<AskResponse> {
    const { hello, question } = call.request;
    // Who is about to join does not know who it is; its certificate of the peers' authority is enough to see addresses.
    if (question?.$case !== "listMembers" && question?.$case !== "ping") this.check(call, hello);
    if (question === undefined) throw new TriremeError("BadRequest", "a peer asks what this release does not know");
    return { answer: await this.answerer(question) };
  }

  private accept(stream: ServerDuplexStream<ConnectRequest, ConnectResponse>): void {
    let sender: bigint | undefined;
    let received: { inc(by: number): void } | undefined;
    stream.on("error", (error) => this.log.debug("peer stream ended", { err: errorFrom(error) }));
    stream.on("end", () => stream.end());
    stream.on("close", () => this.accepted.delete(stream));
    stream.on("data", (request: ConnectRequest) => {
      let messages: Message[];
      try {
        if (sender === undefined) {
          sender = this.check(stream, request.hello);
          this.accepted.set(stream, sender);
          received = this.metrics.receivedBytes.series({ From: hex(sender) });
          stream.write({ memberId: this.cluster.self });
        }
        received?.inc(bytesOf(request.messages));
        messages = request.messages.map(fromWire);
      } catch (error) {
        if (sender !== undefined) this.log.warn("peer cut: it sent what is no message", { err: errorFrom(error) });
        refuse(stream, errorFrom(error).message);
        return;
      }
      // Outside of the try: a broken promise of the core is a bug and ends the process, it is no fault of the peer's.
      for (const message of messages) this.deliver(message, sender);
    });
  }

  private deliver(message: Message, sender: bigint): void {
    // Forwarded requests keep their origin's id; everything else speaks for its sender alone.
    if (message.to !== this.cluster.self || this.cluster.peer(message.from) === undefined) return;
    const forwarded = message.type === "prop" || message.type === "readIndex" || message.type === "transferLeader";
    if (message.from === sender || forwarded) this.handler.receive(message);
  }

  private async acceptSnapshot(stream: ServerReadableStream<SendSnapshotRequest, SendSnapshotResponse>): Promise<void> {
    let sink: SnapshotSink | undefined;
    try {
      for await (const piece of stream as AsyncIterable<SendSnapshotRequest>) {
        if (sink === undefined) {
          const sender = this.check(stream, piece.hello);
          const message = piece.message === undefined ? undefined : fromWire(piece.message);
          if (message?.type !== "snap" || message.from !== sender)
            throw new Error("a snapshot begins with its message");
          sink = await this.handler.openSnapshot(message);
        }
        await sink.push(piece.data);
      }
      if (sink === undefined) throw new Error("the snapshot is empty");
      await sink.finish();
    } catch (error) {
      await sink?.abandon();
      throw error;
    }
  }

  /** The caller's id. Throws Forbidden, and logs it, unless it is a member of this cluster and its certificate says the same. */
  private check(stream: Caller, hello: Hello | undefined): bigint {
    try {
      return this.prove(stream, hello);
    } catch (thrown) {
      const err = new TriremeError("Forbidden", errorFrom(thrown).message, { cause: thrown });
      this.log.warn("peer refused", { address: stream.getPeer(), err });
      throw err;
    }
  }

  private prove(stream: Caller, hello: Hello | undefined): bigint {
    if (hello === undefined) throw new Error("a peer speaks before it says who it is");
    if (hello.clusterId !== this.cluster.id) throw new Error(`peer ${hello.name} belongs to another cluster`);
    if (hello.memberId === this.cluster.self) throw new Error(`peer ${hello.name} says that it is this very member`);
    if (this.cluster.isRemoved(hello.memberId)) throw new Error(REMOVED_TEXT);
    const certificate = stream.getAuthContext()?.sslPeerCertificate;
    const known = this.cluster.peer(hello.memberId);
    const peer = known ?? strangerOf(hello);
    const proven = certificate !== undefined && peer !== undefined && proves(certificate, peer);
    // Who is not known here must prove its address as well as its name: we are going to call it there.
    if (!proven || (known === undefined && !provesAddress(certificate, peer))) {
      throw new Error(`the certificate of ${certificate?.subject.CN} does not make it member ${hello.name}`);
    }
    if (known === undefined) {
      this.log.info("a member that is not known here yet", { peer: hello.name, id: hex(hello.memberId) });
      this.cluster.introduce(peer);
      this.reconfigure();
    }
    return peer.id;
  }

  private sendSnapshot(message: SnapMessage): void {
    const member = this.cluster.peer(message.to);
    const file = this.handler.snapshotFile(message);
    if (member === undefined || file === undefined) {
      this.log.warn("no snapshot to send", { peer: member?.name, index: message.snapshot.index });
      // Not within the core's own turn.
      setImmediate(() => this.handler.snapshotSent(message.to, false));
      return;
    }
    this.log.info("sending snapshot", { peer: member.name, index: message.snapshot.index });
    sendSnapshot({ member, hello: this.hello, tls: this.tls, message, file }).then(
      () => {
        this.log.info("snapshot sent", { peer: member.name, index: message.snapshot.index });
        this.handler.snapshotSent(message.to, true);
      },
      (error: unknown) => {
        this.log.warn("snapshot not sent", { peer: member.name, err: errorFrom(error) });
        this.handler.snapshotSent(message.to, false);
      },
    );
  }
}

/** Whoever called: what its connection proves. */
type Caller = Pick<ServerReadableStream<unknown, unknown>, "getAuthContext" | "getPeer">;

/** Whether the certificate is this member's: in its name, or, before it has said its name, for its address. */
function proves(certificate: PeerCertificate, member: MemberInfo): boolean {
  return member.name === "" ? provesAddress(certificate, member) : certificate.subject.CN === member.name;
}

/** A peer as it introduces itself. */
function strangerOf({ memberId, name, peerUrls }: Hello): MemberInfo | undefined {
  return name === "" || peerUrls.length === 0 ? undefined : { id: memberId, name, peerUrls, clientUrls: [] };
}

function provesAddress(certificate: PeerCertificate, member: MemberInfo): boolean {
  const [host] = splitHostPort(peerAddressOf(member));
  return checkServerIdentity(host, certificate) === undefined;
}

function refuse(stream: ServerDuplexStream<ConnectRequest, ConnectResponse>, details: string): void {
  stream.emit("error", { code: status.PERMISSION_DENIED, details });
  stream.destroy();
}
