import { Metadata, type ServerErrorResponse, type StatusObject, status } from "@grpc/grpc-js";
import type { PeerCertificate } from "node:tls";
import { type Clock, type ErrorCode, TriremeError, errorFrom } from "@trireme/base";
import { statusOf } from "@trireme/api";
import type { Logger } from "@trireme/telemetry";
import { userOfCertificate } from "../auth/client-certificate.ts";
import { parseFence } from "../auth/fence.ts";
import type { TlsFiles } from "../http/server.ts";
import type { ApiMetrics } from "../metrics.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { Caller } from "../pipeline/request.ts";

/** What the gRPC door needs. */
export interface GrpcParts {
  readonly pipeline: RequestPipeline;
  readonly tls: TlsFiles;
  readonly log: Logger;
  readonly metrics: ApiMetrics;
  readonly clock: Clock;
}

/** Who calls: the client certificate, verified by the handshake, and the metadata that REST takes as headers. */
export function callerOf(call: {
  readonly metadata: Metadata;
  getAuthContext(): { sslPeerCertificate?: PeerCertificate } | null;
}): Caller {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  if (certificate === undefined)
    throw new TriremeError("Unauthorized", "Unauthorized: a client certificate is required");
  const text = (key: string): string | undefined => call.metadata.get(key)[0]?.toString();
  return {
    user: userOfCertificate(certificate),
    fence: parseFence(text("trireme-fence")),
    userAgent: text("user-agent"),
  };
}

const GRPC_CODE: Readonly<Record<ErrorCode, number>> = {
  BadRequest: status.INVALID_ARGUMENT,
  Unauthorized: status.UNAUTHENTICATED,
  Forbidden: status.PERMISSION_DENIED,
  NotFound: status.NOT_FOUND,
  AlreadyExists: status.ALREADY_EXISTS,
  Conflict: status.ABORTED,
  Fenced: status.FAILED_PRECONDITION,
  Gone: status.OUT_OF_RANGE,
  Expired: status.OUT_OF_RANGE,
  Invalid: status.INVALID_ARGUMENT,
  MethodNotAllowed: status.UNIMPLEMENTED,
  NotAcceptable: status.INVALID_ARGUMENT,
  UnsupportedMediaType: status.INVALID_ARGUMENT,
  RequestEntityTooLarge: status.RESOURCE_EXHAUSTED,
  TooManyRequests: status.RESOURCE_EXHAUSTED,
  InternalError: status.INTERNAL,
  BadGateway: status.INTERNAL,
  ServiceUnavailable: status.UNAVAILABLE,
  Timeout: status.DEADLINE_EXCEEDED,
  NotLeader: status.UNAVAILABLE,
  Cancelled: status.CANCELLED,
  Unknown: status.UNKNOWN,
};

/** An error as gRPC carries it: the reason in the trailer `trireme-reason`, the Status in `trireme-status-bin`. */
export function toGrpcError(thrown: unknown): ServerErrorResponse & Partial<StatusObject> {
  const error = errorFrom(thrown);
  const metadata = new Metadata();
  metadata.set("trireme-reason", error.code);
  metadata.set("trireme-status-bin", Buffer.from(JSON.stringify(statusOf(error))));
  return { name: error.code, message: error.message, code: GRPC_CODE[error.code], details: error.message, metadata };
}
