import { ClusterClient, MaintenanceClient, type MemberListResponse } from "@trireme/proto/etcdserverpb/rpc";
import { call, clientOf, sleepMs, within } from "./calls.ts";
import type { Coverage } from "./coverage.ts";
import type { Machine } from "./machine.ts";
import type { Scenario } from "./scenario.ts";
import type { World } from "./world/world.ts";

/** How long a request may take. */
const PATIENCE_MS = 8000;

/** A cluster keeps within these sizes; changes lead from one to another. */
const MOST_MEMBERS = 6;
const FEWEST_MEMBERS = 3;

/** Somebody who adds, promotes and removes members while everything else goes on. */
export class Members {
  private readonly world: World;
  private readonly coverage: Coverage;
  private readonly machines: () => readonly Machine[];
  /** Starts a machine that joins. */
  private readonly join: (number: number) => Machine;
  /** How often a promotion that comes to mind is asked for. */
  private readonly promotion: number;
  private next: number;
  stopped = false;

  constructor(options: {
    readonly world: World;
    readonly coverage: Coverage;
    readonly machines: () => readonly Machine[];
    readonly join: (number: number) => Machine;
    readonly scenario: Scenario;
  }) {
    this.world = options.world;
    this.coverage = options.coverage;
    this.machines = options.machines;
    this.join = options.join;
    this.promotion = options.scenario.promotion;
    this.next = options.scenario.founders + 1;
  }

  async run(): Promise<void> {
    const { work } = this.world.chance;
    // Members count as healthy some time after they connected; before that every change is refused.
    await sleepMs(4000);
    while (!this.stopped) {
      await sleepMs(500 + work.next() * 3000);
      const machine = this.any();
      if (machine === undefined) continue;
      const belonging = this.machines().filter(({ removed }) => !removed).length;
      const dice = work.next();
      if (dice < 0.45 && belonging < MOST_MEMBERS) await this.add(machine);
      else if (dice < 0.75 && belonging > FEWEST_MEMBERS) await this.remove(machine);
      else await this.promoteAny(machine);
      // Both halves of a replacement at once: one of them has to wait for the other.
      if (work.next() < 0.4) {
        const other = belonging < MOST_MEMBERS ? this.add(machine) : this.remove(machine);
        await Promise.all([other, this.promoteAny(machine)]);
      }
    }
  }

  private any(): Machine | undefined {
    const awake = this.machines().filter(({ isAwake }) => isAwake);
    return awake[this.world.chance.work.int(0, awake.length - 1)];
  }

  private async add(machine: Machine): Promise<void> {
    const number = this.next++;
    const joiner = this.join(number);
    const isLearner = this.world.chance.work.next() < 0.8;
    const request = { peerURLs: [joiner.peerUrl], isLearner };
    const answer = await call((done) =>
      clientOf(ClusterClient, machine).memberAdd(request, ...within(PATIENCE_MS), done),
    );
    if (answer.error === undefined) this.coverage.add("members added");
    // After a failure, too: it may have been added although nobody heard; else it does not find itself and waits.
    joiner.start();
  }

  private async promoteAny(machine: Machine): Promise<void> {
    if (this.world.chance.work.next() >= this.promotion) return;
    const list = await call<MemberListResponse>((done) =>
      clientOf(ClusterClient, machine).memberList({ linearizable: false }, ...within(PATIENCE_MS), done),
    );
    const learner = list.error === undefined ? list.response.members.find((each) => each.isLearner) : undefined;
    if (learner === undefined) return;
    const answer = await call((done) =>
      clientOf(ClusterClient, machine).memberPromote({ ID: learner.ID }, ...within(PATIENCE_MS), done),
    );
    if (answer.error === undefined) this.coverage.add("learners promoted");
  }

  private async remove(machine: Machine): Promise<void> {
    const { work } = this.world.chance;
    const list = await call<MemberListResponse>((done) =>
      clientOf(ClusterClient, machine).memberList({ linearizable: false }, ...within(PATIENCE_MS), done),
    );
    if (list.error !== undefined || list.response.members.length <= FEWEST_MEMBERS) return;
    const { members } = list.response;
    // The leader now and then: it has to hand over first.
    const leader = this.machines().find((each) => each.isLeader);
    const one = work.next() < 0.3 ? members.find(({ ID }) => ID === leader?.id) : undefined;
    const ID = (one ?? members[work.int(0, members.length - 1)]!).ID;
    const answer = await call((done) =>
      clientOf(ClusterClient, machine).memberRemove({ ID }, ...within(PATIENCE_MS), done),
    );
    if (answer.error === undefined) this.coverage.add("members removed");
  }

  /** Moves the leader to some other member. */
  async moveLeader(): Promise<void> {
    const leader = this.machines().find(({ isLeader, isAwake }) => isLeader && isAwake);
    const others = this.machines().filter((each) => each !== leader && each.app !== undefined);
    const target = others[this.world.chance.faults.int(0, others.length - 1)];
    if (leader === undefined || target === undefined) return;
    const request = { targetID: target.id };
    const answer = await call((done) =>
      clientOf(MaintenanceClient, leader).moveLeader(request, ...within(PATIENCE_MS), done),
    );
    if (answer.error === undefined) this.coverage.add("leadership transfers");
  }

  /** Lets a member write a snapshot and forget its log. */
  async defragment(machine: Machine): Promise<void> {
    await call((done) => clientOf(MaintenanceClient, machine).defragment({}, ...within(PATIENCE_MS), done));
  }
}
