import { type ErrorCode, TriremeError } from "@trireme/base";

/** etcd's error texts: its clients branch on them, so they are part of the protocol. */
export const ERROR_TEXT = {
  compacted: "etcdserver: mvcc: required revision has been compacted",
  futureRevision: "etcdserver: mvcc: required revision is a future revision",
  emptyKey: "etcdserver: key is not provided",
  keyNotFound: "etcdserver: key not found",
  duplicateKey: "etcdserver: duplicate key given in txn request",
  tooManyOps: "etcdserver: too many operations in txn request",
  leaseNotFound: "etcdserver: requested lease not found",
  valueProvided: "etcdserver: value is provided",
  leaseProvided: "etcdserver: lease is provided",
  noSpace: "etcdserver: mvcc: database space exceeded",
  tooLarge: "etcdserver: request is too large",
  leaseExists: "etcdserver: lease already exists",
  leaseTtlTooLarge: "etcdserver: too large lease TTL",
  corrupt: "etcdserver: corrupt cluster",
  permissionDenied: "etcdserver: permission denied",
  memberNotFound: "etcdserver: member not found",
  memberExists: "etcdserver: member ID already exist",
} as const;

const CODES: Record<keyof typeof ERROR_TEXT, ErrorCode> = {
  compacted: "Expired",
  futureRevision: "BadRequest",
  emptyKey: "BadRequest",
  keyNotFound: "NotFound",
  duplicateKey: "BadRequest",
  tooManyOps: "BadRequest",
  leaseNotFound: "NotFound",
  valueProvided: "BadRequest",
  leaseProvided: "BadRequest",
  noSpace: "TooManyRequests",
  tooLarge: "RequestEntityTooLarge",
  leaseExists: "AlreadyExists",
  leaseTtlTooLarge: "BadRequest",
  corrupt: "InternalError",
  permissionDenied: "Forbidden",
  memberNotFound: "NotFound",
  memberExists: "AlreadyExists",
};

/** An expected failure of the state machine, with etcd's text as its message. */
export function storeError(kind: keyof typeof ERROR_TEXT): TriremeError {
  return new TriremeError(CODES[kind], ERROR_TEXT[kind]);
}
