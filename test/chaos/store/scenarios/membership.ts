import type { Scenario } from "../scenario.ts";
import { Trace } from "../trace.ts";
import type { Trial } from "../trial.ts";
import { must, until } from "../waiting.ts";
import { ELECTION_MS } from "./crashes.ts";

/** The code with which a member that was removed ends. */
const REMOVED = 3;

/** The leader is removed; a dead one is replaced; a leader dies with a change of members in its log that nobody else has. */
async function replace(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  const first = await cluster.leader();
  await cluster.removeMember(first);
  const { code } = await first.ended();
  trial.proved(code === REMOVED, `${first.name} led, was removed and ended with ${code}`);
  await cluster.leader(cluster.others(first));
  await trial.writes(20);
  await cluster.join(first);

  const [dead] = cluster.others(await cluster.leader());
  await dead!.kill();
  await cluster.removeMember(dead!);
  await trial.writes(20);
  await cluster.join(dead!);
  trial.proved(true, `${dead!.name} was replaced while it was down`);

  await workload.pause();
  const leader = await cluster.leader();
  const spare = await cluster.prepare("existing");
  const write = await Trace.hold(leader, "pwrite64", "before");
  // Its messages are lost as well: the change is in its memory alone.
  cluster.network.cut(leader.host, cluster.hostsBut(leader));
  const added = leader.connection.addMember(spare.peerUrl, true).then(
    () => "ok",
    (error: Error) => error.message,
  );
  await write.held();
  await write.killHeld();
  cluster.network.heal(leader.host);
  trial.proved(true, `${leader.name} died with a change of members unwritten (${await added})`);
  leader.start();
  workload.resume();
  await sameMembers(trial, 3);
  trial.healed();
}

/** Everybody tells one membership, of so many. */
async function sameMembers(trial: Trial, count: number): Promise<void> {
  const { members } = trial.cluster;
  await until("one membership", async () => {
    const lists = await Promise.all(members.map(async (member) => (await member.connection.members()).members));
    const texts = lists.map((list) =>
      list
        .map(({ ID, isLearner }) => `${ID}${isLearner}`)
        .toSorted()
        .join(" "),
    );
    return new Set(texts).size === 1 && lists[0]!.length === count;
  });
}

/** Two leaders change the members at once (Ongaro 2015): one of the changes never was. */
async function changeTwice(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network } = cluster;
  const old = await cluster.leader();
  const [spare, guest] = [await cluster.prepare("existing"), await cluster.prepare("existing")];
  network.cut(old.host, cluster.hostsBut(old));
  const at = Date.now();
  // It takes the change into its log, since it has not yet noticed; a voter, whose coming changes the quorum.
  const lost = old.connection.addMember(spare.peerUrl, false).then(
    () => "ok",
    (error: Error) => error.message,
  );
  const rest = cluster.others(old);
  const next = await cluster.leader(rest);
  await until("the other leader's change", async () => {
    await next.connection.addMember(guest.peerUrl, false);
    return true;
  });
  const { members: seen } = await next.connection.members();
  const dropped = network.dropped(old.host);
  network.heal(old.host);
  const outcome = await lost;
  trial.proved(
    dropped > 0 && outcome !== "ok",
    `${old.name}, cut off, and ${next.name} each added a voter; ${dropped} packets dropped; the first: "${outcome}"`,
  );
  trial.hold(
    seen.some(({ peerURLs }) => peerURLs.includes(guest.peerUrl)),
    "S4: an acknowledged change of members is lost",
  );
  await trial.logged(old, "leader elected", { after: at });
  await sameMembers(trial, 4);
  const { members: now } = await old.connection.members();
  trial.hold(!now.some(({ peerURLs }) => peerURLs.includes(spare.peerUrl)), "S1: both changes are there");
  await cluster.removeMember(guest);
  await sameMembers(trial, 3);
  trial.healed();
}

async function promoteThenLose(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const fourth = await cluster.prepare("existing");
  await cluster.join(fourth);
  const leader = await cluster.leader();
  const { signal } = await leader.kill();
  const left = [...cluster.others(leader), fourth];
  const successor = await cluster.leader(left);
  await trial.writes(40);
  const { isLearner } = await fourth.connection.status();
  trial.proved(
    signal === "SIGKILL" && !isLearner,
    `${fourth.name} votes; ${leader.name} killed; ${successor.name} leads three of four`,
  );
  leader.start();
  await cluster.leader();
  await cluster.removeMember(fourth);
  const { code } = await fourth.ended();
  trial.hold(code === REMOVED, `the removed member ends with ${code}`);
  fourth.connection.close();
  trial.healed();
}

async function transfer(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const [target, other] = cluster.others(leader);
  const id = (await target!.connection.status()).header?.memberId ?? 0n;
  const { signal } = await target!.kill();
  const at = performance.now();
  const said = await leader.connection.moveLeader(id).then(
    () => "ok",
    (error: Error) => error.message,
  );
  must(said !== "ok", "a dead member does not take the office");
  await trial.writes(20, 3 * ELECTION_MS + 5000);
  trial.proved(
    signal === "SIGKILL",
    `office to ${target!.name}, dead: "${said}"; writes go on ${Math.round(performance.now() - at)} ms later`,
  );
  const again = await cluster.leader([leader, other!]);
  trial.hold(again === leader, `${again.name} leads, and not ${leader.name} again`);
  target!.start();
  await cluster.makeLead(target!);
  await trial.writes(20);
  trial.note(`later ${target!.name} took over under writes`);
  trial.healed();
}

/** Members. */
export const MEMBERSHIP: readonly Scenario[] = [
  {
    id: "F16",
    title: "remove the leader, replace a dead member, crash in a change",
    holds: "S1 S4",
    members: 3,
    run: replace,
  },
  { id: "F17", title: "two leaders change the members at once", holds: "S1", members: 3, run: changeTwice },
  {
    id: "F18",
    title: "promote a learner, then lose the leader",
    holds: "quorum available",
    members: 3,
    run: promoteThenLose,
  },
  {
    id: "F19",
    title: "transfer under writes, the target dead",
    holds: "fails clean, resumes",
    members: 3,
    run: transfer,
  },
];
