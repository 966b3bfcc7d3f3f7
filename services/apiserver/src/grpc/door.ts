import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ManifestServiceService } from "@trireme/proto/trireme/api/v1/manifest";
import { MAX_BODY_BYTES } from "../http/body.ts";
import type { TlsFiles } from "../http/server.ts";
import type { GrpcParts } from "./call.ts";
import { manifestService } from "./manifest-service.ts";

/** Room for a message's envelope around the largest body. */
const MAX_MESSAGE_BYTES = MAX_BODY_BYTES + 64 * 1024;

/** Answers may hold a list of many objects; grpc's own 4 MiB would cut lists of a thousand pods. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** Calls at once on one connection, as on the REST side. */
const MAX_CALLS_PER_CONNECTION = 250;

/** `trireme.api.v1` over mutual TLS: the REST door's pipeline for clients that want streams and batches. */
export class GrpcDoor {
  private readonly server: Server;
  private readonly tls: TlsFiles;

  constructor(parts: GrpcParts) {
    this.tls = parts.tls;
    this.server = new Server({
      "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
      "grpc.max_send_message_length": MAX_ANSWER_BYTES,
      "grpc.max_concurrent_streams": MAX_CALLS_PER_CONNECTION,
    });
    this.server.addService(ManifestServiceService, manifestService(parts));
  }

  async listen(port: number, address: string): Promise<number> {
    const { ca, cert, key } = this.tls;
    const credentials = ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], true);
    return new Promise((resolve, reject) => {
      this.server.bindAsync(`${address}:${port}`, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
  }

  /** Lets calls under way end, and cuts them after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.server.forceShutdown(), graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
