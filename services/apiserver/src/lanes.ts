import { TriremeError } from "@trireme/base";
import type { InFlight } from "./metrics.ts";

/** Requests under way at once, as in Kubernetes: beyond it clients are told to come back rather than kept waiting. */
const MAX_READS_IN_FLIGHT = 400;
const MAX_WRITES_IN_FLIGHT = 200;

/** Watches and log streams open at once on one server: each costs a connection's stream and a queue. */
const MAX_LONG_RUNNING = 10_000;

/** Requests of one lane share a bound. */
export type Lane = keyof InFlight;

const LANE_BOUNDS: Readonly<Record<Lane, number>> = {
  read: MAX_READS_IN_FLIGHT,
  write: MAX_WRITES_IN_FLIGHT,
  long: MAX_LONG_RUNNING,
};

/** Room for requests, shared by all doors: one that is full by REST is full by gRPC. */
export class Lanes {
  readonly inFlight: InFlight = { read: 0, write: 0, long: 0 };

  /** Takes a place; answers what gives it back. Throws TooManyRequests when there is none. */
  enter(lane: Lane): () => void {
    if (this.inFlight[lane] >= LANE_BOUNDS[lane]) throw tooMany(lane);
    this.inFlight[lane] += 1;
    let inside = true;
    return () => {
      if (inside) this.inFlight[lane] -= 1;
      inside = false;
    };
  }
}

function tooMany(lane: Lane): TriremeError {
  return new TriremeError(
    "TooManyRequests",
    `too many requests: this server has ${LANE_BOUNDS[lane]} of this kind under way; please try again later`,
    { details: { retryAfterSeconds: 1 } },
  );
}
