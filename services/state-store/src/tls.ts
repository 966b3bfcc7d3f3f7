import { readFileSync } from "node:fs";
import path from "node:path";
import { type ChannelCredentials, ServerCredentials, credentials } from "@grpc/grpc-js";

/** A certificate, its key, and the authority that both sides must have. */
export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What the store needs from its host's PKI directory. */
export interface StoreTls {
  readonly client: TlsFiles;
  readonly peer: TlsFiles;
}

export function readStoreTls(pkiDir: string): StoreTls {
  const read = (name: string): Buffer => readFileSync(path.join(pkiDir, name));
  return {
    client: { ca: read("store-ca.crt"), cert: read("store-server.crt"), key: read("store-server.key") },
    peer: { ca: read("peer-ca.crt"), cert: read("peer.crt"), key: read("peer.key") },
  };
}

/** Callers without a certificate of our authority do not get past the handshake. */
export function serverCredentials(tls: TlsFiles): ServerCredentials {
  return ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.cert, private_key: tls.key }], true);
}

export function channelCredentials(tls: TlsFiles): ChannelCredentials {
  return credentials.createSsl(tls.ca, tls.key, tls.cert);
}
