import type { ServerWritableStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import { TriremeError, sleep } from "@trireme/base";
import type { Alarm } from "@trireme/mvcc";
import * as rpc from "@trireme/proto/etcdserverpb/rpc";
import { FAILURE } from "../replica/failures.ts";
import { backupPieces } from "../snapshot/backup.ts";
import { roleOf } from "./access.ts";
import { fromAlarm, toNumber } from "./convert.ts";
import type { Requests } from "./requests.ts";
import { hashKeys, hashState } from "./state-hash.ts";
import { toServiceError } from "./status.ts";
import type { StreamCounter, Unary } from "./unary.ts";

/** The etcd release whose API this is; etcd's clients read it to know what they may ask. */
const API_VERSION = "3.5.0";

const SERVICE = "etcdserverpb.Maintenance";

/** How often a request to move the leader looks whether it has moved. */
const MOVE_CHECK_MS = 20;

/** A client that takes nothing of its backup for this long loses it: meanwhile no history can be forgotten. */
const STALLED_MS = 10_000;

type SnapshotStream = ServerWritableStream<rpc.SnapshotRequest, rpc.SnapshotResponse>;

/** etcd's Maintenance service. */
export function maintenanceService(
  requests: Requests,
  unary: Unary,
  streams: StreamCounter,
  electionMs: number,
): UntypedServiceImplementation {
  const { replica, cluster } = requests;
  return {
    status: unary(
      SERVICE,
      "Status",
      async (): Promise<rpc.StatusResponse> => {
        const { leader, commit, term, applied } = replica.status();
        const size = BigInt(replica.store.sizeBytes);
        await Promise.resolve();
        return {
          header: requests.header(),
          version: API_VERSION,
          dbSize: size,
          leader,
          raftIndex: BigInt(commit),
          raftTerm: BigInt(term),
          raftAppliedIndex: BigInt(applied),
          errors: [...(leader === 0n ? ["etcdserver: no leader"] : []), ...replica.store.alarms.list().map(alarmText)],
          dbSizeInUse: size,
          isLearner: replica.isLearner,
        };
      },
      { forLearners: () => true },
    ),
    alarm: unary(SERVICE, "Alarm", (request: rpc.AlarmRequest) => answerAlarm(requests, request)),
    defragment: unary(SERVICE, "Defragment", async () => {
      // The state lives in memory and the log goes by segments: what can be given back is the log behind a new snapshot.
      await replica.takeSnapshot();
      return { header: requests.header() };
    }),
    hash: unary(SERVICE, "Hash", async (): Promise<rpc.HashResponse> => {
      return { hash: await hashState(replica.store), header: requests.header() };
    }),
    hashKv: unary(SERVICE, "HashKV", async (request: rpc.HashKVRequest): Promise<rpc.HashKVResponse> => {
      const { hash, revision, compactRevision } = await hashKeys(replica.store, toNumber(request.revision));
      return {
        header: requests.header(),
        hash,
        compactRevision: BigInt(compactRevision),
        hashRevision: BigInt(revision),
      };
    }),
    moveLeader: unary(SERVICE, "MoveLeader", async ({ targetID }: rpc.MoveLeaderRequest) => {
      if (replica.currentLeader !== cluster.self) throw FAILURE.notLeader();
      if (!replica.status().conf.voters.includes(targetID)) throw FAILURE.badTransferee();
      replica.moveLeader(targetID);
      // The core gives up after an election timeout; the news of the new leader takes a moment more.
      for (let waited = 0; replica.currentLeader !== targetID; waited += MOVE_CHECK_MS) {
        if (waited > 2 * electionMs) throw FAILURE.transferTimeout();
        await sleep(MOVE_CHECK_MS);
      }
      return { header: requests.header() };
    }),
    snapshot: (stream: SnapshotStream) => {
      const done = streams.begin(stream, SERVICE, "Snapshot", "server_stream");
      sendBackup(stream, requests).then(
        () => stream.end(),
        (error: unknown) => stream.emit("error", done(toServiceError(error))),
      );
    },
  };
}

async function answerAlarm(requests: Requests, request: rpc.AlarmRequest): Promise<rpc.AlarmResponse> {
  const { store } = requests.replica;
  if (request.action === rpc.AlarmRequest_AlarmAction.GET) {
    await requests.replica.readBarrier();
    const wanted = (alarm: rpc.AlarmMember): boolean =>
      request.alarm === rpc.AlarmType.NONE || alarm.alarm === request.alarm;
    return { header: requests.header(), alarms: store.alarms.list().map(fromAlarm).filter(wanted) };
  }
  if (request.alarm === rpc.AlarmType.NONE) throw new TriremeError("BadRequest", "etcdserver: unknown alarm");
  const changed = await requests.setAlarm(request);
  // As etcd: an alarm that is on already is named again, one that was off already is not.
  const told = changed || request.action === rpc.AlarmRequest_AlarmAction.ACTIVATE;
  const alarms = told ? [{ memberID: request.memberID, alarm: request.alarm }] : [];
  return { header: requests.header(), alarms };
}

/** As etcd prints alarms among a member's errors. */
function alarmText(alarm: Alarm): string {
  return `memberID:${alarm.member} alarm:${alarm.type === "noSpace" ? "NOSPACE" : "CORRUPT"} `;
}

/** Streams a backup; pieces are made while the client takes them. */
async function sendBackup(stream: SnapshotStream, requests: Requests): Promise<void> {
  roleOf(stream);
  const { replica } = requests;
  let open = true;
  for (const event of ["cancelled", "close", "error"]) stream.once(event, () => (open = false));
  const drained = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const stalled = new TriremeError("Timeout", `the client took nothing of the snapshot for ${STALLED_MS / 1000} s`);
      const timer = setTimeout(() => reject(stalled), STALLED_MS);
      for (const event of ["drain", "close", "cancelled"]) {
        stream.once(event, () => {
          clearTimeout(timer);
          resolve();
        });
      }
    });
  const backup = backupPieces(replica.store, replica.snapshotMeta());
  try {
    for (let piece = backup.next(); piece !== undefined && open; piece = backup.next()) {
      const response = { header: requests.header(), remainingBytes: 0n, blob: Buffer.from(piece) };
      if (!stream.write(response)) await drained();
    }
  } finally {
    backup.release();
  }
}
