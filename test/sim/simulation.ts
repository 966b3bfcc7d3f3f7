import { KVClient } from "@trireme/proto/etcdserverpb/rpc";
import { call, clientOf, sleepMs, within } from "./calls.ts";
import { Clients, putOf } from "./clients.ts";
import { Coverage } from "./coverage.ts";
import { Faults } from "./faults.ts";
import { LeaseHolders } from "./lease-holders.ts";
import { Machine, peerAddressOf, watchPromises } from "./machine.ts";
import { Members } from "./members.ts";
import { Oracle } from "./oracle.ts";
import { drawScenario } from "./scenario.ts";
import { Watcher } from "./watchers.ts";
import { SimNetwork } from "./world/network.ts";
import { World, enter, must } from "./world/world.ts";

/** Faults end after this time, the run after that; in between everything has to come right again. */
const FAULTS_MS = 45_000;
const RUN_MS = 60_000;

/** L1: so long after the healing every member that is left serves writes. */
const RECOVERY_MS = 8000;

const WATCHERS = 3;

/** What a run came to. */
export interface Result {
  readonly seed: number;
  readonly violation: Error | undefined;
  readonly coverage: Coverage;
  /** The same for the same seed and the same program. */
  readonly traceHash: number;
  readonly steps: number;
  readonly undecided: number;
}

/** Runs one seed: sixty virtual seconds of a cluster's life. `tell` hears what the members log. */
export function simulate(seed: number, tell: (line: string) => void = () => undefined): Result {
  const world = new World(seed);
  enter(world);
  const scenario = drawScenario(seed, world.chance.scenario);
  const { founders, changesMembers } = scenario;
  world.network = new SimNetwork(world.chance.net, scenario.delayMs);
  const coverage = new Coverage();
  const oracle = new Oracle(coverage);
  const numbers = Array.from({ length: founders }, (_, at) => at + 1);
  const initialCluster = new Map(numbers.map((number) => [`m${number}`, peerAddressOf(number)]));
  const lifeOf = (id: bigint): number | undefined =>
    machines.find((machine) => machine.id === id && machine.host.up)?.host.life;
  const common = { world, oracle, coverage, tell, scenario, lifeOf };
  const machines: Machine[] = [];
  machines.push(...numbers.map((number) => new Machine({ ...common, number, initialCluster, joins: false })));
  const all = {
    world,
    oracle,
    coverage,
    machines: (): readonly Machine[] => machines.filter(({ removed }) => !removed),
  };
  watchPromises(oracle);
  world.afterStep = (host) => machines.find((machine) => machine.host === host)?.look();
  const join = (number: number): Machine => {
    // An operator names who is there now: founders may all be gone.
    const numbers = [...all.machines().map((machine) => machine.number), number];
    const known = new Map(numbers.map((one) => [`m${one}`, peerAddressOf(one)]));
    const machine = new Machine({ ...common, number, initialCluster: known, joins: true });
    machines.push(machine);
    return machine;
  };
  const members = new Members({ ...all, join, scenario });
  const clients = new Clients({ ...all, scenario });
  const watchers = Array.from({ length: WATCHERS }, (_, number) => new Watcher({ ...all, number }));
  const holders = new LeaseHolders(all);
  const faults = new Faults({ ...all, members, scenario });
  const guard = (task: Promise<void>): void => void task.catch((error: unknown) => world.fail(error));

  world.plan(0, () => {
    for (const machine of machines) machine.start();
    for (let i = 0; i < scenario.clients; i++) guard(clients.run());
    for (let i = 0; i < scenario.leaseHolders; i++) guard(holders.run());
    for (const watcher of watchers) guard(watcher.run());
    // Two at a time: changes of members must not meet in the log.
    for (let i = 0; changesMembers && i < 2; i++) guard(members.run());
    faults.start();
  });
  world.plan(FAULTS_MS, () => {
    members.stopped = true;
    holders.stopped = true;
    // Members that change are a minority of an unknown number.
    faults.heal(!changesMembers);
  });
  let due = 1;
  world.plan(FAULTS_MS + RECOVERY_MS, () => {
    // A watcher has the rest of the run to hear what has happened up to now, however fast the writes come.
    for (const watcher of watchers) watcher.hurries = true;
    due = oracle.model.revision;
    guard(checkServes(all.machines()));
  });
  world.runUntil(RUN_MS - 2000);
  clients.stopped = true;
  world.runUntil(RUN_MS);
  if (world.violation === undefined) {
    world.as(undefined, () => {
      checkEnd(all.machines(), oracle, clients, { watchers, due });
      holders.checkEnded(oracle);
      clients.check();
    });
  }
  const { counts } = world.network;
  coverage.add("messages lost", counts.lost);
  coverage.add("messages doubled", counts.doubled);
  coverage.add("messages reordered", counts.reordered);
  coverage.add("connections broken", counts.broken);
  const { violation, traceHash, steps } = world;
  return { seed, violation, coverage, traceHash, steps, undecided: clients.undecided };
}

/** L1: every voter takes a write. */
async function checkServes(machines: readonly Machine[]): Promise<void> {
  for (const machine of machines) {
    if (!machine.isSettled) continue;
    for (let attempt = 0; ; attempt++) {
      const kv = clientOf(KVClient, machine);
      const answer = await call((done) => kv.put(putOf("live", machine.host.name), ...within(1000), done));
      if (answer.error === undefined) break;
      must(attempt < 2, `L1: ${machine.host.name} takes no writes after the healing: ${answer.error.details}`);
      await sleepMs(100);
    }
  }
}

/** L1 and S7: everybody who is left holds everything that was ever acknowledged. */
function checkEnd(
  machines: readonly Machine[],
  oracle: Oracle,
  clients: Clients,
  { watchers, due }: { readonly watchers: readonly Watcher[]; readonly due: number },
): void {
  const settled = machines.filter((machine) => machine.isSettled);
  // Removals whose outcome nobody heard may have left one voter, which has nobody to be compared with.
  const voters = settled.find(({ isLeader }) => isLeader)?.raft?.status().conf.voters.length ?? 0;
  must(voters > 0, "L1: nobody leads");
  must(settled.length >= Math.min(2, voters), `L1: only ${settled.length} of ${voters} voters are left`);
  for (const { host, app } of settled) {
    const { appliedIndex } = app!.replica.store;
    must(appliedIndex === oracle.lastIndex, `L1: ${host.name} has applied ${appliedIndex} of ${oracle.lastIndex}`);
    oracle.adopted(app!.replica.store, "left");
  }
  must(oracle.model.revision >= clients.told, `S7: revision ${clients.told} was acknowledged and is gone`);
  for (const { seen } of watchers) {
    must(seen >= due, `L1: a watcher has seen ${seen} of ${due}`);
  }
}
