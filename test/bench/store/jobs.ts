// What the bench asks of a client process, and what that answers. Times are milliseconds.

/** How a client speaks: as most Node.js programs do, or with the least work that the protocol allows. */
export type Dialect = "grpc-js" | "http2";
export type Operation = "put" | "get" | "get-serializable";

/** Where the store is, and who asks. */
export interface Target {
  readonly endpoint: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** So many clients, each of which asks again as soon as it is answered. */
export interface ClosedLoopJob {
  readonly kind: "closed-loop";
  readonly target: Target;
  readonly dialect: Dialect;
  readonly operation: Operation;
  readonly clients: number;
  readonly seconds: number;
}

/** So many watches, each a stream of its own, of one key that is written at a steady rate. */
export interface WatchersJob {
  readonly kind: "watchers";
  readonly target: Target;
  readonly watchers: number;
  readonly puts: number;
  readonly everyMs: number;
}

export type Job = ClosedLoopJob | WatchersJob;

export interface Sample {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** All requests or deliveries that the job took, those of its warm-up included. */
  readonly all: number;
  /** Processors that the client itself kept busy; at 1 it is what limits the figure. */
  readonly clientCpu: number;
}

/** What is written. */
export const VALUE = Buffer.alloc(256, "trireme");

export function keyOf(n: number): Buffer {
  return Buffer.from(`/registry/bench/${String(n).padStart(8, "0")}`);
}

/** The value below which that share of `sorted` lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
