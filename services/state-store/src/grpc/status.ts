import { status } from "@grpc/grpc-js";
import { type ErrorCode, type TriremeError, errorFrom } from "@trireme/base";
import { ERROR_TEXT } from "@trireme/mvcc";
import { FAILURE_TEXT } from "../replica/failures.ts";

/** etcd's status code for each of its texts. */
const BY_TEXT = new Map<string, status>([
  [ERROR_TEXT.compacted, status.OUT_OF_RANGE],
  [ERROR_TEXT.futureRevision, status.OUT_OF_RANGE],
  [ERROR_TEXT.emptyKey, status.INVALID_ARGUMENT],
  [ERROR_TEXT.keyNotFound, status.INVALID_ARGUMENT],
  [ERROR_TEXT.duplicateKey, status.INVALID_ARGUMENT],
  [ERROR_TEXT.tooManyOps, status.INVALID_ARGUMENT],
  [ERROR_TEXT.leaseNotFound, status.NOT_FOUND],
  [ERROR_TEXT.valueProvided, status.INVALID_ARGUMENT],
  [ERROR_TEXT.leaseProvided, status.INVALID_ARGUMENT],
  [ERROR_TEXT.noSpace, status.RESOURCE_EXHAUSTED],
  [ERROR_TEXT.tooLarge, status.INVALID_ARGUMENT],
  [ERROR_TEXT.leaseExists, status.FAILED_PRECONDITION],
  [ERROR_TEXT.leaseTtlTooLarge, status.OUT_OF_RANGE],
  [ERROR_TEXT.corrupt, status.DATA_LOSS],
  [ERROR_TEXT.memberExists, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.notLeader, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.badTransferee, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.memberNotFound, status.NOT_FOUND],
  [FAILURE_TEXT.memberNotLearner, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.learnerNotReady, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.tooManyLearners, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.peerUrlExists, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.badMemberUrls, status.INVALID_ARGUMENT],
  [FAILURE_TEXT.notEnoughStarted, status.FAILED_PRECONDITION],
  [FAILURE_TEXT.noLeader, status.UNAVAILABLE],
  [FAILURE_TEXT.timeout, status.UNAVAILABLE],
  [FAILURE_TEXT.leaderLost, status.UNAVAILABLE],
  [FAILURE_TEXT.leaderChanged, status.UNAVAILABLE],
  [FAILURE_TEXT.tooManyRequests, status.RESOURCE_EXHAUSTED],
  [FAILURE_TEXT.stopped, status.UNAVAILABLE],
  [FAILURE_TEXT.permissionDenied, status.PERMISSION_DENIED],
]);

const BY_CODE: Partial<Record<ErrorCode, status>> = {
  BadRequest: status.INVALID_ARGUMENT,
  Invalid: status.INVALID_ARGUMENT,
  Forbidden: status.PERMISSION_DENIED,
  NotFound: status.NOT_FOUND,
  ServiceUnavailable: status.UNAVAILABLE,
  Timeout: status.UNAVAILABLE,
  Unknown: status.UNAVAILABLE,
  TooManyRequests: status.RESOURCE_EXHAUSTED,
};

/** The gRPC status of an error. */
export function statusOf(error: TriremeError): status {
  return BY_TEXT.get(error.message) ?? BY_CODE[error.code] ?? status.INTERNAL;
}

/** An error as grpc-js takes it. */
export function toServiceError(thrown: unknown): { code: status; details: string } {
  const error = errorFrom(thrown);
  return { code: statusOf(error), details: error.message };
}
