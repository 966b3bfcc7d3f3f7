import { TriremeError } from "@trireme/base";

/** etcd's texts for what the cluster, not the request, is at fault for. Clients branch on them. */
export const FAILURE_TEXT = {
  noLeader: "etcdserver: no leader",
  timeout: "etcdserver: request timed out",
  leaderChanged: "etcdserver: leader changed",
  tooManyRequests: "etcdserver: too many requests",
  stopped: "etcdserver: server stopped",
  permissionDenied: "etcdserver: permission denied",
  tooLarge: "etcdserver: request is too large",
  leaderLost: "etcdserver: request timed out, possibly due to previous leader failure",
} as const;

/** The failures that a replica answers with. `Unknown` means that the request may still take effect. */
export const FAILURE = {
  noLeader: () => new TriremeError("ServiceUnavailable", FAILURE_TEXT.noLeader),
  timeout: () => new TriremeError("Unknown", FAILURE_TEXT.timeout),
  readTimeout: () => new TriremeError("Timeout", FAILURE_TEXT.timeout),
  leaderChanged: () => new TriremeError("ServiceUnavailable", FAILURE_TEXT.leaderChanged),
  tooManyRequests: () => new TriremeError("TooManyRequests", FAILURE_TEXT.tooManyRequests),
  stopped: () => new TriremeError("ServiceUnavailable", FAILURE_TEXT.stopped),
  leaderLost: () => new TriremeError("Unknown", FAILURE_TEXT.leaderLost),
  tooLarge: () => new TriremeError("RequestEntityTooLarge", FAILURE_TEXT.tooLarge),
  permissionDenied: () => new TriremeError("Forbidden", FAILURE_TEXT.permissionDenied),
} as const;
