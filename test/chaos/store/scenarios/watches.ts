import type * as rpc from "@trireme/proto/etcdserverpb/rpc";
import type { Member } from "../member.ts";
import type { Scenario } from "../scenario.ts";
import type { Trial } from "../trial.ts";
import { must, sleep, until } from "../waiting.ts";
import { changesOf, watchRequest } from "../watchers.ts";
import { writeMany } from "./snapshots.ts";

type Stream = ReturnType<rpc.WatchClient["watch"]>;

/** A watch whose answers are kept. */
class Listener {
  readonly stream: Stream;
  readonly told: string[] = [];
  compacted: number | undefined;

  constructor(member: Member, prefix: string, from: number) {
    this.stream = member.connection.watch.watch();
    this.stream.on("error", () => undefined);
    this.stream.on("data", (response: rpc.WatchResponse) => {
      if (response.canceled) this.compacted = Number(response.compactRevision);
      for (const { key, value, revision } of changesOf(response)) {
        this.told.push(`${key.slice(prefix.length)}=${value ?? "-"}@${revision}`);
      }
    });
    this.stream.write(watchRequest(prefix, from));
  }
}

/** Bytes of each value that a slow watcher leaves in the pipe: more than flow control lets pass. */
const FAT = "x".repeat(16_000);

async function compactAtDelete(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const { connection } = leader;
  const prefix = `${trial.prefix}d/`;
  const revisionOf = (answer: { header?: { revision: bigint } | undefined }): number => Number(answer.header?.revision);
  const first = revisionOf(await connection.put(`${prefix}a`, "1"));
  const slow = new Listener(leader, prefix, first);
  await until("the watch", () => slow.told.length === 1);
  slow.stream.pause();
  await writeMany(leader, 200, () => connection.put(`${prefix}b`, FAT));
  const doomed = revisionOf(await connection.put(`${prefix}a`, "2"));
  const deleted = revisionOf(await connection.remove(`${prefix}a`));
  await trial.remember();
  await trial.compact(deleted);
  const [atDelete, before] = [new Listener(leader, prefix, deleted), new Listener(leader, prefix, doomed)];
  const last = revisionOf(await connection.put(`${prefix}c`, "3"));
  slow.stream.resume();
  await until("all watches", () =>
    [slow, atDelete, before].every((one) => one.compacted !== undefined || one.told.at(-1) === `c=3@${last}`),
  );
  trial.proved(
    before.compacted === deleted,
    `compacted at ${deleted}, the revision of a deletion, before a watcher with ${slow.told.length} changes read on`,
  );
  trial.hold(
    atDelete.told[0] === `a=-@${deleted}`,
    `W3: a watch from the compacted revision is told ${atDelete.told[0]}, not the deletion at ${deleted}`,
  );
  const whole = slow.told.some((one) => one === `a=-@${deleted}`);
  trial.hold(whole || slow.compacted !== undefined, "W2: a slow watcher misses a deletion and is not told so");
  trial.note(whole ? "the slow watcher was told everything" : "the slow watcher was told that its history is gone");
  for (const { stream } of [slow, atDelete, before]) stream.cancel();
  trial.healed();
}

async function watchTheFuture(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const [lagging] = cluster.others(leader);
  const prefix = `${trial.prefix}f/`;
  cluster.network.cut(lagging!.host, cluster.hostsBut(lagging!));
  // What was on the wire has arrived.
  await sleep(300);
  const behind = Number((await lagging!.connection.range("nothing", { serializable: true })).header?.revision);
  await leader.connection.put(`${prefix}old`, "1");
  const { header } = await leader.connection.put(`${prefix}old`, "2");
  const future = Number(header?.revision) + 1;
  const listener = new Listener(lagging!, prefix, future);
  listener.stream.write({ requestUnion: { $case: "progressRequest", value: {} } });
  await sleep(1500);
  const early = listener.told.length;
  await leader.connection.put(`${prefix}new`, "3");
  await leader.connection.put(`${prefix}new`, "4");
  trial.proved(
    behind < future - 1,
    `${lagging!.name} at revision ${behind}, watched from ${future}; ${cluster.network.dropped(lagging!.host)} packets dropped`,
  );
  cluster.network.heal(lagging!.host);
  trial.healed();
  await until("what comes then", () => listener.told.length >= 2);
  trial.hold(early === 0, `W1: a watch from revision ${future} is told ${listener.told[0]}`);
  const keys = listener.told.map((one) => one.split("@")[0]).join(" ");
  trial.hold(keys === "new=3 new=4", `W1 W5: a watch from the future is told ${listener.told.join(" ")}`);
  listener.stream.cancel();
}

/** Each stream is owed some megabytes: more than flow control lets pass. */
const STALLED = { streams: 20, each: 50, events: 250, bytes: 300 };

/** Puts whose slowest but one stands for the 99th percentile. */
const SAMPLES = 100;

/** All that a member may take for watchers that take nothing. */
const MOST_MIB = 300;

async function stallWatchers(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  const leader = await cluster.leader();
  const prefix = `${trial.prefix}s/`;
  const value = "y".repeat(STALLED.bytes);
  const write = (): Promise<unknown> =>
    leader.connection.put(`${prefix}${Math.random()}`, value, { timeoutMs: 10_000 });
  const slowest = async (): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      const began = performance.now();
      await write();
      times.push(performance.now() - began);
    }
    return times.toSorted((a, b) => a - b)[SAMPLES - 2]!;
  };
  const before = { p99: await slowest(), mib: leader.residentMiB };
  const from = Number((await leader.connection.range("nothing")).header?.revision) + 1;
  const counts = new Map<Stream, number>();
  for (let i = 0; i < STALLED.streams; i++) {
    const stream = leader.connection.watch.watch();
    let created = 0;
    stream.on("error", () => undefined);
    await new Promise<void>((resolve) => {
      stream.on("data", (response: rpc.WatchResponse) => {
        counts.set(stream, (counts.get(stream) ?? 0) + response.events.length);
        if (response.created && ++created === STALLED.each) resolve();
      });
      for (let each = 0; each < STALLED.each; each++) stream.write(watchRequest(prefix, from));
    });
    stream.pause();
  }
  const stalled = counts.size * STALLED.each;
  await writeMany(leader, STALLED.events - SAMPLES, write);
  const after = { p99: await slowest(), mib: leader.residentMiB };
  trial.proved(
    stalled === 1000,
    `${stalled} watches stalled; p99 of a put ${before.p99.toFixed(1)} -> ${after.p99.toFixed(1)} ms, memory ${before.mib.toFixed(0)} -> ${after.mib.toFixed(0)} MiB`,
  );
  trial.hold(after.mib - before.mib < MOST_MIB, `stalled watchers take ${Math.round(after.mib - before.mib)} MiB`);
  for (const stream of counts.keys()) stream.resume();
  const all = STALLED.each * STALLED.events;
  await until("everybody to be told everything", () => [...counts.values()].every((count) => count >= all));
  trial.hold(
    [...counts.values()].every((count) => count === all),
    "W2: a stalled watcher is told a change twice",
  );
  for (const stream of counts.keys()) stream.cancel();
  must(workload.acknowledged > 0, "clients went on");
  trial.healed();
}

/** Watches. */
export const WATCHES: readonly Scenario[] = [
  { id: "F22", title: "compaction at a deletion, a slow watcher", holds: "W2 W3", members: 3, run: compactAtDelete },
  { id: "F23", title: "a watch of the future at a member that lags", holds: "W1 W5", members: 3, run: watchTheFuture },
  { id: "F24", title: "1,000 stalled watchers", holds: "p99, memory", members: 3, run: stallWatchers },
];
