import { type ConfigOf, flag } from "@trireme/config";

/** The store's settings. */
export const storeFlags = {
  name: flag.string({ help: "This server's name, as in --initial-cluster." }),
  dataDir: flag.string({ help: "Where the log and the snapshots are." }),
  address: flag.string({ help: "The address that clients and peers call." }),
  initialCluster: flag.map({
    help: "Every member as NAME=HOST:PORT of its peer address. Read at the first start alone; later the log knows.",
  }),
  initialClusterState: flag.choice(["new", "existing"], {
    help: "At the first start: whether these members found a cluster, or this one joins one that runs and has added it.",
    default: "new",
  }),
  clusterToken: flag.string({ help: "Tells this cluster from any other with the same names and addresses." }),
  pkiDir: flag.string({ help: "Where the certificates are." }),
  heartbeatMs: flag.int({ help: "Between two heartbeats of the leader.", default: 100, min: 10, max: 10_000 }),
  electionMs: flag.int({ help: "Silence after which a new leader is elected.", default: 1000, min: 50, max: 50_000 }),
  clientPort: flag.int({ help: "Where clients call.", default: 2379, min: 1, max: 65_535 }),
  peerPort: flag.int({ help: "Where the other members call.", default: 2380, min: 1, max: 65_535 }),
  metricsPort: flag.int({ help: "Where metrics and health are served.", default: 2381, min: 1, max: 65_535 }),
  walSegmentBytes: flag.int({ help: "Size of a segment of the log.", default: 64 * 1024 * 1024, min: 4096 }),
  snapshotBytes: flag.int({
    help: "Bytes of log after which a snapshot is written (more when the state is larger).",
    default: 24 * 1024 * 1024,
    min: 4096,
  }),
  trailingEntries: flag.int({
    help: "Log entries kept behind a snapshot (at most 8 MiB), so that a follower that was away for a moment needs none.",
    default: 5000,
    min: 0,
  }),
  quotaBytes: flag.int({
    help: "Size of the state from which on nothing is added, until the alarm is disarmed.",
    default: 1024 * 1024 * 1024,
    min: 1024 * 1024,
  }),
  corruptionCheckMs: flag.int({ help: "Between two comparisons of the members' data; 0: never.", default: 60_000 }),
  autoCompactMs: flag.int({ help: "History older than this is forgotten; 0: no age is too old.", default: 300_000 }),
  autoCompactBytes: flag.int({
    help: "History beyond this (more when the live keys are large) is forgotten, the oldest first; 0: never too much.",
    default: 16 * 1024 * 1024,
    min: 0,
  }),
};

export type StoreConfig = ConfigOf<typeof storeFlags>;

/** The settings of the program: a member's, and those of a restore. */
export const programFlags = {
  ...storeFlags,
  restoreFrom: flag.string({
    help: "A backup: makes the data folder of a new cluster's only member out of it, and ends.",
    optional: true,
  }),
  leaveBehind: flag.list({
    help: "With --restore-from: keys that are left out, or prefixes that end in / or -; {member} stands for each old member.",
    default: [],
  }),
};
