import { type Clock, errorFrom } from "@trireme/base";
import type { Logger } from "@trireme/telemetry";
import { Mailbox } from "./mailbox.ts";
import type { ActorMetrics } from "./metrics.ts";
import type { PlantedThrow } from "./planted-throw.ts";
import { type Supervision, decideVerdict, supervisionOf } from "./supervision.ts";
import type { ActorRef, ActorSpec, SupervisionDecision } from "./types.ts";

/** What an actor needs of the system that it lives in. */
export interface Habitat {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ActorMetrics;
  readonly plant: PlantedThrow;
  /** Has `run` called soon, but not now. */
  ready(actor: Runnable): void;
  decided(decision: SupervisionDecision): void;
  gone(id: string): void;
}

/** Something that has turns. */
export interface Runnable {
  /** Handles up to `budget` messages; answers how many it did and whether more wait. */
  run(budget: number): { handled: number; more: boolean };
}

/** Messages that wait when a spec names no mailbox: far more than a healthy actor has, small enough to notice. */
const DEFAULT_CAPACITY = 1024;

/** One actor: its state, its mailbox and its life. All of it runs in turns given by the system, never re-entrantly. */
export class Actor<S, M, E> implements Runnable, ActorRef<M> {
  readonly id: string;
  private readonly spec: ActorSpec<S, M, E>;
  private readonly habitat: Habitat;
  private readonly mailbox: Mailbox<M>;
  private readonly supervision: Supervision;
  private readonly underWay = new Set<Promise<void>>();
  private state: S;
  private incarnation = 0;
  private restarts: readonly number[] = [];
  private status: "running" | "paused" | "stopped" = "running";
  private waiting = false;
  /** System messages: the first message of an incarnation, ahead of all others. */
  private first: M[] = [];
  private cancelPause: (() => void) | undefined;

  constructor(spec: ActorSpec<S, M, E>, habitat: Habitat) {
    this.id = spec.id;
    this.spec = spec;
    this.habitat = habitat;
    this.mailbox = new Mailbox(spec.mailbox ?? { capacity: DEFAULT_CAPACITY, overflow: "rejectNewest" });
    this.supervision = supervisionOf(spec.supervision);
    this.state = spec.behaviour.initial();
    this.begin();
  }

  get depth(): number {
    return this.mailbox.depth;
  }

  send(message: M): boolean {
    return this.enqueue(message, undefined);
  }

  async stop(): Promise<void> {
    this.end();
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  run(budget: number): { handled: number; more: boolean } {
    this.waiting = false;
    let handled = 0;
    while (this.status === "running" && handled < budget) {
      const system = this.first.shift();
      const next = system === undefined ? this.mailbox.shift() : { message: system, from: undefined };
      if (next === undefined) break;
      if (system === undefined) this.count(-1);
      // An answer to an earlier incarnation: the state that asked for it is gone.
      if (next.from !== undefined && next.from !== this.incarnation) {
        this.habitat.metrics.deadLetters.inc({ behaviour: this.spec.behaviour.name });
        continue;
      }
      handled += 1;
      this.handle(next.message);
    }
    const more = this.status === "running" && this.mailbox.depth + this.first.length > 0;
    if (more) this.waiting = true;
    return { handled, more };
  }

  private begin(): void {
    this.first = this.spec.started === undefined ? [] : [this.spec.started()];
    if (this.first.length + this.mailbox.depth > 0) this.askForTurn();
  }

  private enqueue(message: M, from: number | undefined): boolean {
    const before = this.mailbox.depth;
    const isLate = from !== undefined && from !== this.incarnation;
    if (this.status === "stopped" || isLate || !this.mailbox.push(message, from)) {
      this.habitat.metrics.deadLetters.inc({ behaviour: this.spec.behaviour.name });
      return false;
    }
    this.count(this.mailbox.depth - before);
    this.askForTurn();
    return true;
  }

  private askForTurn(): void {
    if (this.waiting || this.status !== "running") return;
    this.waiting = true;
    this.habitat.ready(this);
  }

  private count(change: number): void {
    if (change > 0) this.habitat.metrics.depth.inc({ behaviour: this.spec.behaviour.name }, change);
    if (change < 0) this.habitat.metrics.depth.dec({ behaviour: this.spec.behaviour.name }, -change);
  }

  private handle(message: M): void {
    const { behaviour } = this.spec;
    const { incarnation } = this;
    try {
      this.habitat.plant.check(behaviour.name, this.id);
      const { state, effects } = behaviour.receive(this.state, message);
      this.state = state;
      for (const effect of effects) {
        this.execute(effect, incarnation);
        // An effect may stop its own actor; what would follow is not wanted any more.
        if (this.stopped || this.incarnation !== incarnation) return;
      }
    } catch (error) {
      this.fail(error);
    }
  }

  private get stopped(): boolean {
    return this.status === "stopped";
  }

  private execute(effect: E, incarnation: number): void {
    const self: ActorRef<M> = {
      id: this.id,
      send: (message) => this.enqueue(message, incarnation),
      stop: () => this.stop(),
      depth: this.depth,
    };
    const outcome = this.spec.execute(effect, self);
    if (outcome === undefined) return;
    const done: Promise<void> = outcome
      .catch((error: unknown) => {
        if (this.incarnation === incarnation && this.status === "running") this.fail(error);
        else this.habitat.log.debug("effect of an ended actor failed", { actor: this.id, err: error });
      })
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
  }

  private fail(error: unknown): void {
    const { clock, log, metrics } = this.habitat;
    const behaviour = this.spec.behaviour.name;
    const verdict = decideVerdict(this.supervision, error, this.restarts, clock.monotonic());
    this.restarts = verdict.restarts;
    const { directive } = verdict;
    metrics.decisions.inc({ behaviour, directive });
    const keys = { behaviour, actor: this.id, restarts: this.restarts.length, err: error };
    if (directive === "restart") {
      metrics.restarts.inc({ behaviour });
      log.warn("actor restarted", { ...keys, pauseMs: verdict.pauseMs });
      this.restart(verdict.pauseMs);
    } else if (directive === "resume") {
      log.warn("actor resumed", keys);
    } else {
      log.error(directive === "stop" ? "actor stopped by its supervisor" : "actor failure escalated", keys);
      this.end();
    }
    this.habitat.decided({ behaviour, actor: this.id, directive, error, restarts: this.restarts.length });
  }

  private restart(pauseMs: number): void {
    this.incarnation += 1;
    this.status = "paused";
    this.cancelPause = this.habitat.clock.after(pauseMs, () => {
      this.cancelPause = undefined;
      if (this.stopped) return;
      this.status = "running";
      try {
        this.state = this.spec.behaviour.initial();
        this.begin();
      } catch (error) {
        this.fail(errorFrom(error));
      }
    });
  }

  private end(): void {
    if (this.stopped) return;
    this.status = "stopped";
    this.cancelPause?.();
    const lost = this.mailbox.clear();
    this.count(-lost);
    if (lost > 0) this.habitat.metrics.deadLetters.inc({ behaviour: this.spec.behaviour.name }, lost);
    this.first = [];
    this.habitat.gone(this.id);
  }
}
