import { type Clock, assert, systemClock } from "@trireme/base";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import { Actor, type Habitat, type Runnable } from "./actor.ts";
import { actorMetrics } from "./metrics.ts";
import { type PlantedThrow, processPlant } from "./planted-throw.ts";
import type { ActorRef, ActorSpec, SupervisionDecision } from "./types.ts";

/** What a system of actors lives on. */
export interface ActorSystemOptions {
  /** Names the process's part, e.g. `agent`; decisions are published for it. */
  readonly component: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
  /** Hears every decision of every supervisor, e.g. to publish it on the bus. */
  readonly onDecision?: (decision: SupervisionDecision) => void;
  /** A failure that no supervisor would answer. Default: the process ends with code 1, and its own supervisor starts it. */
  readonly onEscalate?: (decision: SupervisionDecision) => void;
  /** Gives `turn` a chance to run later; default `setImmediate`, so that I/O goes on between turns. */
  readonly schedule?: (turn: () => void) => void;
  readonly plant?: PlantedThrow;
}

/** Messages that one actor handles before the next has its turn. */
const MESSAGES_PER_TURN = 64;

/** Messages over all actors before the event loop has its turn: a few milliseconds of pure code at worst. */
const MESSAGES_PER_TICK = 512;

/** Actors of one system; an agent has one per pod and a few more. */
const MAX_ACTORS = 100_000;

/** Actors that share a clock, a log and the event loop's attention. */
export class ActorSystem {
  readonly component: string;
  private readonly habitat: Habitat;
  private readonly schedule: (turn: () => void) => void;
  private readonly actors = new Map<string, ActorRef<never>>();
  private queue: Runnable[] = [];
  private scheduled = false;

  constructor(options: ActorSystemOptions) {
    this.component = options.component;
    const log = options.log ?? silentLogger;
    this.schedule = options.schedule ?? ((turn) => void setImmediate(turn));
    const escalate =
      options.onEscalate ??
      ((decision: SupervisionDecision) => {
        log.error("ending the process: a failure was escalated", { actor: decision.actor, err: decision.error });
        process.exit(1);
      });
    this.habitat = {
      clock: options.clock ?? systemClock,
      log,
      metrics: actorMetrics(options.registry),
      plant: options.plant ?? processPlant,
      ready: (actor) => this.ready(actor),
      decided(decision) {
        options.onDecision?.(decision);
        if (decision.directive === "escalate") escalate(decision);
      },
      gone: (id) => this.actors.delete(id),
    };
  }

  /** Number of living actors. */
  get size(): number {
    return this.actors.size;
  }

  /** Starts an actor. Its id must be free. */
  spawn<S, M, E>(spec: ActorSpec<S, M, E>): ActorRef<M> {
    assert(!this.actors.has(spec.id), `the actor id ${spec.id} is taken`);
    assert(this.actors.size < MAX_ACTORS, `a system has at most ${MAX_ACTORS} actors`);
    const actor = new Actor(spec, this.habitat);
    this.actors.set(spec.id, actor as ActorRef<never>);
    return actor;
  }

  /** Stops all actors and waits for their effects. */
  async stop(): Promise<void> {
    await Promise.all([...this.actors.values()].map((actor) => actor.stop()));
  }

  private ready(actor: Runnable): void {
    this.queue.push(actor);
    this.wake();
  }

  private wake(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => this.turn());
  }

  private turn(): void {
    this.scheduled = false;
    let budget = MESSAGES_PER_TICK;
    while (budget > 0 && this.queue.length > 0) {
      // One round: those who ask again during it come after everyone else.
      const round = this.queue;
      this.queue = [];
      for (const [i, actor] of round.entries()) {
        if (budget <= 0) {
          this.queue = [...round.slice(i), ...this.queue];
          break;
        }
        const { handled, more } = actor.run(Math.min(MESSAGES_PER_TURN, budget));
        budget -= handled;
        if (more) this.queue.push(actor);
      }
    }
    if (this.queue.length > 0) this.wake();
  }
}
