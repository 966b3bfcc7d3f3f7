// Two ways to speak etcd's KV service. Both keep a few connections, as etcd's own clients do.
import { connect } from "node:http2";
import { type ChannelCredentials, type ServiceError, credentials } from "@grpc/grpc-js";
import { KVClient, PutRequest, RangeRequest } from "@trireme/proto/etcdserverpb/rpc";
import { type Dialect, type Operation, type Target, VALUE, keyOf } from "./jobs.ts";

const MAX_CONNECTIONS = 4;
/** A name that the servers' certificates hold: TLS knows no addresses in its greeting. */
const SERVER_NAME = "localhost";
export const CHANNEL_OPTIONS = { "grpc.use_local_subchannel_pool": 1, "grpc.ssl_target_name_override": SERVER_NAME };
/** Keys that are written over and over. */
const KEYS = 1_000;

/** Sends the next request on behalf of a client; rejects on anything but an answer. */
export interface Speaker {
  send(client: number): Promise<void>;
  close(): void;
}

export function channelCredentials({ ca, cert, key }: Target): ChannelCredentials {
  return credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
}

export function createSpeaker(dialect: Dialect, target: Target, operation: Operation, clients: number): Speaker {
  const connections = Math.min(clients, MAX_CONNECTIONS);
  return dialect === "grpc-js" ? grpcJs(target, operation, connections) : http2(target, operation, connections);
}

const putRequest = (n: number): PutRequest => PutRequest.fromPartial({ key: keyOf(n % KEYS), value: VALUE });
const rangeRequest = (n: number, operation: Operation): RangeRequest =>
  RangeRequest.fromPartial({ key: keyOf(n % KEYS), serializable: operation === "get-serializable" });

/** Each request is made and encoded when it is sent. */
function grpcJs(target: Target, operation: Operation, connections: number): Speaker {
  const channels = Array.from(
    { length: connections },
    () => new KVClient(target.endpoint, channelCredentials(target), CHANNEL_OPTIONS),
  );
  let next = 0;
  return {
    send: (client) =>
      new Promise((resolve, reject) => {
        const kv = channels[client % connections]!;
        const done = (error: ServiceError | null): void => (error === null ? resolve() : reject(error));
        if (operation === "put") kv.put(putRequest(next++), done);
        else kv.range(rangeRequest(next++, operation), done);
      }),
    close: () => channels.forEach((kv) => kv.close()),
  };
}

const FRAME_HEADER_BYTES = 5;

/** A gRPC message: not compressed, its length, itself. */
function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/** Every request lies ready as bytes, and answers are not looked into beyond their status. */
function http2(target: Target, operation: Operation, connections: number): Speaker {
  const { endpoint, ca, cert, key } = target;
  const sessions = Array.from({ length: connections }, () =>
    connect(`https://${endpoint}`, { ca, cert, key, servername: SERVER_NAME }),
  );
  const bodies = Array.from({ length: KEYS }, (_, n) =>
    framed(
      operation === "put"
        ? PutRequest.encode(putRequest(n)).finish()
        : RangeRequest.encode(rangeRequest(n, operation)).finish(),
    ),
  );
  const headers = {
    ":method": "POST",
    ":path": `/etcdserverpb.KV/${operation === "put" ? "Put" : "Range"}`,
    "content-type": "application/grpc",
    te: "trailers",
  };
  let next = 0;
  return {
    send: (client) =>
      new Promise((resolve, reject) => {
        const stream = sessions[client % connections]!.request(headers);
        let status: unknown;
        const look = (seen: Record<string, unknown>): void => void (status = seen["grpc-status"] ?? status);
        stream.on("response", look).on("trailers", look).once("error", reject);
        stream.once("close", () => (status === "0" ? resolve() : reject(new Error(`grpc-status ${String(status)}`))));
        stream.resume();
        stream.end(bodies[next++ % KEYS]);
      }),
    close: () => sessions.forEach((session) => session.destroy()),
  };
}
