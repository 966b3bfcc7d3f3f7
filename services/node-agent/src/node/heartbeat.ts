import type { Bus } from "@trireme/bus";
import { heartbeatCodec, heartbeatSubject } from "@trireme/bus";
import type { Clock } from "@trireme/base";

/** Between two heartbeats; five missed ones make a node NotReady. */
const HEARTBEAT_MS = 1000;

/** Says each second that the node lives. A hint: the Lease says so too, by the API. Answers a function that stops it. */
export function startHeartbeat(bus: Bus, node: string, clock: Clock): () => void {
  const startedAtMs = clock.now();
  let sequence = 0;
  let cancel: () => void;
  const beat = (): void => {
    sequence += 1;
    bus.publish(heartbeatSubject(node), heartbeatCodec.encode({ v: 1, node, sequence, startedAtMs }));
    cancel = clock.after(HEARTBEAT_MS, beat);
  };
  cancel = clock.after(0, beat);
  return () => cancel();
}
