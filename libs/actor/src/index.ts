/**
 * Actors: pure behaviours with bounded mailboxes under supervision.
 *
 * Callers' duties: keep `receive` pure; let `execute` do the work and report back by `self.send`; choose a mailbox bound
 * and what is given up at it. A failure that is escalated ends the process unless `onEscalate` says otherwise.
 *
 * `TRIREME_PLANT_THROW=<behaviour>:<part of an actor's id>` makes matching actors throw once at their first message:
 * fault injection for tests.
 */
export { PlantedThrow } from "./planted-throw.ts";
export { ActorSystem, type ActorSystemOptions } from "./system.ts";
export type {
  ActorRef,
  ActorSpec,
  Behaviour,
  Directive,
  MailboxPolicy,
  SupervisionDecision,
  SupervisionPolicy,
  Transition,
} from "./types.ts";
