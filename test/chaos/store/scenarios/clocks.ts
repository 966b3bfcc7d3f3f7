import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Member } from "../member.ts";
import type { Scenario } from "../scenario.ts";
import type { Trial } from "../trial.ts";
import { must, sleep, until } from "../waiting.ts";
import { endOf } from "../watchers.ts";
import { freshLease } from "../lease-holders.ts";
import { writeMany } from "./snapshots.ts";

const HOUR_SECONDS = 3600;

/** How wrong the clocks run, of which clients count with a little more. */
const FAST = 1.2;
const SLOW = 0.8;

/** libfaketime looks at its file so often, seconds. */
const LOOK_SECONDS = 1;

/** Starts a member again whose clock obeys a file. `monotonic`: also the clock that only counts. */
async function withClock(member: Member, clock: string, monotonic: boolean): Promise<(clock: string) => Promise<void>> {
  const library = ["x86_64", "aarch64"]
    .map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketimeMT.so.1`)
    .find((file) => existsSync(file));
  must(library !== undefined, "libfaketime is installed: apt-get install faketime");
  const file = join(member.dir, "clock");
  writeFileSync(file, clock);
  await member.stop();
  member.start({
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: String(LOOK_SECONDS),
      ...(monotonic ? {} : { FAKETIME_DONT_FAKE_MONOTONIC: "1" }),
    },
  });
  return async (next) => {
    writeFileSync(file, next);
    await sleep(1000 * LOOK_SECONDS + 500);
  };
}

/** What the member's wall clock says beyond ours, milliseconds: by a line that it logs now. */
async function errorOf(trial: Trial, member: Member): Promise<number> {
  const before = trial.logOf(member).length;
  await trial.writes(3);
  await until(`${member.name} to write a snapshot`, async () => {
    await member.connection.defragment();
    return trial
      .logOf(member)
      .slice(before)
      .some(({ msg }) => msg === "snapshot written");
  });
  const now = Date.now();
  return trial.logOf(member).findLast(({ msg }) => msg === "snapshot written")!.at - now;
}

async function wrongClocks(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const [first, second] = cluster.members;
  const jump = await withClock(first!, "+0", false);
  await cluster.makeLead(first!);
  const errors: number[] = [];
  for (const seconds of [HOUR_SECONDS, -HOUR_SECONDS]) {
    await jump(`${seconds > 0 ? "+" : ""}${seconds}`);
    // The library looks at its file when it likes.
    const wrong = await until(`the clock of ${first!.name} to jump`, async () => {
      const ms = await errorOf(trial, first!);
      return Math.abs(ms - seconds * 1000) < 60_000 && ms;
    });
    errors.push(wrong);
    await trial.writes(20);
    await jump("+0");
  }
  trial.proved(
    errors[0]! > 3.5e6 && errors[1]! < -3.5e6,
    `${first!.name} led with its wall clock ${errors.map((ms) => `${Math.round(ms / 1000)} s`).join(" and ")} wrong`,
  );

  // Now the clocks that count as well: the leader's fast, a follower's slow.
  await withClock(second!, `+0 x${FAST}`, true);
  await withClock(first!, `+0 x${SLOW}`, true);
  await cluster.makeLead(second!);
  const both = [second!, first!];
  const begun = performance.now();
  const earlier = await Promise.all(both.map((member) => errorOf(trial, member)));
  // Leases are granted, renewed and end by the fast clock meanwhile.
  await sleep(5000);
  const later = await Promise.all(both.map((member) => errorOf(trial, member)));
  const passed = performance.now() - begun;
  const rates = later.map((ms, i) => 1 + (ms - earlier[i]!) / passed);
  trial.proved(
    rates[0]! > 1.1 && rates[1]! < 0.9,
    `${second!.name} led at rate ${rates[0]!.toFixed(2)}, ${first!.name} followed at ${rates[1]!.toFixed(2)}`,
  );
  for (const member of [first!, second!]) {
    await member.stop();
    member.start();
    await cluster.leader();
  }
  trial.healed();
}

const STORM = { leases: 10_000, keys: 500, ttlSeconds: 20 };

/** The leader ends a thousand a second, and its successor gives each an election timeout more. */
const STORM_OVER_MS = 30_000;

async function leaseStorm(trial: Trial): Promise<void> {
  const { cluster } = trial;
  const leader = await cluster.leader();
  const prefix = `${trial.prefix}storm/`;
  const promised = new Map<string, number>();
  const before = await leader.connection.leases();
  await writeMany(leader, STORM.leases, async (i) => {
    const id = freshLease();
    const key = `${prefix}${id}`;
    const asked = performance.now();
    const { TTL } = await leader.connection.grant(id, STORM.ttlSeconds);
    if (i >= STORM.leases - STORM.keys) {
      await leader.connection.put(key, "held", { lease: id });
      promised.set(key, asked + Number(TTL) * 1000);
    }
  });
  const seen = new Map<string, number>();
  const [other] = cluster.others(leader);
  const held = await other!.connection.leases();
  await leader.kill();
  const successor = await cluster.leader(cluster.others(leader));
  // The keys are looked at all the time: what is missing has ended.
  const end = endOf(prefix).toString();
  const over = performance.now() + STORM.ttlSeconds * 1000 + STORM_OVER_MS;
  while (seen.size < promised.size) {
    must(performance.now() < over, `L1: ${promised.size - seen.size} leases live on`);
    const at = performance.now();
    const { kvs } = await successor.connection.range(prefix, { end, timeoutMs: 10_000 });
    const there = new Set(kvs.map(({ key }) => key.toString()));
    const now = performance.now();
    for (const key of promised.keys()) if (!there.has(key) && !seen.has(key)) seen.set(key, now);
    await sleep(Math.max(0, 100 - (performance.now() - at)));
  }
  const early = [...promised].filter(([key, until]) => seen.get(key)! < until);
  trial.hold(early.length === 0, `T1: ${early.length} of ${promised.size} leases ended before their time`);
  await until(
    "the last of the storm to end",
    async () => (await successor.connection.leases()) <= before + 10,
    STORM_OVER_MS,
  );
  trial.proved(
    held > before + 1000,
    `${held} leases across the death of ${leader.name}; all had ended ${Math.round(performance.now() - Math.max(...promised.values()))} ms behind the last one's time`,
  );
  leader.start();
  trial.healed();
}

/** Time. */
export const CLOCKS: readonly Scenario[] = [
  {
    id: "F20",
    title: "wall clock +-1 h, clocks 20 % fast and slow",
    holds: "S8 T1",
    members: 3,
    clockRate: 1.25,
    run: wrongClocks,
  },
  { id: "F21", title: "10 k leases end across a failover", holds: "T1", members: 3, run: leaseStorm },
];
