import type { SupervisionDecision } from "@trireme/actor";
import { errorFrom } from "@trireme/base";
import { type Bus, actorDecisionCodec, actorSubject } from "@trireme/bus";

/** Longest reason that travels; the log has the rest. */
const MAX_REASON = 1024;

/** What an actor system's `onDecision` does: tells `tri.v1.actor.<component>`. */
export function decisionPublisher(bus: Bus, component: string): (decision: SupervisionDecision) => void {
  const subject = actorSubject(component);
  return ({ behaviour, actor, directive, error, restarts }) =>
    bus.publish(
      subject,
      actorDecisionCodec.encode({
        v: 1,
        component,
        behaviour,
        actor,
        decision: directive,
        reason: errorFrom(error).message.slice(0, MAX_REASON),
        restarts,
      }),
    );
}
