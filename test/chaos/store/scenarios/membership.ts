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

  const leader = await cluster.leader();
  const spare = await cluster.prepare("existing");
  await workload.pause();
  const write = await Trace.hold(leader, "pwrite64", "before");
  const added = leader.connection.addMember(spare.peerUrl, true).then(
    () => "ok",
    (error: Error) => error.message,
  );
  await write.held();
  await write.killHeld();
  trial.proved(true, `${leader.name} died with a change of members unwritten ("${await added}")`);
  leader.start();
  await cluster.leader();
  workload.resume();
  // The others had it from the wire: it may have happened. Everybody agrees whether it did.
  const count = await sameMembers(trial);
  if (count > 3) await cluster.removeMember(spare);
  await sameMembers(trial, 3);
  trial.healed();
}

/** Everybody tells one membership, of so many if that is said; answers of how many. */
async function sameMembers(trial: Trial, count?: number): Promise<number> {
  const { members } = trial.cluster;
  return until("one membership", async () => {
    const lists = await Promise.all(members.map(async (member) => (await member.connection.members()).members));
    const texts = lists.map((list) =>
      list
        .map(({ ID, isLearner }) => `${ID}${isLearner}`)
        .toSorted()
        .join(" "),
    );
    const told = lists[0]!.length;
    return new Set(texts).size === 1 && (count ?? told) === told && told;
  });
}

/** Two leaders change the members at once (Ongaro 2015): one adds a voter, the other removes the first. One change never was. */
async function changeTwice(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network } = cluster;
  const old = await cluster.leader();
  const spare = await cluster.prepare("existing");
  network.cut(old.host, cluster.hostsBut(old));
  // It takes the change into its log, since it has not yet noticed.
  const lost = old.connection.addMember(spare.peerUrl, false).then(
    () => "ok",
    (error: Error) => error.message,
  );
  const rest = cluster.others(old);
  await cluster.leader(rest);
  await cluster.removeMember(old);
  await trial.writes(20);
  const dropped = network.dropped(old.host);
  const outcome = await lost;
  network.heal(old.host);
  trial.proved(
    dropped > 0 && /timed out|no leader|leader changed|DEADLINE/i.test(outcome),
    `${old.name}, cut off (${dropped} packets), added a voter ("${outcome}") while the others removed ${old.name}`,
  );
  const { code } = await old.ended();
  trial.hold(code === REMOVED, `the removed member ends with ${code}`);
  const { members } = await rest[0]!.connection.members();
  const urls = members.map(({ peerURLs }) => peerURLs[0]).toSorted();
  const expected = rest.map(({ peerUrl }) => peerUrl).toSorted();
  trial.hold(urls.join(" ") === expected.join(" "), `S1: the members are ${urls.join(" ")}`);
  await cluster.join(old);
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
  // The fourth may lead until it is removed.
  await cluster.leader([...cluster.members, fourth]);
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
