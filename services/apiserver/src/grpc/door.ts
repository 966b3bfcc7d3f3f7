import { Server, ServerCredentials } from "@grpc/grpc-js";
import { TlsListener } from "@trireme/pki";
import { HealthService as HealthDefinition } from "@trireme/proto/grpc/health/v1/health";
import { ServerReflectionService as ReflectionV1 } from "@trireme/proto/grpc/reflection/v1/reflection";
import { ServerReflectionService as ReflectionV1Alpha } from "@trireme/proto/grpc/reflection/v1alpha/reflection";
import { ManifestServiceService } from "@trireme/proto/trireme/api/v1/manifest";
import { MAX_BODY_BYTES } from "../http/body.ts";
import { Callers, type GrpcParts } from "./call.ts";
import { HealthService } from "./health.ts";
import { manifestService } from "./manifest-service.ts";
import { reflectionHandler, servicesOf } from "./reflection.ts";
import { CallServer } from "./serving.ts";

/** Room for a message's envelope around the largest body. */
const MAX_MESSAGE_BYTES = MAX_BODY_BYTES + 64 * 1024;

/** Answers may hold a list of many objects; grpc's own 4 MiB would cut lists of a thousand pods. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Calls at once on one connection, as on the REST side. */
const MAX_CALLS_PER_CONNECTION = 250;

/** A client that is silent for so long is asked whether it lives, so that its watches do not outlast it by hours. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

/** What this server serves, as reflection lists it. */
const SERVED = ["trireme.api.", "grpc."];

/** `trireme.api.v1` over TLS: the REST door's pipeline for clients that want streams and batches. */
export class GrpcDoor {
  private readonly server: Server;
  private readonly listener: TlsListener;
  private readonly calls: CallServer;
  private readonly health: HealthService;

  constructor(parts: GrpcParts) {
    this.server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_ANSWER_BYTES,
      "grpc.max_concurrent_streams": MAX_CALLS_PER_CONNECTION,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
    });
    // The listener does the TLS; what is injected is a secured connection.
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.listener = new TlsListener({
      files: parts.tls,
      // A token needs no certificate, and a wrong one deserves a sentence, as at the REST door: who answers the call judges.
      strangers: "admitted",
      take: (socket) => injector.injectConnection(socket),
      onProblem: (what, err) => parts.log.debug(what, { err }),
    });
    this.calls = new CallServer(parts, new Callers(parts, this.listener));
    const services = servicesOf(SERVED);
    this.health = new HealthService(parts, services);
    this.server.addService(ManifestServiceService, manifestService(parts.pipeline, this.calls));
    this.server.addService(HealthDefinition, this.health.handlers());
    const serverReflectionInfo = reflectionHandler(services, this.calls);
    this.server.addService(ReflectionV1, { serverReflectionInfo });
    this.server.addService(ReflectionV1Alpha, { serverReflectionInfo });
  }

  async listen(port: number, address: string): Promise<number> {
    return this.listener.listen(port, address);
  }

  /** Takes nothing new, tells streams to go elsewhere, lets calls under way end, and cuts them after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.listener.close();
    this.health.close();
    this.calls.stop();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.server.forceShutdown(), graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
