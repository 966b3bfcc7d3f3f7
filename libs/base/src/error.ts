/**
 * The one error type for expected failures. `code` is a Kubernetes status reason (apimachinery `meta/v1` `StatusReason`)
 * or one of ours; callers branch on `code`, never on `instanceof`, since a bundle may hold two copies of this class.
 */
export type ErrorCode =
  | "BadRequest"
  | "Unauthorized"
  | "Forbidden"
  | "NotFound"
  | "AlreadyExists"
  | "Conflict"
  | "Fenced"
  | "Gone"
  | "Expired"
  | "Invalid"
  | "MethodNotAllowed"
  | "NotAcceptable"
  | "UnsupportedMediaType"
  | "RequestEntityTooLarge"
  | "TooManyRequests"
  | "InternalError"
  /** What stands behind us (a node's agent) answered what it never should, or nothing. */
  | "BadGateway"
  | "ServiceUnavailable"
  | "Timeout"
  | "NotLeader"
  | "Cancelled"
  /** The request was sent and no answer came: it may or may not have taken effect. Never retried blindly. */
  | "Unknown";

/** One reason inside an error, e.g. one invalid field. `field` is a Kubernetes field path such as `spec.replicas`. */
export interface ErrorCause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** Structured context that travels with an error over HTTP and gRPC. */
export interface ErrorDetails {
  readonly group?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly causes?: readonly ErrorCause[];
  readonly retryAfterSeconds?: number;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set(["TooManyRequests", "ServiceUnavailable", "Timeout", "NotLeader"]);

/** An expected failure with a code that maps to one HTTP status and one gRPC status. */
export class TriremeError extends Error {
  override readonly name = "TriremeError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: ErrorDetails } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Whether the same request may succeed later; `Unknown` is not retryable, since it may already have happened. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

/** Turns anything thrown into a {@link TriremeError}; errors of ours (also from another copy of the class) pass through. */
export function errorFrom(thrown: unknown, fallback: ErrorCode = "InternalError"): TriremeError {
  if (thrown instanceof TriremeError) return thrown;
  if (thrown instanceof Error) {
    const other = thrown as Error & { code?: unknown; details?: unknown };
    if (thrown.name === "TriremeError" && typeof other.code === "string") {
      return new TriremeError(other.code as ErrorCode, thrown.message, {
        cause: thrown,
        details: (other.details ?? {}) as ErrorDetails,
      });
    }
    return new TriremeError(fallback, thrown.message, { cause: thrown });
  }
  return new TriremeError(fallback, String(thrown));
}

/** Whether `thrown` carries this code, whichever copy of the class made it. */
export function hasCode(thrown: unknown, code: ErrorCode): boolean {
  return typeof thrown === "object" && thrown !== null && (thrown as { code?: unknown }).code === code;
}
