import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type Server, type TLSSocket, createServer } from "node:tls";
import type { TlsFiles } from "./live-identity.ts";

/** A connection that has not finished its TLS handshake by then is not a client. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Connections at once: clients keep one each; the bound keeps strangers from using up our descriptors. */
export const MAX_CONNECTIONS = 8192;

/** The oldest version of TLS that is spoken. */
export const MIN_TLS_VERSION = "TLSv1.2";

/** Has a server show what its files become; connections that there are keep what they began with. */
export function followTls(server: Pick<Server, "setSecureContext">, files: TlsFiles): void {
  files.onChange?.(() => {
    const { ca, cert, key } = files;
    server.setSecureContext({ ca, cert, key, minVersion: MIN_TLS_VERSION });
  });
}

/** What a {@link TlsListener} is made of. */
export interface TlsListenerOptions {
  readonly files: TlsFiles;
  /**
   * What becomes of callers without a certificate of our authority: `refused` in the handshake, or `admitted`, and judged by
   * who answers them (`socket.authorized`), with a sentence.
   */
  readonly strangers: "refused" | "admitted";
  /** Takes a connection whose handshake is done. */
  readonly take: (socket: TLSSocket) => void;
  /** A connection that failed, or did not come to be: everyday life, such as a client that resets it. */
  readonly onProblem: (what: string, error: Error) => void;
  /** {@link HANDSHAKE_TIMEOUT_MS} when left out. */
  readonly handshakeTimeoutMs?: number;
}

/**
 * Takes TLS connections for a gRPC server, which is handed secured ones: gRPC's own can only refuse a stranger in the
 * handshake, takes a certificate of a foreign authority for none, and parses a caller's certificate anew for each call.
 */
export class TlsListener {
  private readonly server: Server;
  /** Open connections by their peer, as gRPC names it. */
  private readonly sockets = new Map<string, TLSSocket>();

  constructor({ files, strangers, take, onProblem, handshakeTimeoutMs }: TlsListenerOptions) {
    const { ca, cert, key } = files;
    this.server = createServer({
      ...{ ca, cert, key, requestCert: true, rejectUnauthorized: strangers === "refused" },
      ...{ minVersion: MIN_TLS_VERSION, ALPNProtocols: ["h2"] },
      handshakeTimeout: handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    });
    followTls(this.server, files);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on("secureConnection", (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      socket.on("error", (error) => onProblem("connection failed", error));
      if (this.sockets.has(peer)) {
        // A caller may use one port towards two addresses of ours: its calls would be taken for those of the other connection.
        onProblem("connection refused", new Error(`${peer} is connected already`));
        socket.destroy();
        return;
      }
      this.sockets.set(peer, socket);
      socket.on("close", () => this.sockets.delete(peer));
      socket.setNoDelay(true);
      keepCertificate(socket);
      take(socket);
    });
    this.server.on("tlsClientError", (error, socket) => {
      onProblem("tls handshake failed", error);
      // Node only tells of a handshake that takes too long; who listens ends it.
      socket.destroy();
    });
  }

  /** The connection of a peer, `address:port`; undefined when it has gone. */
  socketOf(peer: string): TLSSocket | undefined {
    return this.sockets.get(peer);
  }

  /** Starts to listen; the answer is the port, of interest when 0 was asked. */
  async listen(port: number, address: string): Promise<number> {
    this.server.listen(port, address);
    await once(this.server, "listening");
    return (this.server.address() as AddressInfo).port;
  }

  /** Takes no new connections; those that there are stay. */
  close(): void {
    this.server.close();
  }

  /** Ends the connections that there are. */
  cut(): void {
    for (const socket of this.sockets.values()) socket.destroy();
  }
}

/** A connection's certificate never changes: TLS 1.3 has no renegotiation, and Node refuses to verify a client twice. */
function keepCertificate(socket: TLSSocket): void {
  const certificate = socket.getPeerCertificate();
  socket.getPeerCertificate = (() => certificate) as TLSSocket["getPeerCertificate"];
}
