import { type Metadata, status } from "@grpc/grpc-js";
import { type ErrorCause, type ErrorCode, type ErrorDetails, TriremeError } from "@trireme/base";
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from "@trireme/proto/google/rpc/error_details";
import { Status } from "@trireme/proto/google/rpc/status";

/** One field that is wrong. */
export interface FieldViolation {
  /** A path such as `spec.replicas`. */
  readonly field: string;
  readonly message: string;
}

/** The object that an error is about. */
export interface ErrorResource {
  /** Plural and group, e.g. `deployments.apps`. */
  readonly type: string;
  readonly name: string;
}

/** The part of gRPC's error that is read. */
export interface CallFailure {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** What gRPC's codes mean when nobody gives a reason: no apiserver answered, or something in between did. */
const CODE_WITHOUT_REASON: Readonly<Record<number, ErrorCode>> = {
  [status.CANCELLED]: "Cancelled",
  [status.INVALID_ARGUMENT]: "BadRequest",
  [status.DEADLINE_EXCEEDED]: "Timeout",
  [status.NOT_FOUND]: "NotFound",
  [status.PERMISSION_DENIED]: "Forbidden",
  [status.RESOURCE_EXHAUSTED]: "RequestEntityTooLarge",
  [status.UNIMPLEMENTED]: "MethodNotAllowed",
  [status.INTERNAL]: "InternalError",
  [status.UNAVAILABLE]: "ServiceUnavailable",
  [status.UNAUTHENTICATED]: "Unauthorized",
};

/**
 * A call that failed. `code` is the Kubernetes reason, such as `NotFound`, `Conflict`, `Invalid`, `Forbidden` or
 * `Expired`; `Unknown` means that a write was sent and no answer came: read before you repeat it.
 */
export class StatusError extends TriremeError {
  /** gRPC's own code. */
  readonly grpcCode: number;
  /** Whether an apiserver said so, rather than the connection to it. */
  readonly answered: boolean;
  /** The fields that are wrong, of an `Invalid` or `BadRequest`. */
  readonly fields: readonly FieldViolation[];
  readonly resource: ErrorResource | undefined;
  /** When the same call may succeed, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    more: {
      readonly grpcCode: number;
      readonly answered?: boolean;
      readonly fields?: readonly FieldViolation[];
      readonly resource?: ErrorResource | undefined;
      readonly retryAfterMs?: number | undefined;
      readonly cause?: unknown;
      readonly details?: ErrorDetails;
    },
  ) {
    super(code, message, {
      ...(more.cause === undefined ? {} : { cause: more.cause }),
      ...(more.details === undefined ? {} : { details: more.details }),
    });
    this.grpcCode = more.grpcCode;
    this.answered = more.answered ?? false;
    this.fields = more.fields ?? [];
    this.resource = more.resource;
    this.retryAfterMs = more.retryAfterMs;
  }

  /** The Kubernetes reason; the same as `code`. */
  get reason(): ErrorCode {
    return this.code;
  }
}

/** Reads an error of gRPC, with the details that an apiserver puts into its trailers. Pure. */
export function errorFromCall(failure: CallFailure, what: string): StatusError {
  const { code: grpcCode, details: text } = failure;
  const [bytes] = failure.metadata?.get("grpc-status-details-bin") ?? [];
  const details = Buffer.isBuffer(bytes) ? Status.decode(bytes).details : [];
  const find = (name: string): Buffer | undefined =>
    details.find((one) => one.typeUrl.endsWith(`/google.rpc.${name}`))?.value;
  const info = find("ErrorInfo");
  if (info === undefined) {
    const code = CODE_WITHOUT_REASON[grpcCode] ?? "Unknown";
    return new StatusError(code, `${what}: ${text}`, { grpcCode, cause: failure });
  }
  const violations = find("BadRequest");
  const fields = violations === undefined ? [] : BadRequest.decode(violations).fieldViolations;
  const about = find("ResourceInfo");
  const resource = about === undefined ? undefined : ResourceInfo.decode(about);
  const retry = find("RetryInfo");
  const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
  const retryAfterMs = delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
  const causes = fields.map(({ field, description, reason }): ErrorCause => ({ field, message: description, reason }));
  return new StatusError(ErrorInfo.decode(info).reason as ErrorCode, text, {
    grpcCode,
    answered: true,
    fields: fields.map(({ field, description }) => ({ field, message: description })),
    resource: resource === undefined ? undefined : { type: resource.resourceType, name: resource.resourceName },
    retryAfterMs,
    cause: failure,
    details: {
      ...(causes.length === 0 ? {} : { causes }),
      ...(resource === undefined ? {} : { name: resource.resourceName }),
    },
  });
}

/** The parts of a Status, or of an ErrorStatus, that say what went wrong. */
export interface StatusLike {
  readonly reason?: string;
  readonly message?: string;
  readonly code?: number;
}

/** An error that came as data: in a watch's ERROR event, or of one object of a manifest. Pure. */
export function errorFromStatus({ reason, message, code }: StatusLike): StatusError {
  const known = (reason === undefined || reason === "" ? "InternalError" : reason) as ErrorCode;
  return new StatusError(known, message ?? `the server answered ${code}`, { grpcCode: status.UNKNOWN, answered: true });
}

/**
 * Whether the connection or the server failed rather than the request: another server may answer. gRPC tells of a
 * connection that broke under a call in several codes, and of all of them no apiserver says so itself.
 */
export function isBroken(error: StatusError): boolean {
  if (error.answered) return error.code === "ServiceUnavailable" || error.code === "NotLeader";
  return BROKEN.has(error.grpcCode);
}

const BROKEN: ReadonlySet<number> = new Set([status.UNAVAILABLE, status.INTERNAL, status.CANCELLED, status.UNKNOWN]);
