import { Metadata, type ServerErrorResponse, type StatusObject, status } from "@grpc/grpc-js";
import { type ErrorCode, type TriremeError, errorFrom } from "@trireme/base";
import { statusOf } from "@trireme/api";
import type { Any } from "@trireme/proto/google/protobuf/any";
import { BadRequest, ErrorInfo, ResourceInfo, RetryInfo } from "@trireme/proto/google/rpc/error_details";
import { Status } from "@trireme/proto/google/rpc/status";

/** Whose reasons an ErrorInfo names. */
const DOMAIN = "trireme.dev";

/**
 * Everything about an error travels in trailers, which clients take up to 8 KiB of, and bytes grow by a third in them: so
 * each part has a bound. What is cut here is whole by REST.
 */
const MAX_MESSAGE = 1024;
const MAX_VIOLATIONS = 8;
const MAX_DESCRIPTION = 256;
const MAX_STATUS_BYTES = 2048;

/** When to come back, for errors that pass by themselves and say no time. */
const RETRY_SECONDS = 1;

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
  ServiceUnavailable: status.UNAVAILABLE,
  Timeout: status.DEADLINE_EXCEEDED,
  NotLeader: status.UNAVAILABLE,
  Cancelled: status.CANCELLED,
  BadGateway: status.INTERNAL,
  Unknown: status.UNKNOWN,
};

/**
 * An error as gRPC carries it: `grpc-status-details-bin` with google.rpc's details, the reason in the trailer
 * `trireme-reason`, and the Kubernetes Status in `trireme-status-bin` unless it is too large for a trailer.
 */
export function toGrpcError(thrown: unknown): ServerErrorResponse & Partial<StatusObject> {
  const error = errorFrom(thrown);
  const code = GRPC_CODE[error.code];
  const message = shorten(error.message, MAX_MESSAGE);
  const metadata = new Metadata();
  metadata.set("trireme-reason", error.code);
  const details = detailsOf(error).map(([name, value]): Any => ({
    typeUrl: `type.googleapis.com/google.rpc.${name}`,
    value,
  }));
  metadata.set("grpc-status-details-bin", Buffer.from(Status.encode({ code, message, details }).finish()));
  const whole = Buffer.from(JSON.stringify(statusOf(error)));
  if (whole.length <= MAX_STATUS_BYTES) metadata.set("trireme-status-bin", whole);
  return { name: error.code, message, code, details: message, metadata };
}

/** The details of google.rpc that an error gives reason for, by their names. */
export function detailsOf(error: TriremeError): [name: string, value: Buffer][] {
  const { group = "", kind, name = "", causes = [], retryAfterSeconds } = error.details;
  const out: [string, Buffer][] = [
    ["ErrorInfo", bytes(ErrorInfo.encode({ reason: error.code, domain: DOMAIN, metadata: {} }))],
  ];
  const fieldViolations = causes
    .filter((cause) => cause.field !== undefined)
    .slice(0, MAX_VIOLATIONS)
    .map(({ field, message, reason }) => ({
      field: shorten(field!, MAX_DESCRIPTION),
      description: shorten(message, MAX_DESCRIPTION),
      reason,
    }));
  if (fieldViolations.length > 0) out.push(["BadRequest", bytes(BadRequest.encode({ fieldViolations }))]);
  if (kind !== undefined) {
    const resourceType = group === "" ? kind : `${kind}.${group}`;
    const info = { resourceType, resourceName: shorten(name, MAX_DESCRIPTION), owner: "", description: "" };
    out.push(["ResourceInfo", bytes(ResourceInfo.encode(info))]);
  }
  const seconds = retryAfterSeconds ?? (isPassing(error) ? RETRY_SECONDS : undefined);
  if (seconds !== undefined) {
    const whole = Math.trunc(seconds);
    const nanos = Math.round((seconds - whole) * 1e9);
    out.push(["RetryInfo", bytes(RetryInfo.encode({ retryDelay: { seconds: BigInt(whole), nanos } }))]);
  }
  return out;
}

/** Whether the same call may succeed a moment later. A deadline is the caller's own: to wait would not help. */
function isPassing(error: TriremeError): boolean {
  return error.retryable && error.code !== "Timeout";
}

function bytes(writer: { finish(): Uint8Array }): Buffer {
  return Buffer.from(writer.finish());
}

/** At most so many characters, none of them half: gRPC encodes a message as a URI, which halves of a pair are not. */
function shorten(text: string, most: number): string {
  return (text.length <= most ? text : `${text.slice(0, most - 1)}…`).toWellFormed();
}
