import type { Counter, CounterFamily, Gauge, Histogram, HistogramFamily, Registry } from "@trireme/telemetry";
import type { TransportMetrics } from "./peers/transport.ts";

/** What the gauges ask for at each scrape. */
export interface StoreNumbers {
  readonly committed: number;
  readonly applied: number;
  readonly pending: number;
  readonly revision: number;
  readonly sizeBytes: number;
  readonly keys: number;
  readonly watchers: number;
  readonly term: number;
  readonly leases: number;
  readonly isLearner: boolean;
}

/** The store's metrics under etcd's own names, so that stock dashboards and alerts work. */
export interface StoreMetrics {
  readonly walFsync: Histogram;
  /** One batch of committed entries made part of the state: what etcd's backend commit is there. */
  readonly applySeconds: Histogram;
  readonly snapshotSeconds: Histogram;
  readonly diskHangs: Gauge;
  readonly leaderChanges: Counter;
  readonly proposalsFailed: Counter;
  readonly peers: TransportMetrics;
  readonly clientSentBytes: CounterFamily;
  readonly clientReceivedBytes: CounterFamily;
  readonly started: CounterFamily<"grpc_service" | "grpc_method" | "grpc_type">;
  readonly requests: CounterFamily<"grpc_service" | "grpc_method" | "grpc_type" | "grpc_code">;
  readonly requestSeconds: HistogramFamily<"grpc_service" | "grpc_method" | "grpc_type">;
  role(isLeader: boolean, hasLeader: boolean): void;
}

/** etcd's buckets for disks: 1 ms doubling up to 8 s. */
const DISK_BUCKETS = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i);

/** etcd's buckets for the way to a peer and back: 0.1 ms doubling up to 3.3 s. */
const ROUND_TRIP_BUCKETS = Array.from({ length: 16 }, (_, i) => 0.0001 * 2 ** i);

/** Registers everything; `numbers` is asked at each scrape. */
export function createStoreMetrics(registry: Registry, quotaBytes: number, numbers: () => StoreNumbers): StoreMetrics {
  const hasLeaderGauge = registry.gauge("etcd_server_has_leader", "Whether or not a leader exists. 1 is existence.");
  const isLeaderGauge = registry.gauge("etcd_server_is_leader", "Whether or not this member is a leader. 1 if is.");
  hasLeaderGauge.set(0);
  isLeaderGauge.set(0);
  const gauge = (name: string, help: string, read: (from: StoreNumbers) => number): void => {
    registry.gauge(name, help, [], (self) => self.set(read(numbers())));
  };
  gauge("etcd_server_proposals_committed_total", "Consensus proposals committed.", (now) => now.committed);
  gauge("etcd_server_proposals_applied_total", "Consensus proposals applied.", (now) => now.applied);
  gauge("etcd_server_proposals_pending", "Pending proposals to commit.", (now) => now.pending);
  gauge("etcd_debugging_mvcc_current_revision", "The current revision of the store.", (now) => now.revision);
  gauge("etcd_debugging_mvcc_keys_total", "Keys in the store.", (now) => now.keys);
  gauge("etcd_debugging_mvcc_watcher_total", "Watchers.", (now) => now.watchers);
  gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of the state.", (now) => now.sizeBytes);
  gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the state in use.", (now) => now.sizeBytes);
  registry.gauge("etcd_server_quota_backend_bytes", "Size of the state at which writes stop.").set(quotaBytes);
  gauge("etcd_debugging_lease_total", "Leases.", (now) => now.leases);
  gauge("etcd_server_is_learner", "Whether or not this member is a learner. 1 if is.", (now) => Number(now.isLearner));
  gauge("tri_store_raft_term", "Raft's current term.", (now) => now.term);
  return {
    walFsync: registry.histogram(
      "etcd_disk_wal_fsync_duration_seconds",
      "Latency of the syncs of the write-ahead log.",
      [],
      DISK_BUCKETS,
    ),
    leaderChanges: registry.counter("etcd_server_leader_changes_seen_total", "The number of leader changes seen."),
    applySeconds: registry.histogram(
      "etcd_disk_backend_commit_duration_seconds",
      "Time to make a batch of committed entries part of the state, which lives in memory.",
      [],
      DISK_BUCKETS,
    ),
    snapshotSeconds: registry.histogram(
      "etcd_debugging_snap_save_total_duration_seconds",
      "Time to write a snapshot of the state.",
      [],
      DISK_BUCKETS,
    ),
    diskHangs: registry.gauge("tri_store_disk_hangs", "Whether the disk has not answered for an election timeout."),
    proposalsFailed: registry.counter("etcd_server_proposals_failed_total", "Failed proposals seen."),
    peers: {
      sendFailures: registry.counter("etcd_network_peer_sent_failures_total", "Lost connections to peers.", ["To"]),
      sentBytes: registry.counter("etcd_network_peer_sent_bytes_total", "Bytes of messages sent to peers, about.", [
        "To",
      ]),
      receivedBytes: registry.counter(
        "etcd_network_peer_received_bytes_total",
        "Bytes of messages received from peers, about.",
        ["From"],
      ),
      roundTrip: registry.histogram(
        "etcd_network_peer_round_trip_time_seconds",
        "Time that an answer of a peer takes.",
        ["To"],
        ROUND_TRIP_BUCKETS,
      ),
    },
    clientSentBytes: registry.counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients."),
    clientReceivedBytes: registry.counter("etcd_network_client_grpc_received_bytes_total", "Bytes from clients."),
    started: registry.counter("grpc_server_started_total", "RPCs started on the server.", [
      "grpc_service",
      "grpc_method",
      "grpc_type",
    ]),
    requests: registry.counter("grpc_server_handled_total", "RPCs completed on the server.", [
      "grpc_service",
      "grpc_method",
      "grpc_type",
      "grpc_code",
    ]),
    requestSeconds: registry.histogram("grpc_server_handling_seconds", "Time that RPCs took.", [
      "grpc_service",
      "grpc_method",
      "grpc_type",
    ]),
    role(isLeader, hasLeader) {
      isLeaderGauge.set(isLeader ? 1 : 0);
      hasLeaderGauge.set(hasLeader ? 1 : 0);
    },
  };
}
