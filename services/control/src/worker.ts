import { Worker } from "node:worker_threads";
import { type Clock, TriremeError, assert } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";

/** Pauses between a worker's crash and its next start: at once after the first, slower while it keeps crashing. */
const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 10_000;

/** A worker that ran this long had started well: its next crash counts as a first one. */
const HEALTHY_AFTER_MS = 30_000;

/** How long a worker may take to give up its elections and end; then it is cut, and its lease runs out by itself. */
const STOP_TIMEOUT_MS = 4000;

/**
 * Room for a worker's short-lived objects (three semi-spaces). Node would let it grow to 48 MB a thread; measured on an
 * idle control plane this bound saves 12 MB of 148 MB, and what the workers do each second fits easily.
 */
const YOUNG_GENERATION_MB = 6;

/** How long a worker may take to render its metrics: a scrape waits for it. */
const METRICS_TIMEOUT_MS = 2000;

/**
 * Runs inside the worker before its program. The program is written as a process that ends on SIGTERM; threads get no
 * signals, so the parent's message becomes one. Its metrics are read through the registry that it made and the pages that
 * it offers (libs/telemetry).
 */
const PRELUDE = `
const { parentPort, workerData } = require("node:worker_threads");
parentPort.on("message", async (message) => {
  if (message.type === "stop") process.emit("SIGTERM", "SIGTERM", 15);
  else {
    const { page } = message;
    const render = page === undefined
      ? () => globalThis[Symbol.for("trireme.registry")]?.render()
      : globalThis[Symbol.for("trireme.pages")]?.get(page);
    try {
      const text = await render?.();
      parentPort.postMessage({ page, text });
    } catch (error) {
      parentPort.postMessage({ page, problem: String(error) });
    }
  }
});
parentPort.unref();
import(workerData.program).catch((error) => { setImmediate(() => { throw error; }); });
`;

/** What to run. */
export interface WorkerSpec {
  readonly name: string;
  /** The program's URL: a bundle, or a source file. */
  readonly program: string;
  readonly argv: readonly string[];
}

/** One program on a thread of its own, started again whenever it ends. */
export class SupervisedWorker {
  private readonly spec: WorkerSpec;
  private readonly clock: Clock;
  private readonly log: Logger;
  private worker: Worker | undefined;
  private failures = 0;
  private stopping = false;
  private cancelRestart: (() => void) | undefined;
  private ended: (() => void) | undefined;

  constructor(spec: WorkerSpec, clock: Clock, log: Logger) {
    this.spec = spec;
    this.clock = clock;
    this.log = log.child({ worker: spec.name });
  }

  /** Whether the program runs now. */
  get running(): boolean {
    return this.worker !== undefined;
  }

  start(): void {
    assert(this.worker === undefined, `worker ${this.spec.name} runs already`);
    const { program, argv } = this.spec;
    const startedAt = this.clock.monotonic();
    const worker = new Worker(PRELUDE, {
      eval: true,
      argv: [...argv],
      workerData: { program },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker = worker;
    this.log.info("worker started");
    worker.on("error", (error) => this.log.error("worker threw", { err: error }));
    worker.on("exit", (code) => {
      this.worker = undefined;
      this.ended?.();
      if (this.stopping) return;
      if (this.clock.monotonic() - startedAt > HEALTHY_AFTER_MS) this.failures = 0;
      const delayMs = Math.min(BACKOFF_MIN_MS * 2 ** this.failures, BACKOFF_MAX_MS);
      this.failures += 1;
      this.log.warn("worker ended, starting it again", { code, delayMs, failures: this.failures });
      this.cancelRestart = this.clock.after(delayMs, () => this.start());
    });
  }

  /**
   * The program's metrics as text: its registry's, or those of a page that it offers. Throws `ServiceUnavailable` while it
   * does not run or answer: its target is down then, which empty metrics would hide.
   */
  async metrics(page?: string): Promise<string> {
    const { worker } = this;
    const { name } = this.spec;
    if (worker === undefined) throw new TriremeError("ServiceUnavailable", `${name} does not run at the moment`);
    return new Promise((resolve, reject) => {
      // Answers about one page all say the same: whichever is first will do.
      const onAnswer = (answer: {
        readonly page?: string;
        readonly text?: string;
        readonly problem?: string;
      }): void => {
        if (answer.page !== page) return;
        finish();
        if (answer.text !== undefined) resolve(answer.text);
        else fail(answer.problem ?? "it has no such metrics yet");
      };
      const onExit = (): void => {
        finish();
        fail("it ended");
      };
      const finish = (): void => {
        cancel();
        worker.off("message", onAnswer);
        worker.off("exit", onExit);
      };
      const fail = (why: string): void => {
        reject(new TriremeError("ServiceUnavailable", `${name} does not tell its metrics: ${why}`));
      };
      const cancel = this.clock.after(METRICS_TIMEOUT_MS, () => {
        finish();
        fail(`no answer in ${METRICS_TIMEOUT_MS / 1000} s`);
      });
      worker.on("message", onAnswer);
      worker.on("exit", onExit);
      worker.postMessage({ type: "metrics", page });
    });
  }

  /** Asks the program to end, and cuts it when it takes too long. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelRestart?.();
    const { worker } = this;
    if (worker === undefined) return;
    const ended = new Promise<void>((resolve) => {
      this.ended = resolve;
    });
    worker.postMessage({ type: "stop" });
    const cancel = this.clock.after(STOP_TIMEOUT_MS, () => {
      this.log.warn("worker did not end in time, cutting it");
      void worker.terminate();
    });
    await ended;
    cancel();
  }
}
