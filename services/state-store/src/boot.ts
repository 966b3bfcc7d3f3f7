import path from "node:path";
import { type Clock, TriremeError, assert, sleep } from "@trireme/base";
import { type MemberInfo, MvccStore, takeSnapshot } from "@trireme/mvcc";
import { type InitialState, type SnapshotMeta, bootstrapState, joiningState } from "@trireme/raft";
import type { Logger } from "@trireme/telemetry";
import { Cluster, type Founding, foundCluster, hex } from "./cluster.ts";
import type { StoreConfig } from "./config.ts";
import { askForMembers, findSelf, isKnown, refuseSecondBirth } from "./membership/join.ts";
import { loadNewest, openSnapshotDir } from "./snapshot/snapshot-dir.ts";
import { writeSnapshotFile } from "./snapshot/snapshot-file.ts";
import type { StoreTls } from "./tls.ts";
import { type LogContents, readIdentity } from "./wal/read.ts";
import type { LogIdentity } from "./wal/records.ts";
import { Wal } from "./wal/wal.ts";

/** A joiner looks for its cluster this long before it gives up with a clear message; whoever supervises it starts it again. */
const FIND_CLUSTER_MS = 30_000;
const FIND_RETRY_MS = 200;

/** What a member starts from. */
export interface Boot {
  readonly cluster: Cluster;
  readonly wal: Wal;
  readonly snapshotDir: string;
  readonly store: MvccStore;
  readonly initial: InitialState;
  /** The newest snapshot that lies on disk. */
  readonly snapshot: SnapshotMeta | undefined;
}

export interface BootOptions {
  readonly config: StoreConfig;
  readonly tls: StoreTls;
  readonly log: Logger;
  readonly clock: Clock;
  readonly onSync: (seconds: number) => void;
  readonly onFatal: (error: unknown) => void;
}

/**
 * Finds out who this member is and what it knows. At the first start the flags say whether it founds a cluster or joins
 * one; afterwards its own log says everything, and flags that have become old harm nobody.
 */
export async function boot(options: BootOptions): Promise<Boot> {
  const { config, log, clock } = options;
  const walDir = path.join(config.dataDir, "wal");
  const snapshotDir = path.join(config.dataDir, "snap");
  const started = clock.monotonic();
  await openSnapshotDir(snapshotDir);
  const known = await readIdentity(walDir);
  const birth = known === undefined ? await beBorn(options) : undefined;
  const identity = known ?? birth!.identity;
  const { onSync, onFatal } = options;
  const { wal, contents } = await Wal.open({
    dir: walDir,
    identity,
    segmentBytes: config.walSegmentBytes,
    onSync,
    onFatal,
  });
  if (contents.tornBytes > 0) log.warn("a torn tail was cut off the log", { bytes: contents.tornBytes });
  const loaded = await loadNewest(snapshotDir, contents.snapshots, log);
  const recovered: Recovered = loaded ?? beginning(config, identity, contents);
  const { store } = recovered;
  // A snapshot of an earlier release held keys alone; its cluster had its founders for members.
  if (loaded !== undefined && store.members.size === 0) {
    const { name, clusterToken: token, initialCluster } = config;
    store.adoptMembers(foundCluster({ name, token, initialCluster }).members);
  }
  const initial = initialState(recovered, contents, config.trailingEntries);
  const isBirth = loaded === undefined && recovered.founding !== undefined && contents.hardState === undefined;
  if (isBirth) await writeBirth(wal, snapshotDir, initial.snapshot, store);
  log.info("log recovered", {
    index: store.appliedIndex,
    lastIndex: initial.entries.at(-1)?.index ?? initial.snapshot.index,
    term: initial.hardState.term,
    revision: store.revision,
    ms: Math.round(clock.monotonic() - started),
  });
  if (store.members.isRemoved(identity.memberId)) {
    throw new TriremeError("Gone", `member ${hex(identity.memberId)} has been permanently removed from the cluster`);
  }
  const told = birth?.members ?? [];
  const cluster = new Cluster({
    id: identity.clusterId,
    self: identity.memberId,
    name: config.name,
    peerUrls: [`https://${config.address}:${config.peerPort}`],
    store,
    told,
  });
  const own = store.members.get(cluster.self);
  assert(own === undefined || own.name === "" || own.name === config.name, `the log belongs to ${own?.name}`);
  return { cluster, wal, snapshotDir, store, initial, snapshot: isBirth ? initial.snapshot : loaded?.meta };
}

interface Birth {
  readonly identity: LogIdentity;
  readonly members: readonly MemberInfo[];
}

/** The first start: founds a cluster with the others, or takes the place that was made in one that runs. */
async function beBorn(options: BootOptions): Promise<Birth> {
  const { config, tls, log } = options;
  if (config.initialClusterState === "existing") {
    const { clusterId, self, members } = await findCluster(options);
    log.info("joining", { cluster: hex(clusterId), id: hex(self) });
    return { identity: { clusterId, memberId: self }, members };
  }
  const founding = foundCluster({
    name: config.name,
    token: config.clusterToken,
    initialCluster: config.initialCluster,
  });
  const others = [...config.initialCluster].filter(([name]) => name !== config.name).map(([, address]) => address);
  refuseSecondBirth(founding, await askForMembers(others, tls.peer, log));
  return { identity: { clusterId: founding.clusterId, memberId: founding.self }, members: founding.members };
}

async function findCluster({ config, tls, log, clock }: BootOptions): Promise<ReturnType<typeof findSelf>> {
  const own = `${config.address}:${config.peerPort}`;
  const others = [...config.initialCluster.values()].filter((address) => address !== own);
  const until = clock.monotonic() + FIND_CLUSTER_MS;
  for (;;) {
    const running = await askForMembers(others, tls.peer, log);
    // Its place may be made while it waits: who adds it need not have done so before it is started.
    if (isKnown(running, own) || clock.monotonic() > until) return findSelf(running, own);
    await sleep(FIND_RETRY_MS);
  }
}

interface Recovered {
  readonly meta: SnapshotMeta;
  readonly store: MvccStore;
  readonly founding?: Founding;
}

/** What a member begins with that has no snapshot: the founders' state, or nothing. */
function beginning(config: StoreConfig, identity: LogIdentity, contents: LogContents): Recovered {
  const joined = config.initialClusterState === "existing" && contents.entries.length === 0;
  if (joined) return { meta: joiningState().snapshot, store: MvccStore.empty(0) };
  const founding = foundCluster({
    name: config.name,
    token: config.clusterToken,
    initialCluster: config.initialCluster,
  });
  assert(
    founding.self === identity.memberId && founding.clusterId === identity.clusterId,
    "the log is a founder's own",
  );
  const { snapshot } = bootstrapState(founding.members.map(({ id }) => id));
  return { meta: snapshot, store: MvccStore.empty(snapshot.index, founding.members), founding };
}

/** A founder's state becomes its first snapshot: later starts need no flags to know whom the cluster began with. */
export async function writeBirth(wal: Wal, dir: string, meta: SnapshotMeta, store: MvccStore): Promise<void> {
  const snapshot = takeSnapshot(store);
  try {
    await writeSnapshotFile(dir, meta, () => snapshot.next());
  } finally {
    snapshot.release();
  }
  await new Promise<void>((resolve) => {
    wal.append({ entries: [], snapshot: { meta, installed: false }, mustSync: true, onDurable: resolve });
  });
}

/** What the core starts from: the newest snapshot, the log behind it, and term and vote. */
function initialState({ meta, founding }: Recovered, contents: LogContents, trailingEntries: number): InitialState {
  const { entries } = contents;
  if (entries[0] !== undefined && entries[0].index > meta.index + 1) {
    throw new TriremeError(
      "InternalError",
      `the log begins at entry ${entries[0].index} but the newest readable snapshot ends at ${meta.index}`,
    );
  }
  const last = entries.at(-1)?.index ?? 0;
  const born = founding === undefined && meta.index === 0 ? joiningState() : bootstrapState([]);
  const hardState = contents.hardState ?? born.hardState;
  const kept = last <= meta.index ? [] : entries.filter((entry) => entry.index >= meta.index - trailingEntries);
  return {
    hardState: { ...hardState, commit: Math.max(hardState.commit, meta.index) },
    snapshot: meta,
    entries: kept,
  };
}
