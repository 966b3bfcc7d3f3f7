import { type ActorRef, ActorSystem } from "@trireme/actor";
import { type Clock, assert, errorFrom, systemClock } from "@trireme/base";
import type { ApiObject } from "@trireme/client";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import { type ControllerEffect, type ControllerMessage, type Outcome, controllerBehaviour } from "./controller-core.ts";
import type { Change, Informer } from "./informer-types.ts";
import { type ControllerMetrics, controllerMetrics } from "./metrics.ts";
import { type Backoff, DEFAULT_BACKOFF } from "./work-queue.ts";

/** Where keys come from; made by {@link keysFrom}. */
export interface KeySource {
  readonly synced: Promise<void>;
  /** Calls `add` for each key that a change concerns, from now on and for everything that exists. */
  follow(add: (key: string) => void): () => void;
}

/** Answer of one reconciliation. */
export interface ReconcileResult {
  /** Look at the key again after this time even if nothing changes. */
  readonly requeueAfterMs?: number;
}

/** One controller: where its keys come from and what is done about one. */
export interface ControllerOptions {
  /** e.g. `deployment`. */
  readonly name: string;
  readonly sources: readonly KeySource[];
  /**
   * Makes the world as it should be for one key. Level triggered: it is told which key, not what happened. May be told
   * of keys that do not exist. Throwing means trying again after a back-off, a {@link TerminalError} or `Fenced` not.
   */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileResult | void>;
  /** Keys worked on at once, default 4: reconcilers mostly wait for the API. */
  readonly workers?: number;
  readonly backoff?: Backoff;
  readonly system?: ActorSystem;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
}

/** A running or stopped controller. May be started again after it was stopped: offices come and go. */
export interface Controller {
  /** Begins when all sources have synced. */
  start(): void;
  /** Takes up nothing new, aborts the signal, waits for what is under way. */
  stop(): Promise<void>;
  enqueue(key: string): void;
  enqueueAfter(key: string, delayMs: number): void;
}

/** A failure that trying again cannot cure, e.g. a spec that contradicts itself: report it in the object's status. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}

/** Every key is looked at again this often, against what went wrong unnoticed. */
const RESYNC_MS = 600_000;

/** Keys that may wait at once; ten times the objects of a large cluster of ours. At the bound the next resync helps. */
const MAX_KEYS = 200_000;

/** The key source of one informer; by default the key of the object itself. */
export function keysFrom<T extends ApiObject>(
  informer: Informer<T>,
  keysOf: (change: Change<T>) => readonly string[] = (change) => [change.key],
): KeySource {
  return {
    synced: informer.synced,
    follow: (add) => informer.onChange((change) => keysOf(change).forEach(add)),
  };
}

/** Creates a controller; it does nothing until `start`. */
export function createController(options: ControllerOptions): Controller {
  return new ControllerShell(options);
}

interface Run {
  readonly abort: AbortController;
  readonly cleanups: (() => void)[];
  ref: ActorRef<ControllerMessage> | undefined;
}

class ControllerShell implements Controller {
  private readonly options: ControllerOptions;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly metrics: ControllerMetrics;
  private readonly system: ActorSystem;
  private run: Run | undefined;
  private ending: Promise<void> = Promise.resolve();
  /** What is under way, also of an earlier life of the actor: one key is never worked on twice at once. */
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(options: ControllerOptions) {
    assert((options.workers ?? 1) > 0, "a controller has at least one worker");
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.log = (options.log ?? silentLogger).child({ controller: options.name });
    this.metrics = controllerMetrics(options.registry);
    this.system =
      options.system ??
      new ActorSystem({
        component: options.name,
        clock: this.clock,
        log: this.log,
        ...(options.registry === undefined ? {} : { registry: options.registry }),
      });
  }

  start(): void {
    if (this.run !== undefined) return;
    const run: Run = { abort: new AbortController(), cleanups: [], ref: undefined };
    this.run = run;
    const ready = Promise.all([this.ending, ...this.options.sources.map((source) => source.synced)]);
    void ready.then(() => {
      if (!run.abort.signal.aborted) this.begin(run);
    });
  }

  async stop(): Promise<void> {
    const run = this.run;
    this.run = undefined;
    if (run !== undefined) {
      run.abort.abort();
      for (const cleanup of run.cleanups) cleanup();
      this.ending = run.ref === undefined ? this.ending : run.ref.stop();
    }
    await this.ending;
  }

  enqueue(key: string): void {
    this.run?.ref?.send({ type: "add", key, now: this.clock.monotonic() });
  }

  enqueueAfter(key: string, delayMs: number): void {
    this.run?.ref?.send({ type: "addAfter", key, delayMs, now: this.clock.monotonic() });
  }

  private begin(run: Run): void {
    let cancelWake: () => void = () => {};
    let unfollow: () => void = () => {};
    const execute = (effect: ControllerEffect, self: ActorRef<ControllerMessage>): void | Promise<void> => {
      switch (effect.type) {
        case "resync":
          // By the outer address: what changes in the world is bounded by the mailbox, answers to own work are not.
          unfollow();
          unfollow = this.follow(run.ref ?? self);
          return;
        case "work":
          return this.work(effect.key, effect.waitedMs, run.abort.signal, self);
        case "wake":
          cancelWake();
          cancelWake = this.clock.after(effect.afterMs, () => self.send({ type: "due", now: this.clock.monotonic() }));
          return;
        case "backoff":
          this.metrics.retries.inc({ name: this.options.name });
          return;
        case "show":
          this.metrics.depth.set(effect.depth, { name: this.options.name });
          if (effect.added) this.metrics.adds.inc({ name: this.options.name });
      }
    };
    run.ref = this.system.spawn<unknown, ControllerMessage, ControllerEffect>({
      id: this.options.name,
      behaviour: controllerBehaviour(this.options.workers ?? 4, this.options.backoff ?? DEFAULT_BACKOFF) as never,
      execute,
      mailbox: {
        capacity: MAX_KEYS,
        overflow: "coalesceByKey",
        keyOf: (message) => (message.type === "add" ? message.key : undefined),
      },
      started: () => ({ type: "started" }),
    });
    let cancelResync: () => void = () => {};
    const resyncLater = (): void => {
      cancelResync = this.clock.after(RESYNC_MS, () => {
        this.log.debug("controller looks at every key again");
        unfollow();
        if (run.ref !== undefined) unfollow = this.follow(run.ref);
        resyncLater();
      });
    };
    resyncLater();
    run.cleanups.push(
      () => cancelWake(),
      () => unfollow(),
      () => cancelResync(),
    );
  }

  private follow(ref: ActorRef<ControllerMessage>): () => void {
    const add = (key: string): void => void ref.send({ type: "add", key, now: this.clock.monotonic() });
    const stops = this.options.sources.map((source) => source.follow(add));
    return () => {
      for (const stop of stops) stop();
    };
  }

  private async work(
    key: string,
    waitedMs: number,
    signal: AbortSignal,
    self: ActorRef<ControllerMessage>,
  ): Promise<void> {
    this.metrics.waited.observe(waitedMs / 1000, { name: this.options.name });
    const before = this.underWay.get(key) ?? Promise.resolve();
    const mine = before.then(async () => {
      if (signal.aborted) return;
      const outcome = await this.reconcile(key, signal);
      self.send({ type: "done", key, outcome, now: this.clock.monotonic() });
    });
    this.underWay.set(key, mine);
    await mine;
    if (this.underWay.get(key) === mine) this.underWay.delete(key);
  }

  private async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const controller = this.options.name;
    const startedAt = this.clock.monotonic();
    let outcome: Outcome;
    let label: string;
    try {
      const answer = await this.options.reconcile(key, signal);
      const requeueAfterMs = answer === undefined ? undefined : answer.requeueAfterMs;
      outcome = { result: "ok", ...(requeueAfterMs === undefined ? {} : { requeueAfterMs }) };
      label = requeueAfterMs === undefined ? "ok" : "requeue";
    } catch (thrown) {
      // A bug stops the actor system's process; only expected failures are tried again.
      if (thrown instanceof Error && thrown.name === "AssertionError") throw thrown;
      const error = errorFrom(thrown);
      const terminal = error.code === "Fenced" || (thrown instanceof Error && thrown.name === "TerminalError");
      outcome = { result: terminal ? "terminal" : "error" };
      label = outcome.result;
      // A conflict is how a stale view shows: the event that cures it is on its way.
      const level = error.code === "Conflict" || signal.aborted ? "debug" : "warn";
      this.log[level]("reconcile failed", { key, err: thrown });
    }
    this.metrics.reconciles.inc({ controller, result: label });
    this.metrics.seconds.observe((this.clock.monotonic() - startedAt) / 1000, { controller });
    return outcome;
  }
}
