import type { Prng } from "@trireme/base";
import type { Coverage } from "./coverage.ts";
import { FASTEST_RATE } from "./lease-holders.ts";
import type { Machine } from "./machine.ts";
import type { Members } from "./members.ts";
import type { Scenario } from "./scenario.ts";
import type { World } from "./world/world.ts";

/** Kinds of faults. */
export type Fault =
  | "kill"
  | "powerLoss"
  | "allDown"
  | "pause"
  | "partition"
  | "isolation"
  | "weather"
  | "disk"
  | "failedSync"
  | "clock"
  | "transfer"
  | "snapshot";

/** Brings faults over a cluster, at moments and in kinds that the seed draws. */
export class Faults {
  private readonly world: World;
  private readonly coverage: Coverage;
  private readonly machines: () => readonly Machine[];
  private readonly members: Members;
  private readonly prng: Prng;
  private readonly scenario: Scenario;
  private healed = false;

  constructor(options: {
    readonly world: World;
    readonly coverage: Coverage;
    readonly machines: () => readonly Machine[];
    readonly members: Members;
    readonly scenario: Scenario;
  }) {
    this.world = options.world;
    this.coverage = options.coverage;
    this.machines = options.machines;
    this.members = options.members;
    this.prng = options.world.chance.faults;
    this.scenario = options.scenario;
  }

  start(): void {
    this.world.plan(1500, () => this.next());
  }

  private next(): void {
    if (this.healed) return;
    const { faults, paceMs } = this.scenario;
    this.bring(faults[this.prng.int(0, faults.length - 1)]!);
    this.world.plan(100 + this.prng.next() * paceMs, () => this.next());
  }

  private bring(kind: Fault): void {
    const { prng, world } = this;
    const machine = this.pick();
    if (machine === undefined) return;
    switch (kind) {
      case "kill":
      case "powerLoss":
        this.soon(machine, () =>
          this.crash(machine, kind === "powerLoss", prng.next() < 0.6 ? prng.next() * 500 : prng.next() * 6000),
        );
        return;
      case "allDown":
        for (const each of this.machines()) this.crash(each, prng.next() < 0.7, prng.next() * 2000);
        return;
      case "pause":
        this.soon(machine, () =>
          this.pause(machine, 50 + (prng.next() < 0.5 ? prng.next() * 1500 : prng.next() * 6000)),
        );
        return;
      case "partition":
        this.partition();
        return;
      case "isolation":
        this.isolate(machine);
        return;
      case "weather":
        this.changeWeather();
        return;
      case "disk":
        this.trouble(machine);
        return;
      case "failedSync":
        machine.host.disk.failNextSync = true;
        return;
      case "clock":
        this.coverage.add("clock jumps");
        machine.host.drift(world.now, 1 / FASTEST_RATE + prng.next() * (FASTEST_RATE - 1 / FASTEST_RATE));
        machine.host.wallOffset = (prng.next() - 0.5) * 7_200_000;
        return;
      case "transfer":
        void this.members.moveLeader();
        return;
      case "snapshot":
        if (machine.isAwake) void this.members.defragment(machine);
    }
  }

  /** Often the leader, mostly: most that can go wrong goes wrong there. */
  private pick(): Machine | undefined {
    const { prng } = this;
    const leader =
      prng.next() < this.scenario.leaderBias ? this.machines().find(({ isLeader }) => isLeader) : undefined;
    const up = this.machines().filter(({ host }) => host.up);
    return leader ?? up[prng.int(0, up.length - 1)];
  }

  /** After some of its next steps: in the middle of what it does, and not only when it has nothing to do. */
  private soon(machine: Machine, act: () => void): void {
    machine.host.ambush = { steps: this.prng.int(1, 200), act };
  }

  private crash(machine: Machine, powerLoss: boolean, downMs: number): void {
    if (!machine.host.up) return;
    this.coverage.add("crashes");
    if (powerLoss) this.coverage.add("power losses");
    machine.down(powerLoss);
    this.world.plan(downMs, () => {
      this.coverage.add("restarts");
      machine.start();
    });
  }

  private pause(machine: Machine, ms: number): void {
    if (!machine.isAwake) return;
    this.coverage.add("pauses");
    machine.host.pausedUntil = this.world.now + ms;
  }

  private partition(): void {
    const { prng, world } = this;
    const { network } = world;
    const hosts = this.machines().map(({ host }) => host);
    const leader = this.machines().find(({ isLeader }) => isLeader)?.host ?? hosts[prng.int(0, hosts.length - 1)]!;
    network.healAll();
    const kind = prng.int(0, 5);
    // The leader and those whose answers do not count.
    const learners = this.machines().filter(({ app }) => app?.replica.isLearner === true);
    const withLeader = new Set([leader, ...learners.map(({ host }) => host)]);
    const side = new Set(hosts.filter(() => prng.next() < 0.5));
    for (const a of hosts) {
      for (const b of hosts) {
        if (a === b) continue;
        const cut = [
          a === leader || b === leader,
          a === leader,
          b === leader,
          side.has(a) !== side.has(b),
          prng.next() < 0.3,
          withLeader.has(a) !== withLeader.has(b),
        ][kind];
        if (cut === true) network.cut(a, b);
      }
    }
    this.coverage.add("partitions");
    if (kind === 1 || kind === 2) this.coverage.add("one-way partitions");
    world.plan(prng.next() < 0.5 ? prng.next() * 1500 : prng.next() * 8000, () => network.healAll());
  }

  /**
   * One member is cut off, from everybody or from the leader alone, and comes back; all the others see each other (F4, F7 of
   * the reliability checklist).
   */
  private isolate(machine: Machine): void {
    const { prng, world } = this;
    const { network } = world;
    const others = this.machines().filter((each) => each !== machine);
    const fromAll = prng.next() < 0.5;
    network.healAll();
    for (const other of others) {
      if (!fromAll && !other.isLeader) continue;
      network.cut(machine.host, other.host);
      network.cut(other.host, machine.host);
    }
    this.coverage.add("isolations");
    world.plan(1000 + prng.next() * 8000, () => network.healAll());
  }

  private changeWeather(): void {
    const { prng } = this;
    const { network } = this.world;
    const bad = (most: number): number => (prng.next() < 0.5 ? prng.next() * most : 0);
    network.weather = {
      loss: bad(0.3),
      doubling: bad(0.3),
      reordering: bad(0.3),
      delayMs: prng.next() < 0.5 ? network.fairDelayMs : prng.next() * 30,
    };
  }

  private trouble(machine: Machine): void {
    const { prng, world } = this;
    const { disk } = machine.host;
    if (prng.next() < 0.5) {
      this.coverage.add("disk hangs");
      disk.hungUntil = world.now + 200 + prng.next() * 5000;
    } else {
      disk.syncMs = 0.5 * 10 ** (prng.next() * 2.5);
    }
  }

  /** From now on nothing goes wrong any more; with `buries`, sometimes a minority is dead for ever. */
  heal(buries: boolean): void {
    this.healed = true;
    const { network } = this.world;
    network.healAll();
    network.clearUp();
    if (buries && this.prng.next() < 0.5) this.bury();
    for (const machine of this.machines()) {
      const { host } = machine;
      host.disk.syncMs = 0.5;
      host.disk.hungUntil = 0;
      host.disk.failNextSync = false;
      host.pausedUntil = 0;
      host.ambush = undefined;
      this.world.plan(10, () => machine.start());
    }
  }
  /** What is left of a majority has to do: nobody may wait for what only the dead could say. */
  private bury(): void {
    const left = [...this.machines()];
    for (let dead = Math.floor((left.length - 1) / 2); dead > 0; dead--) {
      left.splice(this.prng.int(0, left.length - 1), 1)[0]!.bury();
    }
  }
}
