import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { segmentsOf } from "../disks.ts";
import type { Member } from "../member.ts";
import type { Scenario } from "../scenario.ts";
import { Trace } from "../trace.ts";
import type { Trial } from "../trial.ts";
import { until } from "../waiting.ts";

/** Of these a snapshot is large enough to die in the middle of. */
const BULK = { keys: 48, bytes: 128 * 1024 };

/** More than a leader keeps behind a snapshot. */
const BEYOND_TRAILING = 700;

/** So slow that a snapshot takes seconds. */
const SLOW_KBYTES = 2000;

const MANY_ENTRIES = 20_000;

/** Requests that are under way together. */
const AT_ONCE = 128;

/** Writes keys that no client reads, as fast as it goes. */
export async function writeMany(member: Member, count: number, put: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      await until(`write ${i} at ${member.name}`, () => put(i).then(() => true));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

async function crashInSnapshots(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const [follower, third] = cluster.others(leader);
  await follower!.kill();
  const big = Buffer.alloc(BULK.bytes, "x");
  const put = (key: string, value: string | Buffer) => leader.connection.put(key, value, { timeoutMs: 10_000 });
  await writeMany(leader, BULK.keys, (i) => put(`bulk/${i}`, big));
  await writeMany(leader, BEYOND_TRAILING, (i) => put("bulk/0", String(i)));
  await leader.connection.defragment();

  // It dies while the leader's snapshot arrives.
  const at = Date.now();
  cluster.network.slow(follower!.host, [leader.host], SLOW_KBYTES);
  follower!.start();
  const half = await until("half a snapshot", () => {
    const size = incomingBytes(follower!);
    return size !== undefined && size > 1_000_000 && size;
  });
  await follower!.kill();
  cluster.network.heal(follower!.host);
  const received = trial.logOf(follower!).some((line) => line.at >= at && line.msg === "snapshot received");
  trial.proved(!received, `${follower!.name} killed with ${half} bytes of a snapshot`);
  follower!.start();
  await trial.logged(follower!, "snapshot installed", { after: at });

  // Two snapshots with writes between them, while somebody is being sent one.
  const before = Date.now();
  await third!.kill();
  await writeMany(leader, BEYOND_TRAILING, (i) => put("bulk/1", String(i)));
  const first = leader.connection.defragment();
  third!.start();
  await trial.writes(5);
  await Promise.all([first, leader.connection.defragment()]);
  const written = trial.logOf(leader).filter((line) => line.msg === "snapshot written" && line.at >= before);
  trial.proved(written.length >= 2, `${written.length} snapshots back to back`);
  await until(`${third!.name} to answer`, () =>
    third!.connection.range("nothing", { timeoutMs: 1000 }).then(() => true),
  );

  // The leader dies with a snapshot on disk and the log behind it not yet let go.
  await writeMany(leader, BULK.keys, (i) => put(`bulk/${i}`, big));
  await writeMany(leader, BEYOND_TRAILING, (i) => put("bulk/2", String(i)));
  const last = await cluster.leader();
  const trace = await Trace.hold(last, "unlink", "before");
  const defragmented = last.connection.defragment().catch(() => undefined);
  await trace.held();
  const segments = segmentsOf(last).length;
  await trace.killHeld();
  await defragmented;
  trial.proved(segments > 1, `${last.name} killed with a new snapshot and ${segments} segments of the log`);
  last.start();
  const end = await cluster.leader();
  await writeMany(end, BULK.keys, (i) => end.connection.remove(`bulk/${i}`));
  trial.healed();
}

/** Bytes of the snapshot that is arriving. */
function incomingBytes(member: Member): number | undefined {
  const dir = join(member.dataDir, "snap");
  const name = readdirSync(dir).find((file) => file.includes("incoming"));
  return name === undefined ? undefined : statSync(join(dir, name)).size;
}

async function fallFarBehind(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  await follower!.kill();
  await writeMany(leader, MANY_ENTRIES, (i) =>
    leader.connection.put(`far/${i % 100}`, String(i), { timeoutMs: 10_000 }),
  );
  const revision = await trial.remember(cluster.others(follower!));
  await trial.compact(revision);
  // Whoever leads then: its snapshot knows of the compaction.
  for (const member of cluster.others(follower!)) {
    await until(`a snapshot of ${member.name}`, () => member.connection.defragment().then(() => true));
  }
  const at = Date.now();
  follower!.start();
  trial.healed();
  const line = await trial.logged(follower!, "snapshot installed", { after: at });
  // Told, or told that it is gone: either way nobody is left before it.
  await until("every watcher to pass the compaction", () =>
    trial.watchers.every((watcher) => watcher.revision >= revision - 1),
  );
  const gone = trial.watchers.reduce((sum, { compacted }) => sum + compacted, 0);
  trial.proved(
    gone > 0,
    `${follower!.name} was ${MANY_ENTRIES} entries behind, got a snapshot at ${String(line["index"])}`,
  );
  trial.note(`its watcher was told that its history is gone ${gone} times`);
}

/** Snapshots. */
export const SNAPSHOTS: readonly Scenario[] = [
  {
    id: "F14",
    title: "crash in a snapshot's arrival and behind its writing; two at once",
    holds: "S5",
    members: 3,
    run: crashInSnapshots,
  },
  { id: "F15", title: "20 k entries behind during compaction", holds: "snapshot W3", members: 3, run: fallFarBehind },
];
