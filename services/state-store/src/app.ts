import { randomInt } from "node:crypto";
import { once } from "node:events";
import { Server } from "@grpc/grpc-js";
import { type Clock, TriremeError, createPrng, errorFrom, systemClock } from "@trireme/base";
import { WatchHub } from "@trireme/mvcc";
import {
  AlarmRequest_AlarmAction,
  AlarmType,
  ClusterService,
  LeaseService,
  MaintenanceService,
  WatchService,
} from "@trireme/proto/etcdserverpb/rpc";
import { HealthService } from "@trireme/proto/grpc/health/v1/health";
import { SessionServiceService } from "@trireme/proto/trireme/store/v1/session";
import { Raft } from "@trireme/raft";
import { type Logger, type Registry, createRegistry } from "@trireme/telemetry";
import { boot } from "./boot.ts";
import type { StoreConfig } from "./config.ts";
import { clusterService } from "./grpc/cluster-service.ts";
import { countBytes } from "./grpc/count-bytes.ts";
import { healthService } from "./grpc/health.ts";
import { KV_DEFINITION, kvService } from "./grpc/kv.ts";
import { leaseService } from "./grpc/lease.ts";
import { maintenanceService } from "./grpc/maintenance.ts";
import { Requests } from "./grpc/requests.ts";
import { sessionService } from "./grpc/session.ts";
import { StreamCounter, createUnary } from "./grpc/unary.ts";
import { watchService } from "./grpc/watch.ts";
import { LeaseKeeper } from "./leases/lease-keeper.ts";
import { GrpcListener } from "./listener.ts";
import { Membership } from "./membership/membership.ts";
import { type StoreNumbers, createStoreMetrics } from "./metrics.ts";
import { createOpsServer } from "./ops-server.ts";
import { answerPeers } from "./peers/answers.ts";
import { PeerTransport } from "./peers/transport.ts";
import { Compactor } from "./replica/compactor.ts";
import { CorruptionCheck } from "./replica/corruption.ts";
import { Replica } from "./replica/replica.ts";
import type { StoreTls } from "./tls.ts";

/** A member of the store, running. */
export interface StoreApp {
  readonly replica: Replica;
  readonly corruption: CorruptionCheck;
  stop(): Promise<void>;
}

/** Server options: big snapshots and lists pass; a client that vanished is noticed by pings. */
const SERVER_OPTIONS = {
  "grpc.max_receive_message_length": -1,
  "grpc.max_send_message_length": -1,
  "grpc.keepalive_time_ms": 2000,
  "grpc.keepalive_timeout_ms": 2000,
  // A page of statistics that nobody serves, kept for each call.
  "grpc.enable_channelz": 0,
};

/** Starts a member: recovers what is on disk, joins its peers, serves clients. */
export async function startStore(options: {
  readonly config: StoreConfig;
  readonly tls: StoreTls;
  readonly log: Logger;
  readonly registry?: Registry;
  readonly clock?: Clock;
  /** Called when the log cannot be written. Must end the process. */
  readonly onFatal: (error: unknown) => void;
  /** Called when this member has been removed from the cluster. Should stop it and not start it again. */
  readonly onRemoved?: () => void;
}): Promise<StoreApp> {
  const { config, tls, log } = options;
  const registry = options.registry ?? createRegistry();
  const clock = options.clock ?? systemClock;
  let replica: Replica | undefined;
  const metrics = createStoreMetrics(registry, config.quotaBytes, () => numbersOf(replica));
  const { cluster, wal, snapshotDir, store, initial, snapshot } = await boot({
    config,
    tls,
    log,
    clock,
    onSync: (seconds) => metrics.walFsync.observe(seconds),
    onFatal: options.onFatal,
  });
  const { self } = cluster;

  const raft = new Raft({
    id: self,
    initial,
    prng: createPrng(randomInt(2 ** 32)),
    heartbeatTicks: 1,
    commitsRide: true,
    electionTicks: Math.max(2, Math.round(config.electionMs / config.heartbeatMs)),
  });
  const ask: PeerTransport["ask"] = (id, question, timeoutMs) => transport.ask(id, question, timeoutMs);
  const leases = new LeaseKeeper({ store, self, electionMs: config.electionMs, clock, log, ask });
  const corruption = new CorruptionCheck({
    store,
    self,
    periodMs: config.corruptionCheckMs,
    log,
    ask,
    isLeader: () => current.currentLeader === self,
    voters: () => raft.confState().voters,
    raise: (memberID) =>
      requests.setAlarm({ action: AlarmRequest_AlarmAction.ACTIVATE, memberID, alarm: AlarmType.CORRUPT }),
    ready: () => current.readBarrier(),
    onSelfDiffers: () =>
      options.onFatal(
        new TriremeError(
          "InternalError",
          "this member's data differ from those of the majority. It does not serve them: keep the files, move the data " +
            "directory away, and let the member rejoin from the others",
        ),
      ),
  });
  const current = new Replica({
    raft,
    store,
    hub: new WatchHub(store),
    wal,
    self,
    snapshotDir,
    heartbeatMs: config.heartbeatMs,
    electionMs: config.electionMs,
    snapshotBytes: config.snapshotBytes,
    trailingEntries: config.trailingEntries,
    clock,
    log,
    metrics,
    onApplied: (command, outcome) => {
      leases.applied(command, outcome);
      corruption.applied(command, outcome);
      compactor.applied();
    },
    onOffice: (isLeader) => leases.office(isLeader),
    onRemoved: () => options.onRemoved?.(),
  });
  replica = current;
  current.recoveredFrom(snapshot);
  const transport = new PeerTransport({
    cluster,
    tls: tls.peer,
    log,
    clock,
    metrics: metrics.peers,
    handler: current,
  });
  const clientUrl = `https://${config.address}:${config.clientPort}`;
  const { electionMs } = config;
  const membership = new Membership({ cluster, replica: current, transport, electionMs, clientUrl, clock, log });
  transport.answerWith(answerPeers({ cluster, store, leases, membership, corruption }));
  const { autoCompactMs: periodMs, autoCompactBytes: historyBytes } = config;
  const compactor = new Compactor({ replica: current, self, periodMs, historyBytes, clock, log });

  const peerServer = new Server(SERVER_OPTIONS);
  transport.serve(peerServer);
  const requests = new Requests(current, cluster, config.quotaBytes);
  const unary = createUnary(metrics, current);
  const streams = new StreamCounter(metrics);
  const clientServer = new Server(SERVER_OPTIONS);
  const services = [
    [KV_DEFINITION, kvService(requests, unary)],
    [WatchService, watchService(requests, streams)],
    [LeaseService, leaseService(requests, leases, unary, streams)],
    [ClusterService, clusterService(requests, membership, unary)],
    [MaintenanceService, maintenanceService(requests, unary, streams, electionMs)],
    [SessionServiceService, sessionService(requests, leases, streams)],
    [HealthService, healthService(current)],
  ] as const;
  for (const [definition, implementation] of services) {
    clientServer.addService(countBytes(definition, metrics), implementation);
  }
  const peers = new GrpcListener(peerServer, tls.peer, log);
  const clients = new GrpcListener(clientServer, tls.client, log);
  const ops = createOpsServer({ tls: tls.client, registry, isHealthy: () => current.isHealthy });

  ops.listen(config.metricsPort, config.address);
  await once(ops, "listening");
  await peers.listen(config.peerPort, config.address);
  await clients.listen(config.clientPort, config.address);
  leases.start(current);
  current.start(transport);
  compactor.start();
  corruption.start();
  membership.publish().catch((error: unknown) => log.warn("not published", { err: errorFrom(error) }));
  log.info("store serving", { address: `${config.address}:${config.clientPort}`, member: cluster.name });

  return {
    replica: current,
    corruption,
    async stop() {
      compactor.stop();
      corruption.stop();
      membership.stop();
      await current.resign();
      leases.stop();
      await Promise.all([clients.close(), peers.close()]);
      ops.close();
      ops.closeAllConnections();
      await current.stop();
    },
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
    leases: replica?.store.leases.size ?? 0,
    isLearner: replica?.isLearner ?? false,
  };
}
