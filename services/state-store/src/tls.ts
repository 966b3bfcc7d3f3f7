import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { TriremeError } from "@trireme/base";
import { LiveIdentity, type TlsFiles } from "@trireme/pki";

export type { TlsFiles } from "@trireme/pki";

/** What the store needs from its host's PKI directory. */
export interface StoreTls {
  readonly client: TlsFiles;
  readonly peer: TlsFiles;
}

/** Follows the files: what is renewed counts from the next connection on. What is wrong with them later goes to `onProblem`. */
export function readStoreTls(dir: string, onProblem: (error: TriremeError) => void): StoreTls {
  return {
    client: new LiveIdentity({ dir, name: "store-server", ca: "store-ca" }, onProblem),
    peer: new LiveIdentity({ dir, name: "peer", ca: "peer-ca" }, onProblem),
  };
}

export function channelCredentials(tls: TlsFiles): ChannelCredentials {
  return credentials.createSsl(tls.ca, tls.key, tls.cert);
}
