/**
 * Logs and metrics.
 *
 * Callers' duties: one `createLogger("<component>")` and one `createRegistry()` per component, made in main and passed
 * down; a library takes both as options and defaults to {@link silentLogger} and no metrics. Log constant lower-case
 * messages and put what varies into keys; pass a thrown value as the key `err`. Name metrics
 * `tri_<component>_<noun>_<unit|total>` (or as Kubernetes and etcd name them), in seconds and bytes, with labels whose
 * values come from bounded sets. A {@link MetricsServer} serves pages: one per component, whether it is a registry or text
 * that is made at scrape time ({@link Exposition}). Ports and paths of all processes are in DESIGN.md.
 */
export { Exposition, type Family, type FamilyType, type SampleLabels } from "./exposition.ts";
export {
  MetricsServer,
  type MetricsServerOptions,
  type PageJudge,
  type PageRequest,
  type ServingTls,
} from "./metrics-server.ts";
export { type Page, offerPage, pageOf } from "./pages.ts";
export { type LogKeys, type LogLevel, type Logger, type LoggerOptions, createLogger, silentLogger } from "./log.ts";
export {
  type Counter,
  type CounterFamily,
  DURATION_BUCKETS,
  type Gauge,
  type Histogram,
  type HistogramFamily,
  type Labels,
  type Registry,
  type RegistryOptions,
  createRegistry,
} from "./registry.ts";
