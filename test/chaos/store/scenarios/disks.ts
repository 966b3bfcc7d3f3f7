import { existsSync } from "node:fs";
import { fillDisk, flipBit, freeDisk, onSmallDisk, segmentsOf, tearLastRecord } from "../disks.ts";
import type { Scenario } from "../scenario.ts";
import { Trace } from "../trace.ts";
import type { Trial } from "../trial.ts";
import { must, sleep } from "../waiting.ts";
import { ELECTION_MS } from "./crashes.ts";

/** A record larger than some sectors. */
const BIG_BYTES = 4096;

/** A follower dies with its vote on disk and unsaid; then a leader dies whose entry is on the wire and not on its disk. */
async function crashAtTheSync(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  await workload.pause();
  const leader = await cluster.leader();
  const [voter] = cluster.others(leader);
  const before = Number((await voter!.connection.status()).raftTerm);
  const at = Date.now();
  // Nothing but its vote is left to sync: what it is sent is lost until the leader is dead.
  cluster.network.cut(voter!.host, cluster.hostsBut(voter!));
  await leader.kill();
  const vote = await Trace.hold(voter!, "fdatasync", "after");
  cluster.network.heal(voter!.host);
  await vote.held();
  await vote.killHeld();
  voter!.start();
  const recovered = await trial.logged(voter!, "log recovered", { after: at });
  const term = Number(recovered["term"]);
  trial.proved(
    term > before,
    `${voter!.name} died behind the sync of its vote: term ${before} when it voted, ${term} on its disk`,
  );
  leader.start();
  const next = await cluster.leader();
  workload.resume();
  await trial.writes(20);

  await workload.pause();
  // Bytes that are not given to the kernel are as lost as a page cache at a power failure.
  const write = await Trace.hold(next, "pwrite64", "before");
  const put = workload.put(next, workload.key("unsynced"), { timeoutMs: 8000 });
  await write.held();
  const answer = await Promise.race([put, sleep(2000).then(() => undefined)]);
  await write.killHeld();
  trial.proved(
    true,
    `${next.name} died before the write of an entry that was on the wire, ${answer?.kind ?? "not answered"}`,
  );
  await put;
  await cluster.leader(cluster.others(next));
  workload.resume();
  await trial.writes(20);
  next.start();
  trial.healed();
}

async function tear(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  await workload.pause();
  const sync = await Trace.hold(follower!, "fdatasync", "before");
  await workload.put(leader, workload.key("torn"), { padding: BIG_BYTES });
  await sync.held();
  await sync.killHeld();
  const at = Date.now();
  const where = tearLastRecord(follower!);
  workload.resume();
  follower!.start();
  const line = await trial.logged(follower!, "a torn tail was cut off the log", { after: at });
  const kept = `${segmentsOf(follower!).at(-1)}.broken`;
  trial.proved(
    existsSync(kept),
    `sector at ${where} of ${follower!.name}'s log zeroed; ${String(line["bytes"])} bytes cut off and kept`,
  );
  trial.healed();
}

async function flip(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  await follower!.kill();
  const at = Date.now();
  const where = flipBit(follower!);
  follower!.start();
  const { code } = await follower!.ended();
  const line = trial.logOf(follower!).findLast(({ level, at: then }) => level === "error" && then >= at);
  const said = line?.text ?? "";
  trial.proved(
    code === 1 && /damaged/.test(said),
    `bit at ${where} of ${follower!.name}'s log flipped; it ends with ${code}`,
  );
  trial.hold(/does not start.*rejoin/.test(said), `the error does not say what to do: ${said.slice(0, 300)}`);
  await trial.writes(40);
  // As the error says: its place is taken away, its data too, and it joins anew.
  await cluster.removeMember(follower!);
  await cluster.join(follower!);
  trial.healed();
}

async function failSync(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const at = Date.now();
  const trace = await Trace.inject(leader, "fdatasync", "error=EIO:when=1");
  const { code } = await leader.ended();
  await trace.release();
  const line = await trial.logged(leader, "the write-ahead log cannot be written; exiting", { after: at });
  trial.proved(
    /EIO/.test(line.text) && trace.calls.includes("(INJECTED)"),
    `one fdatasync of ${leader.name} answers EIO; it ends with ${code}`,
  );
  trial.hold(code === 1, `the process ends with ${code}`);
  await cluster.leader(cluster.others(leader));
  await trial.writes(20);
  leader.start();
  trial.healed();
}

async function fill(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  const [victim] = cluster.others(await cluster.leader());
  await victim!.stop();
  onSmallDisk(victim!);
  victim!.start();
  await cluster.makeLead(victim!);
  await trial.writes(20);
  const at = Date.now();
  const said = fillDisk(victim!);
  // Until the blocks are used up that the log has already.
  let end: { code: number | null } | undefined;
  void victim!.ended().then((it) => (end = it));
  for (let i = 0; i < 400 && end === undefined; i++) {
    await workload.put(victim!, workload.key("full"), { padding: BIG_BYTES });
  }
  must(end !== undefined, "a full disk stops the log");
  const line = await trial.logged(victim!, "the write-ahead log cannot be written; exiting", { after: at });
  trial.proved(
    said === "ENOSPC" && /ENOSPC/.test(line.text),
    `${victim!.name} led with a full disk (ENOSPC) and ended with ${end.code}`,
  );
  const successor = await cluster.leader(cluster.others(victim!));
  await trial.writes(20);
  trial.note(`${successor.name} leads`);
  freeDisk(victim!);
  victim!.start();
  trial.healed();
}

async function hang(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const trace = await Trace.inject(leader, "fdatasync", "delay_enter=600s");
  const at = Date.now();
  const hung = await trial.logged(leader, "the disk does not answer", { after: at });
  const rest = cluster.others(leader);
  await cluster.leader(rest);
  const elected = await trial.logged(rest[0]!, "leader elected", { after: at });
  const ms = elected.at - at;
  trial.proved(hung.level === "error", `${leader.name}'s syncs hang; another leads after ${ms} ms`);
  // The write after whose sync the clock runs comes from the load, at once.
  trial.hold(
    ms <= 3 * ELECTION_MS,
    `a leader whose disk hangs leads on for ${ms} ms, more than three election timeouts`,
  );
  await sleep(8 * ELECTION_MS);
  const { header } = await leader.connection.status();
  const id = header?.memberId.toString(16);
  const led = [...trial.leaders(at)].filter(([, who]) => who === id);
  trial.hold(led.length === 0, `a member whose disk hangs is elected in term ${led.map(([term]) => term)}`);
  await trial.writes(20);
  await trace.release();
  await trial.logged(leader, "the disk answers again", { after: at });
  trial.healed();
}

/** Disks. */
export const DISKS: readonly Scenario[] = [
  {
    id: "F8",
    title: "crash between vote and answer, and between send and write",
    holds: "S1 S6",
    members: 3,
    run: crashAtTheSync,
  },
  { id: "F9", title: "torn last record", holds: "repair S7", members: 3, run: tear },
  { id: "F10", title: "bit flip in the middle of the log", holds: "refuses to start", members: 3, run: flip },
  { id: "F11", title: "fsync answers EIO once on the leader", holds: "exits, S7", members: 3, run: failSync },
  { id: "F12", title: "the leader's disk is full", holds: "no ack, others elect", members: 3, run: fill },
  { id: "F13", title: "the leader's disk hangs", holds: "new leader <=3 ET", members: 3, run: hang },
];
