/** What is done to one machine, or to the nats-server on one. */
export type Act = "kill" | "pause" | "restart" | "cut" | "kill-nats" | "pause-nats";

/** Whom it hits; `follower` and `other-follower` are two machines, `node` and `other-node` as well. */
export type Who = "leader" | "follower" | "other-follower" | "node" | "other-node";

export interface Hit {
  readonly act: Act;
  readonly who: Who;
}

/** One fault: hits at the same time, how long they last, and what they may cost. */
export interface Fault {
  readonly name: string;
  readonly hits: readonly Hit[];
  /** Until it is healed, s. Ends by itself where the act does: a restart, a killed process. */
  readonly seconds: number;
}

/** Another leader is there within two seconds, and nobody has yet called a node NotReady. */
const SHORT = 3;
/** A node is NotReady 5 s after its last sign of life; 5 s later its pods are replaced, and their successors are up. */
const UNTIL_REPLACED = 13;

const hit = (act: Act, ...whom: Who[]): Hit[] => whom.map((who) => ({ act, who }));

/** The faults of one round. */
export const FAULTS: readonly Fault[] = [
  { name: "kill the leader", hits: hit("kill", "leader"), seconds: SHORT },
  { name: "pause the leader", hits: hit("pause", "leader"), seconds: SHORT },
  { name: "restart a follower", hits: hit("restart", "follower"), seconds: 0 },
  { name: "cut off the leader", hits: hit("cut", "leader"), seconds: SHORT },
  { name: "kill a node", hits: hit("kill", "node"), seconds: SHORT },
  { name: "pause a node", hits: hit("pause", "other-node"), seconds: SHORT },
  { name: "restart a node", hits: hit("restart", "node"), seconds: 0 },
  { name: "cut off a node", hits: hit("cut", "other-node"), seconds: UNTIL_REPLACED },
  {
    name: "kill NATS everywhere",
    hits: hit("kill-nats", "leader", "follower", "other-follower"),
    seconds: 0,
  },
  { name: "pause NATS on two servers", hits: hit("pause-nats", "leader", "follower"), seconds: SHORT },
  { name: "kill two servers: no majority", hits: hit("kill", "leader", "follower"), seconds: SHORT },
  {
    name: "pause the leader and cut off a node",
    hits: [...hit("pause", "leader"), ...hit("cut", "node")],
    seconds: SHORT,
  },
];

/** Whether a fault leaves all that pods and their Services need alone, so that no request may fail and no container change. */
export function sparesNodes({ hits }: Fault): boolean {
  return hits.every(({ who }) => who !== "node" && who !== "other-node");
}

/** Whether a fault lasts so long that its node is seen to be NotReady. */
export function nodesNotReady({ hits, seconds }: Fault): readonly Who[] {
  if (seconds < UNTIL_REPLACED) return [];
  return hits.flatMap(({ who }) => (who === "node" || who === "other-node" ? [who] : []));
}
