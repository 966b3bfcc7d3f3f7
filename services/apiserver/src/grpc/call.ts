import type { Metadata } from "@grpc/grpc-js";
import { type Clock, TriremeError } from "@trireme/base";
import type { TlsFiles, TlsListener } from "@trireme/pki";
import type { Logger } from "@trireme/telemetry";
import type { Authenticator } from "../auth/authenticator.ts";
import { parseFence } from "../auth/fence.ts";
import { requestedUser } from "../auth/impersonation.ts";
import { ANONYMOUS } from "../auth/user.ts";
import type { Readiness } from "../http/health.ts";
import type { Lanes } from "../lanes.ts";
import type { ApiMetrics } from "../metrics.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { Caller } from "../pipeline/request.ts";

/** What the gRPC door needs. */
export interface GrpcParts {
  readonly authenticator: Authenticator;
  readonly pipeline: RequestPipeline;
  readonly readiness: Readiness;
  readonly lanes: Lanes;
  readonly tls: TlsFiles;
  readonly log: Logger;
  readonly metrics: ApiMetrics;
  readonly clock: Clock;
}

/** The part of a call that says who makes it. */
export interface Asked {
  readonly metadata: Metadata;
  getPeer(): string;
}

/** Tells who calls, by what REST takes too: the connection's certificate or a bearer token, and whom it wants to be. */
export class Callers {
  private readonly parts: Pick<GrpcParts, "authenticator" | "pipeline">;
  private readonly listener: Pick<TlsListener, "socketOf">;

  constructor(parts: Pick<GrpcParts, "authenticator" | "pipeline">, listener: Pick<TlsListener, "socketOf">) {
    this.parts = parts;
    this.listener = listener;
  }

  /** Throws Unauthorized for who shows nothing, or what proves nothing; Forbidden for who may not be whom it wants to be. */
  async of(call: Asked): Promise<Caller> {
    const text = (key: string): string | undefined => call.metadata.get(key)[0]?.toString();
    const socket = this.listener.socketOf(call.getPeer());
    if (socket === undefined) throw new TriremeError("Cancelled", "the connection is gone");
    const user = await this.parts.authenticator.userOf(socket, text("authorization"));
    if (user === ANONYMOUS) throw unauthorized();
    const caller = { user, fence: parseFence(text("trireme-fence")), userAgent: text("user-agent") };
    const actsAs = requestedUser((name) => call.metadata.get(name).map(String));
    return actsAs === undefined ? caller : await this.parts.pipeline.actAs(caller, actsAs);
  }
}

function unauthorized(): TriremeError {
  return new TriremeError(
    "Unauthorized",
    "Unauthorized: this server asks for a client certificate of the cluster's CA, or for a ServiceAccount's token " +
      "in the metadata `authorization: Bearer <token>`",
  );
}
