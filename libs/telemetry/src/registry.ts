import { assert } from "@trireme/base";
import prom from "prom-client";

/** Label values of one sample. Values come from bounded sets: results, codes, behaviours; never pod or object names. */
export type Labels<L extends string> = Readonly<Partial<Record<L, string | number>>>;

/** Only goes up. */
export interface Counter<L extends string = never> {
  inc(labels?: Labels<L>, by?: number): void;
}

/** A counter whose labelled series can be looked up once: for what is counted at every request. */
export interface CounterFamily<L extends string = never> extends Counter<L> {
  series(labels: Labels<L>): { inc(by?: number): void };
}

/** Goes up and down. */
export interface Gauge<L extends string = never> {
  set(value: number, labels?: Labels<L>): void;
  inc(labels?: Labels<L>, by?: number): void;
  dec(labels?: Labels<L>, by?: number): void;
  /** Forgets one labelled series, e.g. that of a member that left. */
  remove(labels: Labels<L>): void;
}

/** Counts observations in buckets. Durations are seconds, sizes bytes. */
export interface Histogram<L extends string = never> {
  observe(value: number, labels?: Labels<L>): void;
}

/** A histogram whose labelled series can be looked up once: for what is observed at every request. */
export interface HistogramFamily<L extends string = never> extends Histogram<L> {
  series(labels: Labels<L>): { observe(value: number): void };
}

/**
 * One component's metrics. Asking twice for one name answers the same metric, so that several instances of a package
 * share it; asking for it as another kind or with other labels is a bug.
 */
export interface Registry {
  readonly contentType: string;
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): CounterFamily<L>;
  /** `collect` runs at each scrape, before the value is read. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): HistogramFamily<L>;
  /** Prometheus text exposition of everything registered. */
  render(): Promise<string>;
}

/** Options of {@link createRegistry}. */
export interface RegistryOptions {
  /** Process metrics (CPU, memory, open files, event loop lag). Default true; a second registry of a process may do without. */
  readonly processMetrics?: boolean;
}

/** Buckets from 1 ms to 30 s, in seconds; holds 1, 5 and 30, which stock rules select by `le`. */
export const DURATION_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** Event loop lag is sampled this often: fine enough for our 100 ms heartbeats, coarse enough to idle at no cost. */
const EVENT_LOOP_PRECISION_MS = 20;

/** Where a thread's newest registry is found by whoever runs the thread. */
const THREAD_REGISTRY = Symbol.for("trireme.registry");

/** Creates an empty registry (with process metrics unless told otherwise). */
export function createRegistry(options: RegistryOptions = {}): Registry {
  const register = new prom.Registry();
  if (options.processMetrics ?? true) {
    prom.collectDefaultMetrics({ register, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
  }
  const known = new Map<string, { shape: string; metric: unknown }>();

  function once<M>(kind: string, name: string, labels: readonly string[], create: () => M): M {
    const shape = `${kind}(${labels.join(",")})`;
    const existing = known.get(name);
    if (existing !== undefined) {
      assert(existing.shape === shape, `metric ${name} is registered as ${existing.shape}, not ${shape}`);
      return existing.metric as M;
    }
    const metric = create();
    known.set(name, { shape, metric });
    return metric;
  }

  const registry: Registry = {
    contentType: register.contentType,
    counter(name, help, labels = []) {
      return once("counter", name, labels, () => {
        const inner = new prom.Counter({ name, help, labelNames: [...labels], registers: [register] });
        return {
          inc: (values, by = 1) => inner.inc((values ?? {}) as prom.LabelValues<string>, by),
          series: (values) => {
            const one = inner.labels(values as prom.LabelValues<string>);
            return { inc: (by = 1) => one.inc(by) };
          },
        };
      });
    },
    gauge<L extends string>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      collect?: (gauge: Gauge<L>) => void | Promise<void>,
    ) {
      return once("gauge", name, labels, () => {
        const inner = new prom.Gauge<string>({
          name,
          help,
          labelNames: [...labels],
          registers: [register],
          ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
        });
        const gauge: Gauge<L> = {
          set: (value, values) => inner.set((values ?? {}) as prom.LabelValues<string>, value),
          inc: (values, by = 1) => inner.inc((values ?? {}) as prom.LabelValues<string>, by),
          dec: (values, by = 1) => inner.dec((values ?? {}) as prom.LabelValues<string>, by),
          remove: (values) => inner.remove(values as prom.LabelValues<string>),
        };
        return gauge;
      });
    },
    histogram(name, help, labels = [], buckets = DURATION_BUCKETS) {
      return once("histogram", name, labels, () => {
        const inner = new prom.Histogram({
          name,
          help,
          labelNames: [...labels],
          buckets: [...buckets],
          registers: [register],
        });
        return {
          observe: (value, values) => inner.observe((values ?? {}) as prom.LabelValues<string>, value),
          series: (values) => inner.labels(values as prom.LabelValues<string>),
        };
      });
    },
    render: () => register.metrics(),
  };
  // A program may run on a worker thread, whose parent serves its metrics: it finds them by this name.
  (globalThis as Record<symbol, unknown>)[THREAD_REGISTRY] = registry;
  return registry;
}
