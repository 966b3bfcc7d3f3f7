import { isIP } from "node:net";
import { type PeerCertificate, checkServerIdentity } from "node:tls";
import { type ChannelCredentials, type ChannelOptions, credentials } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";

/** Who calls: a client certificate (PEM), a bearer token, or a function that answers the token of the moment. */
export type Identity =
  | { readonly cert: string | Buffer; readonly key: string | Buffer; readonly token?: undefined }
  | { readonly token: string | (() => string); readonly cert?: undefined; readonly key?: undefined };

/** How to reach one server. */
export interface Channel {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/**
 * Room for an answer: the server's own bound. What is larger has to be listed in pages.
 */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * A server that was cut off or froze sends no reset: it is asked whether it lives, and counts as dead after three
 * seconds. One that comes back is tried again within a second, not after the minutes that gRPC would wait.
 */
const CHANNEL: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
  "grpc.keepalive_time_ms": 2000,
  "grpc.keepalive_timeout_ms": 1000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  // What may be repeated is decided here, by what a call does.
  "grpc.enable_retries": 0,
};

/** What TLS is told instead of an address, which it knows no names for; the certificate is held against the address. */
const SERVER_NAME = "kubernetes";

/** Options of the channel to a server, `host:port`. */
export function channelTo(address: string, ca: string | Buffer, identity: Identity): Channel {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  const port = Number(address.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port) || port < 1) {
    throw new TriremeError("BadRequest", `${JSON.stringify(address)} is not host:port`);
  }
  const { cert, key } = identity;
  const isAddress = isIP(host) !== 0;
  const verify = isAddress
    ? { checkServerIdentity: (_name: string, certificate: PeerCertificate) => checkServerIdentity(host, certificate) }
    : {};
  return {
    credentials:
      cert === undefined || key === undefined
        ? credentials.createSsl(Buffer.from(ca), null, null, verify)
        : credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), verify),
    options: isAddress ? { ...CHANNEL, "grpc.ssl_target_name_override": SERVER_NAME } : CHANNEL,
  };
}
