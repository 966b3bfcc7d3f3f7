import { randomInt } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { Server } from "@grpc/grpc-js";
import { type Clock, TriremeError, createPrng, systemClock } from "@trireme/base";
import { MvccStore, WatchHub } from "@trireme/mvcc";
import { ClusterService, KVService, MaintenanceService, WatchService } from "@trireme/proto/etcdserverpb/rpc";
import { HealthService } from "@trireme/proto/grpc/health/v1/health";
import { SessionServiceService } from "@trireme/proto/trireme/store/v1/session";
import { type InitialState, Raft, bootstrapState } from "@trireme/raft";
import { type Logger, type Registry, createRegistry } from "@trireme/telemetry";
import { type Cluster, deriveCluster } from "./cluster.ts";
import type { StoreConfig } from "./config.ts";
import { clusterService, maintenanceService } from "./grpc/cluster-service.ts";
import { healthService } from "./grpc/health.ts";
import { kvService } from "./grpc/kv.ts";
import { Requests } from "./grpc/requests.ts";
import { sessionService } from "./grpc/session.ts";
import { createUnary } from "./grpc/unary.ts";
import { watchService } from "./grpc/watch.ts";
import { type StoreNumbers, createStoreMetrics } from "./metrics.ts";
import { createOpsServer } from "./ops-server.ts";
import { PeerTransport } from "./peers/transport.ts";
import { Compactor } from "./replica/compactor.ts";
import { Replica } from "./replica/replica.ts";
import { loadNewest, openSnapshotDir } from "./snapshot/snapshot-dir.ts";
import { type StoreTls, serverCredentials } from "./tls.ts";
import type { LogContents } from "./wal/read.ts";
import { Wal } from "./wal/wal.ts";

/** A member of the store, running. */
export interface StoreApp {
  readonly replica: Replica;
  stop(): Promise<void>;
}

/** Server options: big snapshots and lists pass; a client that vanished is noticed by pings. */
const SERVER_OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.keepalive_time_ms": 2000,
  "grpc.keepalive_timeout_ms": 2000,
};

/** How long calls may take to end when the member stops. */
const DRAIN_MS = 500;

/** Starts a member: recovers what is on disk, joins its peers, serves clients. */
export async function startStore(options: {
  readonly config: StoreConfig;
  readonly tls: StoreTls;
  readonly log: Logger;
  readonly registry?: Registry;
  readonly clock?: Clock;
  /** Called when the log cannot be written. Must end the process. */
  readonly onFatal: (error: unknown) => void;
}): Promise<StoreApp> {
  const { config, tls, log } = options;
  const registry = options.registry ?? createRegistry();
  const clock = options.clock ?? systemClock;
  const cluster = deriveCluster({
    name: config.name,
    token: config.clusterToken,
    initialCluster: config.initialCluster,
    clientPort: config.clientPort,
  });
  let replica: Replica | undefined;
  const metrics = createStoreMetrics(registry, config.quotaBytes, () => numbersOf(replica));

  const walDir = path.join(config.dataDir, "wal");
  const snapshotDir = path.join(config.dataDir, "snap");
  await openSnapshotDir(snapshotDir);
  const started = clock.monotonic();
  const { wal, contents } = await Wal.open({
    dir: walDir,
    identity: { clusterId: cluster.id, memberId: cluster.self.id },
    segmentBytes: config.walSegmentBytes,
    onSync: (seconds) => metrics.walFsync.observe(seconds),
    onFatal: options.onFatal,
  });
  if (contents.tornBytes > 0) log.warn("a torn tail was cut off the log", { bytes: contents.tornBytes });
  const { initial, store, snapshot } = await recover(cluster, contents, snapshotDir, config.trailingEntries, log);
  log.info("log recovered", {
    index: store.appliedIndex,
    lastIndex: initial.entries.at(-1)?.index ?? initial.snapshot.index,
    term: initial.hardState.term,
    revision: store.revision,
    ms: Math.round(clock.monotonic() - started),
  });

  const raft = new Raft({
    id: cluster.self.id,
    initial,
    prng: createPrng(randomInt(2 ** 32)),
    heartbeatTicks: 1,
    electionTicks: Math.max(2, Math.round(config.electionMs / config.heartbeatMs)),
  });
  replica = new Replica({
    raft,
    store,
    hub: new WatchHub(store),
    wal,
    self: cluster.self.id,
    snapshotDir,
    heartbeatMs: config.heartbeatMs,
    electionMs: config.electionMs,
    snapshotBytes: config.snapshotBytes,
    quotaBytes: config.quotaBytes,
    trailingEntries: config.trailingEntries,
    clock,
    log,
    metrics,
  });
  replica.recoveredFrom(snapshot);
  const transport = new PeerTransport({ cluster, tls: tls.peer, log, handler: replica });
  const compactor = new Compactor({ replica, self: cluster.self.id, periodMs: config.autoCompactMs, clock, log });

  const peerServer = new Server(SERVER_OPTIONS);
  transport.serve(peerServer);
  const requests = new Requests(replica, cluster);
  const unary = createUnary(metrics);
  const clientServer = new Server(SERVER_OPTIONS);
  clientServer.addService(KVService, kvService(requests, unary));
  clientServer.addService(WatchService, watchService(requests));
  clientServer.addService(ClusterService, clusterService(requests, unary));
  clientServer.addService(MaintenanceService, maintenanceService(requests, unary));
  clientServer.addService(SessionServiceService, sessionService(requests));
  clientServer.addService(HealthService, healthService(replica));
  const current = replica;
  const ops = createOpsServer({ tls: tls.client, registry, hasLeader: () => current.currentLeader !== 0n });

  ops.listen(config.metricsPort, config.address);
  await once(ops, "listening");
  await listen(peerServer, `${config.address}:${config.peerPort}`, tls.peer);
  await listen(clientServer, `${config.address}:${config.clientPort}`, tls.client);
  replica.start(transport);
  compactor.start();
  log.info("store serving", { address: `${config.address}:${config.clientPort}`, member: cluster.self.name });

  return {
    replica,
    async stop() {
      compactor.stop();
      await current.resign();
      await Promise.all([drain(clientServer), drain(peerServer)]);
      ops.close();
      ops.closeAllConnections();
      await current.stop();
    },
  };
}

/** Puts together what the core starts from: the newest snapshot, the log behind it, and term and vote. */
async function recover(
  cluster: Cluster,
  contents: LogContents,
  snapshotDir: string,
  trailingEntries: number,
  log: Logger,
): Promise<{ initial: InitialState; store: MvccStore; snapshot: InitialState["snapshot"] | undefined }> {
  const boot = bootstrapState([...cluster.members.keys()]);
  const loaded = await loadNewest(snapshotDir, contents.snapshots, log);
  const base = loaded?.meta ?? boot.snapshot;
  const store = loaded?.store ?? MvccStore.empty(base.index);
  const { entries } = contents;
  if (entries[0] !== undefined && entries[0].index > base.index + 1) {
    throw new TriremeError(
      "InternalError",
      `the log begins at entry ${entries[0].index} but the newest readable snapshot ends at ${base.index}`,
    );
  }
  const last = entries.at(-1)?.index ?? 0;
  const hardState = contents.hardState ?? boot.hardState;
  const kept = last <= base.index ? [] : entries.filter((entry) => entry.index >= base.index - trailingEntries);
  const commit = Math.max(hardState.commit, base.index);
  return {
    initial: { hardState: { ...hardState, commit }, snapshot: base, entries: kept },
    store,
    snapshot: loaded?.meta,
  };
}

function numbersOf(replica: Replica | undefined): StoreNumbers {
  const state = replica?.status();
  return {
    committed: state?.commit ?? 0,
    applied: state?.applied ?? 0,
    pending: replica?.pendingProposals ?? 0,
    revision: replica?.store.revision ?? 0,
    sizeBytes: replica?.store.sizeBytes ?? 0,
    keys: replica?.store.keyCount ?? 0,
    watchers: replica?.hub.size ?? 0,
    term: state?.term ?? 0,
  };
}

async function listen(server: Server, address: string, tls: StoreTls["client"]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, serverCredentials(tls), (error) => (error === null ? resolve() : reject(error)));
  });
}

async function drain(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, DRAIN_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
