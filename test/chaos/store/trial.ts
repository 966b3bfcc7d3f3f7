import type { Cluster } from "./cluster.ts";
import { type Judgement, Truth, judge } from "./history.ts";
import { LeaseHolders } from "./lease-holders.ts";
import type { LogLine, Member } from "./member.ts";
import { Violation, must, until } from "./waiting.ts";
import { Watcher, readChanges } from "./watchers.ts";
import { Workload } from "./workload.ts";

/** Acknowledged writes before a fault: with fewer it would prove nothing. */
const WARM_WRITES = 40;

/** Longer than the store itself takes to give up, so that its own answer is heard. */
const SETTLE_MS = 8000;

/** Clocks on one machine differ by nothing; a little for rounding. */
const SAME_CLOCKS = 1.01;

/** What no member may ever log. */
const NEVER = /assert|unhandled|uncaught|TypeError|members differ|corrupt/i;

/** What one scenario came to. */
export interface Result extends Judgement {
  readonly proofs: readonly string[];
  readonly notes: readonly string[];
  readonly recoveredMs: number;
  readonly longestGapMs: number;
  readonly watched: number;
}

/** One scenario's run: clients, watchers and lease holders around a fault, and what is held against their history. */
export class Trial {
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly leases: LeaseHolders;
  readonly watchers: Watcher[];
  readonly prefix: string;
  private readonly truth = new Truth();
  private readonly proofs: string[] = [];
  private readonly notes: string[] = [];
  private readonly violations: string[] = [];
  private readonly startRevision: number;
  /** How much each member had logged when the trial began. */
  private readonly marks: Map<Member, number>;
  private known: number;
  private healedAt: number | undefined;
  private recoveredMs = 0;

  private constructor(cluster: Cluster, prefix: string, revision: number, clockRate: number) {
    this.cluster = cluster;
    this.prefix = prefix;
    this.startRevision = revision + 1;
    this.known = revision;
    this.marks = new Map(cluster.members.map((member) => [member, member.log().length]));
    const members = (): readonly Member[] => cluster.members;
    this.workload = new Workload(`${prefix}k`, members);
    this.leases = new LeaseHolders(`${prefix}l`, members, clockRate);
    const from = this.startRevision;
    this.watchers = [
      ...cluster.members.map(
        (member) => new Watcher({ name: `the watcher at ${member.name}`, prefix, from, members: () => [member] }),
      ),
      new Watcher({ name: "the watcher that wanders", prefix, from, members }),
    ];
  }

  /** Begins: all is well, and clients are at work. */
  static async begin(cluster: Cluster, prefix: string, clockRate = SAME_CLOCKS): Promise<Trial> {
    const leader = await cluster.leader();
    const { header } = await leader.connection.range("nothing");
    const trial = new Trial(cluster, prefix, Number(header?.revision), clockRate);
    await trial.writes(WARM_WRITES);
    return trial;
  }

  /** Resolves when so many more writes have been acknowledged. */
  async writes(count: number, patienceMs?: number): Promise<void> {
    const target = this.workload.acknowledged + count;
    await until(`${count} more writes`, () => this.workload.acknowledged >= target, patienceMs);
  }

  /** Says that the fault happened, and how that is known. */
  proved(condition: unknown, what: string): void {
    must(condition, `the fault did not happen: ${what}`);
    this.proofs.push(what);
  }

  note(what: string): void {
    this.notes.push(what);
  }

  /** Says that an invariant must hold, and goes on. */
  hold(condition: unknown, what: string): void {
    if (condition === false || condition === undefined) this.violations.push(what);
  }

  /** The fault is over. */
  healed(): void {
    this.healedAt = performance.now();
  }

  /** Lines that a member has logged in this trial. */
  logOf(member: Member): readonly LogLine[] {
    return member.log().slice(this.marks.get(member) ?? 0);
  }

  /** Waits for a line of this trial, or of the part of it behind `after` (milliseconds since 1970). */
  logged(member: Member, message: string, options: { after?: number; patienceMs?: number } = {}): Promise<LogLine> {
    const { after = 0, patienceMs } = options;
    return until(
      `"${message}" in the log of ${member.name}`,
      () => this.logOf(member).find(({ msg, at }) => msg.startsWith(message) && at >= after),
      patienceMs,
    );
  }

  /** Who led from when on, by term, as the members tell it. S1: one leader a term. */
  leaders(after = 0): Map<number, string> {
    const byTerm = new Map<number, string>();
    for (const member of this.cluster.members) {
      for (const line of this.logOf(member)) {
        if (line.msg !== "leader elected") continue;
        const [term, leader] = [Number(line["term"]), String(line["leader"])];
        const known = byTerm.get(term);
        must(known === undefined || known === leader, `S1: ${known} and ${leader} lead in term ${term}`);
        byTerm.set(term, leader);
      }
    }
    if (after === 0) return byTerm;
    const recent = new Set(
      this.cluster.members.flatMap((member) =>
        this.logOf(member).flatMap((line) =>
          line.msg === "leader elected" && line.at >= after ? [Number(line["term"])] : [],
        ),
      ),
    );
    return new Map([...byTerm].filter(([term]) => recent.has(term)));
  }

  /** Takes down what has happened so far, from every member that can tell it, so that it may be compacted. */
  async remember(members = this.cluster.members): Promise<number> {
    const { header } = await (await this.cluster.leader()).connection.range("nothing");
    const revision = Number(header?.revision);
    const [first, ...others] = await Promise.all(
      members.map((member) =>
        until(`${member.name} to tell its history`, () => readChanges(member, this.prefix, this.known + 1, revision)),
      ),
    );
    for (const other of others) {
      must(JSON.stringify(other) === JSON.stringify(first), `S5: members tell two histories up to ${revision}`);
    }
    this.truth.add(first ?? []);
    this.known = revision;
    return revision;
  }

  /** Compacts all that is known, or up to `revision`. */
  async compact(revision: number): Promise<void> {
    must(revision <= this.known, "what is compacted has been remembered");
    await (await this.cluster.leader()).connection.compact(revision);
  }

  /** L1: every member answers, writes, and is as far as the others. */
  private async settle(): Promise<void> {
    for (const member of this.cluster.members) {
      try {
        await until(`${member.name} to write`, async () => {
          const key = this.workload.key(`settle-${member.name}`);
          const outcome = await this.workload.put(member, key, { timeoutMs: SETTLE_MS });
          return outcome.kind === "ok";
        });
      } catch (error) {
        throw new Violation(`${(error as Error).message}; ${await this.cluster.describe()}`);
      }
    }
    if (this.healedAt !== undefined) this.recoveredMs = performance.now() - this.healedAt;
  }

  /** Ends the clients and judges what they were told. */
  async finish(): Promise<Result> {
    await this.settle();
    await this.workload.stop();
    await this.leases.stop();
    const revision = await this.remember();
    await until("every watcher to be told everything", () =>
      this.watchers.every((watcher) => watcher.revision >= this.lastChange()),
    );
    await this.abandon();
    const hashes = await Promise.all(
      this.cluster.members.map(async (member) => (await member.connection.hash(revision)).hash),
    );
    this.hold(new Set(hashes).size === 1, `S5: hashes differ at revision ${revision}: ${hashes.join(" ")}`);
    this.leaders();
    this.terms();
    this.complaints();
    const { changes } = this.truth;
    for (const watcher of this.watchers) this.violations.push(...watcher.judge(changes, revision));
    this.violations.push(...this.leases.judge(this.watchers.flatMap((watcher) => watcher.deletions())));
    const judgement = judge(this.workload.ops, this.truth);
    const watched = this.watchers.reduce((sum, { resumed }) => sum + resumed, 0);
    return {
      ...judgement,
      violations: [...this.violations, ...judgement.violations],
      proofs: this.proofs,
      notes: this.notes,
      recoveredMs: this.recoveredMs,
      longestGapMs: this.workload.longestGapMs,
      watched,
    };
  }

  /** Stops clients and watchers, whatever the state. */
  async abandon(): Promise<void> {
    await Promise.all([this.workload.stop(), this.leases.stop(), ...this.watchers.map((watcher) => watcher.stop())]);
  }

  private lastChange(): number {
    return this.truth.changes.at(-1)?.revision ?? 0;
  }

  /** S6: what a member knows of terms when it starts is not less than what it had said before. */
  private terms(): void {
    for (const member of this.cluster.members) {
      let term = 0;
      for (const line of this.logOf(member)) {
        const said = Number(line["term"] ?? 0);
        // A member that lost its disk and its place is another member.
        if (line.msg === "joining") term = 0;
        if (line.msg === "log recovered") {
          this.hold(said >= term, `S6: ${member.name} starts in term ${said} after it had been in ${term}`);
        }
        // Who leads has voted, and said so. Who only hears of a leader has promised nothing yet.
        if (line.msg === "leader elected" && line["role"] === "leader") term = Math.max(term, said);
      }
    }
  }

  private complaints(): void {
    for (const member of this.cluster.members) {
      const bad = this.logOf(member).find(
        ({ text, level }) => (level === "error" || level === "none") && NEVER.test(text),
      );
      this.hold(bad === undefined, `${member.name} says: ${bad?.text.slice(0, 400)}`);
    }
  }
}
