import { once } from "node:events";
import { type Server as TlsServer, type TLSSocket, createServer } from "node:tls";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "@trireme/telemetry";
import { type TlsFiles, followTls } from "./tls.ts";

/** How long calls may take to end when the member stops. */
const DRAIN_MS = 500;

/**
 * The TLS connections of a gRPC server. Callers without a certificate of our authority do not get past the handshake. It is
 * ours and not grpc-js's own because that has a caller's certificate parsed anew for each call, which costs more than a put.
 */
export class TlsListener {
  private readonly server: Server;
  private readonly tls: TlsServer;
  private readonly sockets = new Set<TLSSocket>();

  constructor(server: Server, files: TlsFiles, log: Logger) {
    this.server = server;
    // The listener does the TLS; what is injected is a secured connection.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const { ca, cert, key } = files;
    this.tls = createServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] });
    followTls(this.tls, files);
    this.tls.on("secureConnection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
      // A client that resets its connection is everyday life.
      socket.on("error", (err) => log.debug("connection failed", { err }));
      socket.setNoDelay(true);
      keepCertificate(socket);
      injector.injectConnection(socket);
    });
    this.tls.on("tlsClientError", (err) => log.debug("tls handshake failed", { err }));
  }

  async listen(port: number, address: string): Promise<void> {
    this.tls.listen(port, address);
    await once(this.tls, "listening");
  }

  /** Takes nothing new, lets calls under way end, and cuts them after {@link DRAIN_MS}. */
  async close(): Promise<void> {
    this.tls.close();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MS);
      this.server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A connection's certificate never changes: TLS 1.3 has no renegotiation, and Node refuses to verify a client twice. */
function keepCertificate(socket: TLSSocket): void {
  const certificate = socket.getPeerCertificate();
  socket.getPeerCertificate = (() => certificate) as TLSSocket["getPeerCertificate"];
}
