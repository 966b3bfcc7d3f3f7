import type { Scenario } from "../scenario.ts";
import type { Trial } from "../trial.ts";
import { sleep, until } from "../waiting.ts";

/** Of every member here, as its supervisor starts it. */
export const ELECTION_MS = 1000;

async function killLeader(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const at = Date.now();
  const { signal } = await leader.kill();
  const successor = await cluster.leader(cluster.others(leader));
  await trial.writes(40);
  const terms = [...trial.leaders(at).keys()];
  trial.proved(
    signal === "SIGKILL" && terms.length > 0,
    `${leader.name} ended by ${signal}; ${successor.name} leads term ${terms}`,
  );
  leader.start();
  trial.healed();
}

async function killAll(trial: Trial): Promise<void> {
  const { members } = trial.cluster;
  for (const member of members) process.kill(member.pid, "SIGKILL");
  const ends = await Promise.all(members.map((member) => member.ended()));
  trial.proved(
    ends.every(({ signal }) => signal === "SIGKILL"),
    `${ends.length} members ended by ${ends.map(({ signal }) => signal).join(", ")}`,
  );
  const order = members.toSorted(() => Math.random() - 0.5);
  for (const member of order) {
    member.start();
    await sleep(Math.random() * 500);
  }
  trial.note(`started as ${order.map(({ name }) => name).join(", ")}`);
  trial.healed();
}

async function freezeLeader(trial: Trial): Promise<void> {
  const { cluster, workload } = trial;
  const leader = await cluster.leader();
  leader.freeze();
  const state = await until(`${leader.name} to stand still`, () => leader.kernelState === "T" && "T");
  const key = workload.key("frozen");
  // Asked while it stands still, answered when it goes on: the answers must be as new as what was acknowledged meanwhile.
  const racing = Array.from({ length: 8 }, () => workload.read(leader, key, 10_000));
  const successor = await cluster.leader(cluster.others(leader));
  for (let i = 0; i < 20; i++) await workload.put(successor, key);
  await sleep(Math.max(0, 3 * ELECTION_MS - 1500));
  trial.proved(leader.kernelState === "T", `${leader.name} in state ${state}, ${successor.name} leads`);
  leader.thaw();
  const more = Array.from({ length: 8 }, () => workload.read(leader, key, 10_000));
  trial.healed();
  const answers = await Promise.all([...racing, ...more]);
  trial.note(`${answers.filter(({ kind }) => kind === "ok").length} of 16 racing reads answered`);
}

/** Crash and pause. */
export const CRASHES: readonly Scenario[] = [
  { id: "F1", title: "kill -9 the leader under load", holds: "S7 S8 W1-6", members: 3, run: killLeader },
  { id: "F2", title: "kill -9 all, start in random order", holds: "S6 S7", members: 3, run: killAll },
  { id: "F3", title: "SIGSTOP the leader, reads racing its return", holds: "S8", members: 3, run: freezeLeader },
];
