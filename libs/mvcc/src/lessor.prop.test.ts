import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Lessor, MAX_EXPIRIES_PER_SECOND } from "./lessor.ts";
import { MvccStore } from "./store.ts";

/*
 * Goal: T1, a lease never ends before its time and never lives after it was revoked, whoever leads.
 * Method: three members share one replicated state (what is proposed is applied at once, or is lost with the office); one
 * leads at a time, except that a deposed leader goes on renewing for up to an election timeout, as it may until it
 * notices. What holders were promised is written down and compared with every end.
 */

const ELECTION_MS = 1000;
const MEMBERS = 3;
const CHECKPOINT_MS = 1500;

type Step =
  | { readonly do: "grant"; readonly lease: number; readonly ttl: number }
  | { readonly do: "renew"; readonly lease: number; readonly byDeposed: boolean }
  | { readonly do: "revoke"; readonly lease: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "elect"; readonly member: number };

const lease = fc.integer({ min: 1, max: 8 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("grant" as const), lease, ttl: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("renew" as const), lease, byDeposed: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("revoke" as const), lease }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: 4000 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("elect" as const), member: fc.nat(MEMBERS - 1) }) },
);

class World {
  now = 5_000;
  readonly store = new MvccStore();
  readonly promised = new Map<bigint, number>();
  ends = 0;
  notes = 0;
  private readonly lessors = Array.from({ length: MEMBERS }, () => new Lessor(this.store, CHECKPOINT_MS));
  private leader = 0;
  private deposed: { member: number; until: number; noted: Set<bigint> } | undefined;

  constructor() {
    this.lessors[0]!.promote(this.now, ELECTION_MS);
  }

  run(each: Step): void {
    switch (each.do) {
      case "grant": {
        const id = BigInt(each.lease);
        if (this.apply({ type: "leaseGrant", id, ttl: each.ttl }) !== undefined) return;
        // A deposed leader does not hear of it: with the first entry of the new term it would know that it is deposed.
        this.lessors[this.leader]!.granted(id, this.now);
        this.promised.set(id, this.now + each.ttl * 1000);
        return;
      }
      case "renew":
        this.renew(BigInt(each.lease), each.byDeposed);
        return;
      case "revoke":
        this.revoke(BigInt(each.lease));
        return;
      case "wait":
        // The shell looks at the leases ten times a second.
        for (const until = this.now + each.ms; this.now < until;) {
          this.now = Math.min(until, this.now + 100);
          this.expire();
        }
        return;
      case "elect":
        if (each.member === this.leader) return;
        this.deposed = { member: this.leader, until: this.now + ELECTION_MS, noted: this.noted() };
        this.leader = each.member;
        this.lessors[each.member]!.promote(this.now, ELECTION_MS);
    }
  }

  private renew(id: bigint, byDeposed: boolean): void {
    if (this.deposed !== undefined && this.now >= this.deposed.until) {
      this.lessors[this.deposed.member]!.demote();
      this.deposed = undefined;
    }
    const member = byDeposed && this.deposed !== undefined ? this.deposed.member : this.leader;
    const exists = this.store.leases.has(id);
    // A deposed leader does not hear either that the new one took back what was noted.
    if (member !== this.leader && this.deposed!.noted.has(id)) return;
    if (this.lessors[member]!.isNoted(id)) {
      // A deposed leader's entry is void: it cannot take back what is noted.
      if (member !== this.leader) return;
      this.apply({ type: "leaseCheckpoint", leases: [{ id, remaining: 0 }] });
      this.lessors[member]!.unnoted(id);
    }
    const ttl = this.lessors[member]!.renew(id, this.now);
    if (ttl === undefined) return;
    expect(exists, `lease ${id} was renewed after its end`).toBe(true);
    this.promised.set(id, Math.max(this.promised.get(id)!, this.now + ttl * 1000));
  }

  private noted(): Set<bigint> {
    const noted = this.store.leases.list().filter(({ remaining }) => remaining !== undefined);
    return new Set(noted.map(({ id }) => id));
  }

  private expire(): void {
    const left = this.lessors[this.leader]!.checkpoints(this.now);
    if (left.length > 0) this.apply({ type: "leaseCheckpoint", leases: left });
    this.notes += left.length;
    for (const id of this.lessors[this.leader]!.due(this.now)) {
      expect(this.now, `lease ${id} ends before its time`).toBeGreaterThanOrEqual(this.promised.get(id)!);
      this.revoke(id);
      this.ends += 1;
    }
  }

  private revoke(id: bigint): void {
    if (this.apply({ type: "leaseRevoke", id }) !== undefined) return;
    for (const lessor of this.lessors) lessor.revoked(id);
    this.promised.delete(id);
  }

  private apply(command: Parameters<MvccStore["apply"]>[1]): Error | undefined {
    return this.store.apply(this.store.appliedIndex + 1, command).error;
  }
}

describe("Lessor", () => {
  it("T1: no lease ends before its time, whoever leads, and all end in the end (B18, B19)", () => {
    let ends = 0;
    let notes = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 80, size: "max" }), (steps) => {
        const world = new World();
        for (const each of steps) world.run(each);
        world.run({ do: "wait", ms: 9_000 + ELECTION_MS + 1000 });
        expect(world.store.leases.size).toBe(0);
        ends += world.ends;
        notes += world.notes;
      }),
      { numRuns: 300 },
    );
    expect(ends, "a run without an end proves nothing").toBeGreaterThan(300);
    expect(notes, "nor does one without checkpoints").toBeGreaterThan(100);
  });

  it("F21: ten thousand leases that end together end at a bounded rate, also after a change of leader", () => {
    for (const failover of [false, true]) {
      const store = new MvccStore();
      const [one, two] = [new Lessor(store), new Lessor(store)];
      one.promote(0, ELECTION_MS);
      for (let id = 1n; id <= 10_000n; id++) {
        store.apply(store.appliedIndex + 1, { type: "leaseGrant", id, ttl: 5 });
        one.granted(id, 0);
      }
      const lessor = failover ? two : one;
      if (failover) {
        one.demote();
        two.promote(1000, ELECTION_MS);
      }
      const first = failover ? 1000 + ELECTION_MS + 5000 : 5000;
      const perSecond = new Map<number, number>();
      let ended = 0;
      for (let now = 1000; now < 40_000; now += 100) {
        const due = lessor.due(now);
        if (now < first) expect(due).toEqual([]);
        ended += due.length;
        const second = Math.floor(now / 1000);
        perSecond.set(second, (perSecond.get(second) ?? 0) + due.length);
        for (const id of due) {
          store.apply(store.appliedIndex + 1, { type: "leaseRevoke", id });
          lessor.revoked(id);
        }
      }
      expect(ended).toBe(10_000);
      // A new leader spreads them: what ends by itself meanwhile must find room under the most.
      expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(failover ? 800 : MAX_EXPIRIES_PER_SECOND);
      expect(store.leases.size).toBe(0);
    }
  });

  it("gives a new leader what was left at the last checkpoint, so that no change of leader makes a lease live for ever", () => {
    const store = new MvccStore();
    const apply = (command: Parameters<MvccStore["apply"]>[1]) => store.apply(store.appliedIndex + 1, command);
    apply({ type: "leaseGrant", id: 1n, ttl: 900 });
    apply({ type: "leaseGrant", id: 2n, ttl: 60 });
    let now = 0;
    for (let leader = 0; leader < 3; leader++) {
      const lessor = new Lessor(store);
      lessor.promote(now, ELECTION_MS);
      expect(lessor.checkpoints(now)).toEqual([]);
      now += 300_400;
      const left = lessor.checkpoints(now);
      // Short leases are not worth an entry, and what is nearly over ends before the next checkpoint.
      expect(left).toEqual(leader < 2 ? [{ id: 1n, remaining: 601 - 299 * leader }] : []);
      apply({ type: "leaseCheckpoint", leases: left });
    }
    const last = new Lessor(store);
    last.promote(now, ELECTION_MS);
    expect(last.remainingMs(1n, now)).toBe(302_000 + ELECTION_MS);
    expect([last.isNoted(1n), last.isNoted(2n)]).toEqual([true, false]);
    expect(() => last.renew(1n, now)).toThrow("taken back");
    apply({ type: "leaseCheckpoint", leases: [{ id: 1n, remaining: 0 }] });
    last.unnoted(1n);
    expect([last.renew(1n, now), last.remainingMs(1n, now)]).toEqual([900, 900_000]);
  });

  it("gives the whole time also where the taking back was in the new leader's log, and not yet in its state (T1)", () => {
    const store = new MvccStore();
    const apply = (command: Parameters<MvccStore["apply"]>[1]) => store.apply(store.appliedIndex + 1, command);
    apply({ type: "leaseGrant", id: 1n, ttl: 900 });
    apply({ type: "leaseCheckpoint", leases: [{ id: 1n, remaining: 100 }] });
    const takeBack = (lessor: Lessor): void => {
      apply({ type: "leaseCheckpoint", leases: [{ id: 1n, remaining: 0 }] });
      lessor.takenBack(1n);
    };
    const prompt = new Lessor(store);
    prompt.promote(0, ELECTION_MS);
    takeBack(prompt);
    expect([prompt.due(101_000), prompt.remainingMs(1n, 0)]).toEqual([[], 900_000 + ELECTION_MS]);

    // Without a majority for so long that what was noted is over: its end is not in the log, and does not come there.
    apply({ type: "leaseCheckpoint", leases: [{ id: 1n, remaining: 100 }] });
    const late = new Lessor(store);
    late.promote(0, ELECTION_MS);
    expect(late.due(101_000)).toEqual([1n]);
    takeBack(late);
    expect([late.stillDue(1n, 101_100), late.isExpiring(1n), late.due(110_000)]).toEqual([false, false, []]);
    late.unnoted(1n);
    expect(late.renew(1n, 110_000)).toBe(900);
    expect(late.due(1_010_000)).toEqual([1n]);
    expect(late.stillDue(1n, 1_010_000)).toBe(true);
    // From then on nothing saves it.
    takeBack(late);
    expect([late.stillDue(1n, 1_010_001), late.renew(1n, 1_010_001)]).toEqual([true, undefined]);
  });

  it("hands a lease out again while its revocation does not come about, and renews it no more", () => {
    const store = new MvccStore();
    const lessor = new Lessor(store);
    lessor.promote(0, 0);
    store.apply(1, { type: "leaseGrant", id: 1n, ttl: 2 });
    lessor.granted(1n, 0);
    expect([lessor.due(1999), lessor.remainingMs(1n, 1500)]).toEqual([[], 500]);
    expect(lessor.due(2000)).toEqual([1n]);
    expect([lessor.renew(1n, 2100), lessor.isExpiring(1n), lessor.due(4000)]).toEqual([undefined, true, []]);
    expect(lessor.due(5000)).toEqual([1n]);
    // Another leader starts anew: nobody was told that the lease had ended.
    const next = new Lessor(store);
    next.promote(5000, 1000);
    expect(next.renew(1n, 7500)).toBe(2);
    expect(next.due(9000)).toEqual([]);
    expect(next.due(9500)).toEqual([1n]);
  });

  it("an id that is granted again begins anew: neither its old turn nor what was noted of its old life counts", () => {
    const { lessor, apply } = leading();
    const grant = (ttl: number, now: number): void => {
      apply({ type: "leaseGrant", id: 1n, ttl });
      lessor.granted(1n, now);
    };
    const revoke = (): void => {
      apply({ type: "leaseRevoke", id: 1n });
      lessor.revoked(1n);
    };
    grant(2, 0);
    revoke();
    grant(900, 1000);
    expect(lessor.due(2000)).toEqual([]);
    expect(lessor.checkpoints(300_000)).toEqual([{ id: 1n, remaining: 601 }]);
    expect(lessor.isNoted(1n)).toBe(true);
    revoke();
    grant(5, 301_000);
    expect([lessor.isNoted(1n), lessor.renew(1n, 302_000)]).toEqual([false, 5]);
    expect(lessor.due(307_000)).toEqual([1n]);
    revoke();
    grant(5, 308_000);
    expect([lessor.isExpiring(1n), lessor.renew(1n, 309_000), lessor.remainingMs(1n, 400_000)]).toEqual([false, 5, 0]);
  });

  it("notes leases in entries of bounded size, but none that is about to be renewed, and none of an earlier office", () => {
    const { lessor, apply } = leading();
    for (let id = 1n; id <= 2500n; id++) {
      apply({ type: "leaseGrant", id, ttl: 900 });
      lessor.granted(id, 0);
    }
    const sizes = [300_000, 300_100, 300_200, 300_300].map((now) => {
      const left = lessor.checkpoints(now);
      lessor.keepUnnoted(2500n);
      return left.length;
    });
    expect(sizes).toEqual([1000, 1000, 499, 0]);
    expect([lessor.isNoted(2499n), lessor.isNoted(2500n)]).toEqual([true, false]);
    expect(lessor.checkpoints(600_000)).toEqual([]);
    expect(lessor.renew(2500n, 600_000)).toBe(900);
    lessor.promote(600_000, ELECTION_MS);
    expect(lessor.checkpoints(900_000)).toHaveLength(1000);
    lessor.demote();
    lessor.promote(900_000, ELECTION_MS);
    expect([lessor.checkpoints(900_100), lessor.isNoted(1n)]).toEqual([[], false]);
  });

  it("holds a lease as noted from the moment it was named until the state says otherwise", () => {
    const { lessor, apply } = leading();
    apply({ type: "leaseGrant", id: 1n, ttl: 900 });
    lessor.granted(1n, 0);
    const leases = lessor.checkpoints(300_000);
    // Not yet applied: another leader may still come to believe it.
    expect(() => lessor.renew(1n, 300_100)).toThrow("taken back");
    apply({ type: "leaseCheckpoint", leases });
    lessor.unnoted(1n);
    expect(lessor.isNoted(1n)).toBe(true);
    apply({ type: "leaseCheckpoint", leases: [{ id: 1n, remaining: 0 }] });
    expect(lessor.isNoted(1n)).toBe(true);
    lessor.unnoted(1n);
    expect([lessor.isNoted(1n), lessor.renew(1n, 300_200)]).toEqual([false, 900]);
  });

  it("begins each office anew: what was due or queued in an earlier one is forgotten, and a renewal shortens nothing", () => {
    const { lessor, apply } = leading();
    apply({ type: "leaseGrant", id: 1n, ttl: 2 });
    lessor.granted(1n, 0);
    expect(lessor.due(2000)).toEqual([1n]);
    lessor.promote(2500, ELECTION_MS);
    expect([lessor.isExpiring(1n), lessor.renew(1n, 2600), lessor.remainingMs(1n, 2600)]).toEqual([false, 2, 2900]);
    expect([lessor.due(5499), lessor.due(5500)]).toEqual([[], [1n]]);
    lessor.demote();
    expect([lessor.isPrimary, lessor.due(9000), lessor.isExpiring(1n)]).toEqual([false, [], false]);
  });
});

/** A leader with nothing to lead yet. */
function leading() {
  const store = new MvccStore();
  const lessor = new Lessor(store);
  lessor.promote(0, ELECTION_MS);
  const apply = (command: Parameters<MvccStore["apply"]>[1]) => store.apply(store.appliedIndex + 1, command);
  return { lessor, apply };
}
