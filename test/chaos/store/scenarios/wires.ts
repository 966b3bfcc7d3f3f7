import type { Member } from "../member.ts";
import type { Scenario } from "../scenario.ts";
import type { Trial } from "../trial.ts";
import { must, sleep } from "../waiting.ts";
import { ELECTION_MS } from "./crashes.ts";

/** A step-down is seen by ticks, one on either side. */
const TICKS_MS = 200;

/** Time for a fault to show what it does: some election timeouts. */
const WHILE_MS = 5 * ELECTION_MS;

async function cutOneFollower(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network } = cluster;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  const at = Date.now();
  network.cut(leader.host, [follower!.host]);
  await sleep(WHILE_MS);
  await trial.writes(20);
  const dropped = network.dropped(leader.host);
  trial.proved(dropped > 0, `${dropped} packets between ${leader.name} and ${follower!.name} dropped`);
  const changes = trial.leaders(at).size;
  trial.hold(changes <= 1, `S1: ${changes} changes of leader while the third member sees both`);
  trial.note(`${changes} changes of leader`);
  network.heal(leader.host);
  trial.healed();
}

async function deafenLeader(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network } = cluster;
  const leader = await cluster.leader();
  const at = Date.now();
  network.deafen(leader.host, cluster.hostsBut(leader));
  const line = await trial.logged(leader, "no leader", { after: at });
  const ms = line.at - at;
  const successor = await cluster.leader(cluster.others(leader));
  await trial.writes(20);
  const dropped = network.dropped(leader.host);
  trial.proved(
    dropped > 0,
    `${dropped} packets to ${leader.name} dropped; it stepped down after ${ms} ms, ${successor.name} leads`,
  );
  trial.hold(ms <= 2 * ELECTION_MS + TICKS_MS, `a deaf leader leads on for ${ms} ms, more than two election timeouts`);
  network.heal(leader.host);
  trial.healed();
}

/** Five members; two of them reach one other alone (Howard 2020): there is a leader that a majority reaches, and it stays. */
async function leaveOnePath(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network, members } = cluster;
  const leader = await cluster.leader();
  // The leader is one of the two: its office must go to somebody whom a majority reaches.
  const [hub, ...rest] = cluster.others(leader);
  const lonely = [leader, rest[0]!];
  for (const one of lonely) network.cut(one.host, cluster.hostsBut(one, hub!));
  const well = members.filter((member) => !lonely.includes(member));
  const successor = await cluster.leader(well);
  await sleep(ELECTION_MS);
  const at = Date.now();
  await sleep(WHILE_MS);
  await trial.writes(20);
  const dropped = lonely.map(({ host }) => network.dropped(host));
  trial.proved(
    dropped.every((packets) => packets > 0),
    `${dropped.join(" and ")} packets of ${lonely.map(({ name }) => name).join(" and ")} dropped; ${successor.name} leads`,
  );
  const changes = [...trial.leaders(at).keys()];
  trial.hold(changes.length === 0, `the leader is not stable: new terms ${changes.join(" ")}`);
  for (const { host } of lonely) network.heal(host);
  trial.healed();
}

async function isolateFollower(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const { network } = cluster;
  const leader = await cluster.leader();
  const [follower] = cluster.others(leader);
  const before = await termOf(leader);
  network.cut(follower!.host, cluster.hostsBut(follower!));
  const at = Date.now();
  await sleep(8 * ELECTION_MS);
  const dropped = network.dropped(follower!.host);
  await trial.logged(follower!, "no leader", { after: at });
  trial.proved(dropped > 0, `${dropped} packets of ${follower!.name} dropped; it knew no leader`);
  network.heal(follower!.host);
  trial.healed();
  await trial.logged(follower!, "leader elected", { after: at });
  await sleep(2 * ELECTION_MS);
  const after = await termOf(leader);
  trial.hold(after === before, `the term goes from ${before} to ${after} as an isolated member comes back`);
  const again = await cluster.leader();
  trial.hold(again === leader, `${again.name} leads instead of ${leader.name} as an isolated member comes back`);
}

async function termOf(member: Member): Promise<number> {
  const { raftTerm } = await member.connection.status();
  must(raftTerm > 0n, "a leader has a term");
  return Number(raftTerm);
}

/** Wires. */
export const WIRES: readonly Scenario[] = [
  {
    id: "F4",
    title: "cut leader and one follower; the third sees both",
    holds: "S1 <=1 change",
    members: 3,
    run: cutOneFollower,
  },
  { id: "F5", title: "a leader that can send and not hear", holds: "steps down <=2 ET", members: 3, run: deafenLeader },
  { id: "F6", title: "two of five reach one peer alone", holds: "stable leader", members: 5, run: leaveOnePath },
  { id: "F7", title: "an isolated follower comes back", holds: "no term bump", members: 3, run: isolateFollower },
];
