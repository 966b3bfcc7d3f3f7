/**
 * Logs and metrics.
 *
 * Callers' duties: one `createLogger("<component>")` and one `createRegistry()` per component, made in main and passed
 * down; a library takes both as options and defaults to {@link silentLogger} and no metrics. Log constant lower-case
 * messages and put what varies into keys; pass a thrown value as the key `err`. Name metrics
 * `tri_<component>_<noun>_<unit|total>` (or as Kubernetes and etcd name them), in seconds and bytes, with labels whose
 * values come from bounded sets. Serve `await registry.render()` with `registry.contentType` on `/metrics`.
 */
export { type LogKeys, type LogLevel, type Logger, type LoggerOptions, createLogger, silentLogger } from "./log.ts";
export {
  type Counter,
  DURATION_BUCKETS,
  type Gauge,
  type Histogram,
  type Labels,
  type Registry,
  type RegistryOptions,
  createRegistry,
} from "./registry.ts";
