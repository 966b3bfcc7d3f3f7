import { type Server, type ServerDuplexStream, type ServerReadableStream, status } from "@grpc/grpc-js";
import { errorFrom } from "@trireme/base";
import {
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  PeerServiceService,
  type SendSnapshotRequest,
  type SendSnapshotResponse,
} from "@trireme/proto/trireme/raft/v1/raft";
import type { Message, SnapMessage } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import type { Cluster } from "../cluster.ts";
import type { TlsFiles } from "../tls.ts";
import { fromWire } from "./codec.ts";
import { PeerLink } from "./link.ts";
import { type SnapshotSink, sendSnapshot } from "./snapshot-stream.ts";

/** What the transport hands to the replica. */
export interface PeerHandler {
  /** A message from a member that proved who it is. */
  receive(message: Message): void;
  /** What was sent to the member lately may be lost. */
  unreachable(id: bigint): void;
  /** Opens a file for a snapshot that a member begins to send. */
  openSnapshot(message: SnapMessage): Promise<SnapshotSink>;
  /** The snapshot that was sent to `id` has arrived, or has not. */
  snapshotSent(id: bigint, ok: boolean): void;
  /** The file of the snapshot that `message` names. */
  snapshotFile(message: SnapMessage): string | undefined;
}

/** All wires between this member and the others. */
export class PeerTransport {
  private readonly cluster: Cluster;
  private readonly tls: TlsFiles;
  private readonly log: Logger;
  private readonly handler: PeerHandler;
  private readonly hello: Hello;
  private readonly links = new Map<bigint, PeerLink>();

  constructor(options: { cluster: Cluster; tls: TlsFiles; log: Logger; handler: PeerHandler }) {
    this.cluster = options.cluster;
    this.tls = options.tls;
    this.log = options.log;
    this.handler = options.handler;
    const { self, id } = this.cluster;
    this.hello = { clusterId: id, memberId: self.id, name: self.name };
  }

  /** Dials every other member. */
  start(): void {
    for (const member of this.cluster.members.values()) {
      if (member.id === this.cluster.self.id) continue;
      const onBroken = (): void => this.handler.unreachable(member.id);
      this.links.set(member.id, new PeerLink({ member, hello: this.hello, tls: this.tls, log: this.log, onBroken }));
    }
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
          (error: unknown) => answer({ code: status.FAILED_PRECONDITION, details: errorFrom(error).message }),
        );
      },
    });
  }

  send(message: Message): void {
    if (message.type === "snap") this.sendSnapshot(message);
    else this.links.get(message.to)?.send(message);
  }

  /** Whether what is sent to the member now has a wire to travel on. */
  reaches(id: bigint): boolean {
    return this.links.get(id)?.connected ?? false;
  }

  close(): void {
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }

  private accept(stream: ServerDuplexStream<ConnectRequest, ConnectResponse>): void {
    let sender: bigint | undefined;
    stream.on("error", (error) => this.log.debug("peer stream ended", { err: errorFrom(error) }));
    stream.on("end", () => stream.end());
    stream.on("data", (request: ConnectRequest) => {
      let messages: Message[];
      try {
        if (sender === undefined) {
          sender = this.check(stream, request.hello);
          stream.write({ memberId: this.cluster.self.id });
        }
        messages = request.messages.map(fromWire);
      } catch (error) {
        this.log.warn("peer refused", { err: errorFrom(error) });
        stream.emit("error", { code: status.PERMISSION_DENIED, details: errorFrom(error).message });
        stream.destroy();
        return;
      }
      // Outside of the try: a broken promise of the core is a bug and ends the process, it is no fault of the peer's.
      for (const message of messages) this.deliver(message, sender);
    });
  }

  private deliver(message: Message, sender: bigint): void {
    // Forwarded requests keep their origin's id; everything else speaks for its sender alone.
    if (message.to !== this.cluster.self.id || !this.cluster.members.has(message.from)) return;
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

  /** Throws unless the caller is a member of this cluster and its certificate says the same. */
  private check(
    stream: Pick<ServerReadableStream<unknown, unknown>, "getAuthContext">,
    hello: Hello | undefined,
  ): bigint {
    if (hello === undefined) throw new Error("a peer speaks before it says who it is");
    const member = this.cluster.members.get(hello.memberId);
    if (hello.clusterId !== this.cluster.id) throw new Error(`peer ${hello.name} belongs to another cluster`);
    const subject = stream.getAuthContext()?.sslPeerCertificate?.subject.CN;
    if (member === undefined || member.name !== subject) {
      throw new Error(`the certificate of ${String(subject)} does not make it member ${hello.name}`);
    }
    return member.id;
  }

  private sendSnapshot(message: SnapMessage): void {
    const member = this.cluster.members.get(message.to);
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
