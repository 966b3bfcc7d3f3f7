/**
 * Actors: pure behaviours with bounded mailboxes under supervision.
 *
 * Callers' duties: keep `receive` pure; let `execute` do the work and report back by `self.send`; choose a mailbox bound
 * and what is given up at it; end the process with code 1 on `onEscalate`.
 */
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
