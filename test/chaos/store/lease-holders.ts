import type { Member } from "./member.ts";
import { sleep } from "./waiting.ts";

/** Shorter than most faults, longer than an ordinary change of leader. */
const TTL_SECONDS = 3;

const HOLDERS = 2;

let nextId = BigInt(Date.now()) * 1000n;

/** An id of a lease that nobody has used. */
export function freshLease(): bigint {
  return (nextId += 1n);
}

interface Held {
  readonly key: string;
  /** Until when it was promised to live, by this process's clock. */
  until: number;
  revoked: boolean;
}

/** Holders of leases: each keeps one alive for a while, then revokes it or lets it end. */
export class LeaseHolders {
  readonly prefix: string;
  private readonly members: () => readonly Member[];
  private readonly held: Held[] = [];
  private readonly running: Promise<void>[] = [];
  private readonly wrong: string[] = [];
  /** How much faster than ours a member's clock may run. */
  private readonly rate: number;
  private stopped = false;
  granted = 0;
  renewed = 0;

  constructor(prefix: string, members: () => readonly Member[], rate: number) {
    this.prefix = prefix;
    this.members = members;
    this.rate = rate;
    for (let i = 0; i < HOLDERS; i++) this.running.push(this.run());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.hold();
      } catch {
        // A member that is down or cut off: what was promised stands.
      }
      await sleep(200 + Math.random() * 300);
    }
  }

  private any(): Member {
    const members = this.members();
    return members[Math.floor(Math.random() * members.length)]!;
  }

  private async hold(): Promise<void> {
    const id = freshLease();
    const held: Held = { key: `${this.prefix}${id}`, until: 0, revoked: false };
    const asked = performance.now();
    const { TTL } = await this.any().connection.grant(id, TTL_SECONDS);
    this.granted += 1;
    this.promise(held, asked, Number(TTL));
    await this.any().connection.put(held.key, "held", { lease: id });
    this.held.push(held);
    for (let times = Math.floor(Math.random() * 6); times > 0 && !this.stopped; times--) {
      await sleep(300 + Math.random() * 900);
      const at = performance.now();
      const ttl = await this.any().connection.renew(id);
      if (ttl === 0) {
        if (performance.now() < held.until) this.wrong.push(`T1: ${held.key} is said to have ended before its time`);
        return;
      }
      this.renewed += 1;
      this.promise(held, at, ttl);
    }
    if (Math.random() < 0.7) return;
    held.revoked = true;
    await this.any().connection.revoke(id);
    // B19: what has ended for certain is not renewed any more.
    if ((await this.any().connection.renew(id)) !== 0)
      this.wrong.push(`T1: ${held.key} is renewed after it was revoked`);
  }

  /** A holder counts from the sending of its request, and knows how wrong clocks may be. */
  private promise(held: Held, asked: number, ttl: number): void {
    held.until = Math.max(held.until, asked + (ttl * 1000) / this.rate);
  }

  /** T1: no lease ended, as far as anybody saw, before its time. */
  judge(deletions: readonly { key: string; at: number }[]): string[] {
    const seen = new Map(deletions.map(({ key, at }) => [key, at]));
    const early = this.held.flatMap(({ key, until, revoked }) => {
      const at = seen.get(key);
      if (revoked || at === undefined || at >= until) return [];
      return [`T1: ${key} ended ${Math.round(until - at)} ms before its time`];
    });
    return [...this.wrong, ...early];
  }
}
