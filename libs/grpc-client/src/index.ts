/**
 * A typed client of the API in gRPC that knows every apiserver and fails over.
 *
 * Callers' duties: one client per identity and process; `close()` it at the end. Break out of a watch or log, or abort its
 * signal, when done with it. Errors are StatusErrors: branch on `code`, the Kubernetes reason. `Unknown` means that
 * a write was sent and no answer came: read before you repeat it. Only reads and calls that were never sent are
 * repeated here.
 */
export {
  type Applied,
  type ApplyOptions,
  type DeleteOptions,
  type GrpcClient,
  type PatchOptions,
  type ResourceClient,
  createGrpcClient,
} from "./client.ts";
export type { Identity } from "./credentials.ts";
export type { ExecOptions } from "./exec.ts";
export { type KubeconfigAccess, readKubeconfig } from "./kubeconfig.ts";
export type { LogLine } from "./log-lines.ts";
export type { LogOptions } from "./logs.ts";
export { type ErrorResource, type FieldViolation, StatusError } from "./status-error.ts";
export type { CallSettings, TransportOptions as GrpcClientOptions } from "./transport.ts";
export type { ListOptions, ObjectList, WatchEvent, WatchOptions } from "./watch.ts";
