import { once } from "node:events";
import type { Hello } from "@trireme/proto/trireme/raft/v1/raft";
import { PeerServiceClient } from "@trireme/proto/trireme/raft/v1/raft";
import type { SnapMessage } from "@trireme/raft";
import type { MemberInfo } from "@trireme/mvcc";
import { peerAddressOf } from "../cluster.ts";
import { filePieces } from "../snapshot/snapshot-file.ts";
import { type TlsFiles, channelCredentials } from "../tls.ts";
import { toWire } from "./codec.ts";
import { PEER_CHANNEL_OPTIONS, identityOptions } from "./link.ts";

/** Ten minutes: 1 GiB over 2 MB/s. Keep-alive notices a dead peer long before. */
const SEND_TIMEOUT_MS = 600_000;

/** Where an arriving snapshot goes. */
export interface SnapshotSink {
  push(piece: Uint8Array): Promise<void>;
  /** Checks, makes durable, and hands the message to the core. */
  finish(): Promise<void>;
  abandon(): Promise<void>;
}

/** Streams one snapshot file to a member over a connection of its own. Resolves when the receiver has it durable. */
export async function sendSnapshot(options: {
  readonly member: MemberInfo;
  readonly hello: Hello;
  readonly tls: TlsFiles;
  readonly message: SnapMessage;
  readonly file: string;
}): Promise<void> {
  const { member, hello, message } = options;
  const client = new PeerServiceClient(peerAddressOf(member), channelCredentials(options.tls), {
    ...PEER_CHANNEL_OPTIONS,
    ...identityOptions(member),
  });
  try {
    let settle: (error: Error | null) => void = () => undefined;
    const answered = new Promise<void>((resolve, reject) => {
      settle = (error) => (error === null ? resolve() : reject(error));
    });
    // Handled below; until then a failure is only remembered.
    answered.catch(() => undefined);
    const failed = new AbortController();
    const stream = client.sendSnapshot({ deadline: Date.now() + SEND_TIMEOUT_MS }, (error) => {
      settle(error);
      failed.abort();
    });
    stream.on("error", settle);
    let first = true;
    for await (const data of filePieces(options.file)) {
      if (failed.signal.aborted) break;
      const piece = first ? { hello, message: toWire(message), data } : { hello: undefined, message: undefined, data };
      first = false;
      if (!stream.write(piece)) {
        await Promise.race([once(stream, "drain"), answered]);
      }
    }
    stream.end();
    await answered;
  } finally {
    client.close();
  }
}
