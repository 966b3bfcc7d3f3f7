import { status as grpcStatus } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { TriremeError } from "@trireme/base";
import type { ErrorCode } from "@trireme/base";

/** Told of every finished call: the operation in kubelet's words (`run_podsandbox`), its seconds and how it ended. */
export type CallObserver = (operation: string, seconds: number, failed: boolean) => void;

const CODES: Readonly<Record<number, ErrorCode>> = {
  [grpcStatus.CANCELLED]: "Cancelled",
  [grpcStatus.INVALID_ARGUMENT]: "BadRequest",
  [grpcStatus.DEADLINE_EXCEEDED]: "Timeout",
  [grpcStatus.NOT_FOUND]: "NotFound",
  [grpcStatus.ALREADY_EXISTS]: "AlreadyExists",
  [grpcStatus.PERMISSION_DENIED]: "Forbidden",
  [grpcStatus.RESOURCE_EXHAUSTED]: "TooManyRequests",
  [grpcStatus.FAILED_PRECONDITION]: "Conflict",
  [grpcStatus.UNIMPLEMENTED]: "MethodNotAllowed",
  [grpcStatus.UNAVAILABLE]: "ServiceUnavailable",
};

/** Maps what the runtime answered to our error type; the runtime's own sentence is kept, since it names the cause. */
export function fromServiceError(error: ServiceError): TriremeError {
  return new TriremeError(CODES[error.code] ?? "InternalError", error.details || error.message, { cause: error });
}
