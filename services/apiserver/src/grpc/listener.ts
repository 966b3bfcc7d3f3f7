import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type Server, type TLSSocket, createServer } from "node:tls";
import type { Logger } from "@trireme/telemetry";
import { type TlsFiles, followTls } from "../http/server.ts";

/** A connection that has not finished its TLS handshake by then is not a client. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Connections at once, as on the REST side. */
const MAX_CONNECTIONS = 8192;

/**
 * Takes TLS connections for gRPC. It asks for a client certificate and leaves the judgement to who answers the call, as
 * the REST door does: a token needs none, and a wrong one deserves a sentence. gRPC's own server can only refuse the
 * handshake, and would take a certificate of a foreign CA for none.
 */
export class TlsListener {
  private readonly server: Server;
  /** Open connections by their peer, as gRPC names it. */
  private readonly sockets = new Map<string, TLSSocket>();

  constructor(tls: TlsFiles, take: (socket: TLSSocket) => void, log: Logger) {
    const { ca, cert, key } = tls;
    this.server = createServer({
      ca,
      cert,
      key,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["h2"],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    followTls(this.server, tls);
    this.server.maxConnections = MAX_CONNECTIONS;
    this.server.on("secureConnection", (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      socket.setNoDelay(true);
      this.sockets.set(peer, socket);
      socket.on("close", () => this.sockets.delete(peer));
      // A client that resets its connection is everyday life.
      socket.on("error", (error) => log.debug("connection failed", { err: error }));
      take(socket);
    });
    this.server.on("tlsClientError", (error) => log.debug("tls handshake failed", { err: error }));
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
}
