import { status } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import type { SessionError } from "@trireme/proto/trireme/store/v1/session";

/** etcd's text for history that is gone. */
export const COMPACTED = "etcdserver: mvcc: required revision has been compacted";

/** The error of one request, as its caller sees it. */
export function fromSessionError(error: SessionError): TriremeError {
  if (error.unknownOutcome) return new TriremeError("Unknown", error.message);
  if (error.message === COMPACTED) return new TriremeError("Expired", error.message);
  if (error.message === "etcdserver: request is too large") {
    return new TriremeError("RequestEntityTooLarge", error.message);
  }
  switch (error.code as status) {
    case status.UNAVAILABLE:
      return new TriremeError(error.message.includes("timed out") ? "Timeout" : "ServiceUnavailable", error.message);
    case status.PERMISSION_DENIED:
      return new TriremeError("Forbidden", error.message);
    case status.RESOURCE_EXHAUSTED:
      return new TriremeError("TooManyRequests", error.message);
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
    case status.UNIMPLEMENTED:
      return new TriremeError("BadRequest", error.message);
    case status.NOT_FOUND:
      return new TriremeError("NotFound", error.message);
    default:
      return new TriremeError("InternalError", error.message);
  }
}

/** The error of a stream or unary call that failed as a whole. */
export function fromServiceError(error: { code?: number; details?: string; message: string }): TriremeError {
  return fromSessionError({ code: error.code ?? 2, message: error.details ?? error.message, unknownOutcome: false });
}
