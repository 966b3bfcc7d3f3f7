/**
 * What an actor does, as data: given its state and one message, the next state and the effects that the runtime is to
 * execute. Pure and synchronous: no clock, no randomness, no I/O; those arrive as messages.
 */
export interface Behaviour<S, M, E> {
  /** Names the kind of actor in logs and metrics: one of a small fixed set. */
  readonly name: string;
  initial(): S;
  receive(state: S, message: M): Transition<S, E>;
}

/** The outcome of one message. */
export interface Transition<S, E> {
  readonly state: S;
  readonly effects: readonly E[];
}

/**
 * What a supervisor does with a failure: `resume` keeps the state and drops the message, `restart` begins anew from
 * `initial()` after a pause, `stop` ends the actor, `escalate` hands the failure to the owner of the system.
 */
export type Directive = "resume" | "restart" | "stop" | "escalate";

/** How failures of one actor are answered. */
export interface SupervisionPolicy {
  /** Default: always `restart`. A broken invariant (AssertionError) always escalates, whatever this says. */
  readonly decide?: (error: unknown) => Directive;
  /** More restarts than this within `windowMs` escalate. Default 10. */
  readonly maxRestarts?: number;
  /** Default 60,000. */
  readonly windowMs?: number;
  /** Pause before the first restart, doubled for each further one within the window. Default 100. */
  readonly backoffMs?: number;
}

/** What happens to a message that meets a full mailbox. */
export type MailboxPolicy<M> =
  | {
      readonly capacity: number;
      /** The newest is dropped: `send` answers false and it counts as a dead letter. */
      readonly overflow: "rejectNewest";
    }
  | {
      readonly capacity: number;
      /**
       * A message with the key of one that waits takes its place in the queue: only the newest matters. At the bound a
       * message with a new key is dropped as above.
       */
      readonly overflow: "coalesceByKey";
      /** undefined: this message is never coalesced. */
      readonly keyOf: (message: M) => string | undefined;
    };

/** An address of an actor. Valid for ever: what is sent to a stopped actor is a dead letter. */
export interface ActorRef<M> {
  readonly id: string;
  /** Puts a message into the mailbox; false if it was dropped. Never runs the actor before it returns. */
  send(message: M): boolean;
  /** Stops the actor after the message it is at; what waits becomes dead letters. Resolves when effects have ended. */
  stop(): Promise<void>;
  /** Messages that wait. */
  readonly depth: number;
}

/** One actor to be. */
export interface ActorSpec<S, M, E> {
  /** Unique in the system. */
  readonly id: string;
  readonly behaviour: Behaviour<S, M, E>;
  /**
   * Carries out one effect. Effects of one message start in order; one that answers a promise runs on beside the actor
   * and reports by sending a message to `self`. A failure of either kind goes to the supervisor.
   */
  readonly execute: (effect: E, self: ActorRef<M>) => void | Promise<void>;
  /** Default: capacity 1024, rejectNewest. */
  readonly mailbox?: MailboxPolicy<M>;
  readonly supervision?: SupervisionPolicy;
  /** First message after each start and restart, ahead of all others. */
  readonly started?: () => M;
}

/** One decision of the supervisor, as logged, counted and published. */
export interface SupervisionDecision {
  readonly behaviour: string;
  readonly actor: string;
  readonly directive: Directive;
  readonly error: unknown;
  /** Restarts within the window, this one included. */
  readonly restarts: number;
}
