import type { Prng } from "@trireme/base";
import type { Fault } from "./faults.ts";

/** What of a store's settings a scenario may choose: how soon segments and snapshots come and go. */
export interface LogSizes {
  readonly walSegmentBytes: number;
  readonly snapshotBytes: number;
  readonly trailingEntries: number;
}

/** What a seed is about: how much of each fault, and what the cluster has to do meanwhile. */
export interface Scenario {
  readonly profile: ProfileName;
  readonly founders: number;
  readonly heartbeatMs: number;
  readonly sizes: LogSizes;
  readonly changesMembers: boolean;
  /** How often a learner is promoted as soon as somebody thinks of it. */
  readonly promotion: number;
  readonly clients: number;
  /** Milliseconds between two requests of a client, about. */
  readonly pauseMs: number;
  /** How often a request follows the one before at once. */
  readonly burst: number;
  readonly leaseHolders: number;
  /** Faults of which one is drawn each time; what is named twice comes twice as often. */
  readonly faults: readonly Fault[];
  /** Milliseconds between two faults at most. */
  readonly paceMs: number;
  /** How often a fault befalls the leader rather than anybody. */
  readonly leaderBias: number;
  /** The network's ordinary delay of one way, milliseconds at the median. */
  readonly delayMs: number;
}

/** Everything that a mixed seed may know. */
const ALL_FAULTS: readonly Fault[] = [
  "kill",
  "powerLoss",
  "allDown",
  "pause",
  "partition",
  "isolation",
  "weather",
  "disk",
  "failedSync",
  "clock",
  "transfer",
  "snapshot",
];

const FAIR_DELAY_MS = 0.3;

type Bias = Partial<Omit<Scenario, "profile" | "founders">>;

/**
 * The profiles, as swarm testing has them: a seed that does much of a few things reaches states that one which does a
 * little of everything never does. None is written for one mistake; each is a kind of bad day.
 */
const PROFILES = {
  /** A little of everything: the seed draws which faults it knows. */
  mixed: () => ({}),
  /** Members come, stay learners for long, and go, while leaders change. */
  members: () => ({
    changesMembers: true,
    promotion: 0.3,
    pauseMs: 100,
    paceMs: 2000,
    faults: ["partition", "partition", "transfer", "transfer", "kill", "pause", "weather"],
  }),
  /** Tiny segments and snapshots on slow disks under machines that lose power. */
  snapshots: () => ({
    sizes: { walSegmentBytes: 4 * 1024, snapshotBytes: 4 * 1024, trailingEntries: 5 },
    pauseMs: 100,
    paceMs: 1000,
    faults: ["powerLoss", "powerLoss", "kill", "disk", "disk", "snapshot", "failedSync", "partition", "allDown"],
  }),
  /** Many requests over slow wires that overtake each other, and hardly a crash. */
  latency: (prng) => ({
    clients: 6,
    pauseMs: 100,
    delayMs: 2 + prng.next() * 20,
    paceMs: 6000,
    faults: ["weather", "weather", "partition", "transfer", "pause", "disk"],
  }),
  /** Processes that stop and go on, mostly leaders, among messages that come late and twice. */
  pauses: () => ({
    clients: 5,
    pauseMs: 100,
    leaderBias: 0.8,
    paceMs: 2000,
    faults: ["pause", "pause", "pause", "weather", "clock"],
  }),
  /** One member at a time is cut off and comes back to a cluster that does well, and has little to do. */
  isolation: (prng) => ({
    pauseMs: 1000,
    burst: 0.2,
    clients: 2,
    leaseHolders: prng.int(0, 1),
    leaderBias: 0,
    paceMs: 6000,
    faults: ["isolation"],
  }),
  /** Many leases, and leaders that are deposed without knowing it. */
  leases: () => ({
    leaseHolders: 6,
    leaderBias: 0.8,
    paceMs: 2000,
    faults: ["pause", "pause", "partition", "transfer", "clock", "kill"],
  }),
} satisfies Readonly<Record<string, (prng: Prng) => Bias>>;

/** The name of a profile. */
export type ProfileName = keyof typeof PROFILES;

/** Which profile each pair of seeds has, over and over: a pair is one cluster of three and one of five. */
const TURNS: readonly ProfileName[] = [
  "mixed",
  "members",
  "snapshots",
  "latency",
  "mixed",
  "pauses",
  "isolation",
  "leases",
];

/** What a seed is about, by its number alone. */
export function profileOf(seed: number): ProfileName {
  return TURNS[Math.floor(seed / 2) % TURNS.length]!;
}

/** Draws a seed's scenario. */
export function drawScenario(seed: number, prng: Prng): Scenario {
  const draw = <T>(from: readonly T[]): T => from[prng.int(0, from.length - 1)]!;
  const profile = profileOf(seed);
  // Which faults a mixed seed knows is drawn, so that rare ones also meet each other alone.
  const known = ALL_FAULTS.filter(() => prng.next() < 0.6);
  const mixed: Omit<Scenario, "profile" | "founders"> = {
    heartbeatMs: draw([100, 200, 250]),
    sizes: { walSegmentBytes: 16 * 1024, snapshotBytes: 8 * 1024, trailingEntries: 10 },
    changesMembers: prng.next() < 0.5,
    promotion: 1,
    clients: 3,
    pauseMs: draw([100, 250, 500, 1000]),
    burst: 0.6,
    leaseHolders: 2,
    faults: known.length > 0 ? known : ALL_FAULTS,
    paceMs: draw([1000, 2000, 6000]),
    leaderBias: 0.4,
    delayMs: FAIR_DELAY_MS,
  };
  // Elsewhere members change now and then: it must not be the only profile that knows it.
  const changesMembers = profile === "mixed" ? mixed.changesMembers : prng.next() < 0.2;
  const bias: Bias = PROFILES[profile](prng);
  return { ...mixed, changesMembers, ...bias, profile, founders: seed % 2 === 0 ? 3 : 5 };
}
