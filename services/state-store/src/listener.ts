import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { type TlsFiles, TlsListener } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";

/** How long calls may take to end when the member stops. */
const DRAIN_MS = 500;

/** A gRPC server behind TLS: callers without a certificate of our authority do not get past the handshake. */
export class GrpcListener {
  private readonly server: Server;
  private readonly tls: TlsListener;

  constructor(server: Server, files: TlsFiles, log: Logger) {
    this.server = server;
    // The listener does the TLS; what is injected is a secured connection.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    this.tls = new TlsListener({
      files,
      strangers: "refused",
      take: (socket) => injector.injectConnection(socket),
      onProblem: (what, err) => log.debug(what, { err }),
    });
  }

  async listen(port: number, address: string): Promise<void> {
    await this.tls.listen(port, address);
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
    this.tls.cut();
  }
}
