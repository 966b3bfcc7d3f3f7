import { ManualClock, TriremeError } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { ElectionObserver } from "./election-core.ts";
import type { LeaseObject, LeasePort } from "./election-lease.ts";
import { createElection } from "./election.ts";

/** The Leases of a cluster, and the apiserver's rule for fences: one per change of the holder. */
class Leases {
  lease: LeaseObject | undefined;
  revision = 100;
  fence = 0;
  writes = 0;

  private store(lease: LeaseObject): LeaseObject {
    this.revision += 1;
    this.writes += 1;
    if (lease.spec.holderIdentity !== this.lease?.spec.holderIdentity) this.fence = this.revision;
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(this.revision) } };
    return this.lease;
  }

  /** One server's way to them; `broken` makes its calls fail or hang. */
  port(): LeasePort & { broken: "no" | "fails" | "hangs" | "answer lost" } {
    const port = {
      broken: "no" as "no" | "fails" | "hangs" | "answer lost",
      get: () => guard(() => this.lease, true),
      create: (lease: LeaseObject) =>
        guard(() => {
          if (this.lease !== undefined) throw new TriremeError("AlreadyExists", "there is one");
          return this.store(lease);
        }),
      update: (lease: LeaseObject) =>
        guard(() => {
          const fits = lease.metadata.resourceVersion === this.lease?.metadata.resourceVersion;
          if (!fits) throw new TriremeError("Conflict", "changed");
          return this.store(lease);
        }),
    };
    const guard = <R>(run: () => R, isRead = false): Promise<R> => {
      if (port.broken === "fails") return Promise.reject(new TriremeError("ServiceUnavailable", "down"));
      if (port.broken === "hangs") return new Promise(() => {});
      try {
        const answer = run();
        if (port.broken === "answer lost" && !isRead) return Promise.reject(new TriremeError("Unknown", "no answer"));
        return Promise.resolve(answer);
      } catch (error) {
        return Promise.reject(error as Error);
      }
    };
    return port;
  }
}

function world() {
  const clock = new ManualClock();
  const leases = new Leases();
  const stand = (identity: string) => {
    const port = leases.port();
    const events: string[] = [];
    const signals: AbortSignal[] = [];
    const election = createElection({
      name: "scheduler",
      identity,
      leases: port,
      clock,
      onAcquired: (fence, signal) => {
        events.push(`won ${fence}`);
        signals.push(signal);
      },
      onLost: () => events.push("lost"),
    });
    return { port, events, signals, election };
  };
  const pass = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i += 10) {
      clock.advance(10);
      for (let j = 0; j < 12; j++) await Promise.resolve();
    }
  };
  return { clock, leases, stand, pass };
}

describe("ElectionObserver", () => {
  const held = (holder: string, renewal: string) => ({ holder, renewal, leaseDurationMs: 4000 });

  it("counts a Lease as held until it was itself seen unchanged for the whole duration", () => {
    const observer = new ElectionObserver("me");
    expect(observer.observe(held("you", "1"), 0)).toBe("wait");
    expect(observer.observe(held("you", "1"), 3999)).toBe("wait");
    expect(observer.observe(held("you", "2"), 4000)).toBe("wait");
    expect(observer.observe(held("you", "2"), 7999)).toBe("wait");
    expect(observer.expiresInMs(7999)).toBe(1);
    expect(observer.observe(held("you", "2"), 8000)).toBe("acquire");
    expect(observer.observe(held("they", "2"), 8001)).toBe("wait");
  });

  it("takes what nobody holds at once", () => {
    const observer = new ElectionObserver("me");
    expect([
      observer.observe(undefined, 0),
      observer.observe(held("", "1"), 0),
      observer.observe(held("me", "1"), 0),
    ]).toEqual(["acquire", "acquire", "acquire"]);
  });
});

describe("election", () => {
  it("gives the office to one, with the fence of the write that named it, and renews it", async () => {
    const { leases, stand, pass } = world();
    const [a, b] = [stand("a"), stand("b")];
    a.election.start();
    b.election.start();
    await pass(10_000);
    expect([a.election.isLeader, b.election.isLeader, b.election.holder]).toEqual([true, false, "a"]);
    expect(a.election.fence()).toBe(`scheduler=${leases.fence}`);
    expect(a.events).toEqual([`won scheduler=${leases.fence}`]);
    expect(leases.writes).toBeGreaterThanOrEqual(10);
    expect(leases.writes).toBeLessThanOrEqual(12);
    expect(leases.lease?.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("hands over at once when the holder stops", async () => {
    const { leases, stand, pass } = world();
    const [a, b] = [stand("a"), stand("b")];
    a.election.start();
    await pass(100);
    b.election.start();
    await pass(1000);
    const stopping = a.election.stop();
    await pass(1100);
    await stopping;
    expect([a.events[1], a.signals[0]?.aborted, b.election.fence()]).toEqual([
      "lost",
      true,
      `scheduler=${leases.fence}`,
    ]);
  });

  it.each(["fails", "hangs"] as const)(
    "a holder whose API %s stops after 3 s, another takes over after 4 s",
    async (how) => {
      const { leases, stand, pass } = world();
      const [a, b] = [stand("a"), stand("b")];
      a.election.start();
      await pass(50);
      b.election.start();
      await pass(1950);
      a.port.broken = how;
      await pass(2000);
      expect([a.election.isLeader, b.election.isLeader]).toEqual([true, false]);
      await pass(1000);
      expect([a.election.isLeader, a.signals[0]?.aborted, b.election.isLeader]).toEqual([false, true, false]);
      await pass(2000);
      expect(b.election.fence()).toBe(`scheduler=${leases.fence}`);
    },
  );

  it("keeps the office when the answer to a renewal is lost", async () => {
    const { stand, pass } = world();
    const a = stand("a");
    a.election.start();
    await pass(1500);
    a.port.broken = "answer lost";
    await pass(1000);
    a.port.broken = "no";
    await pass(5000);
    expect([a.election.isLeader, a.events.length]).toEqual([true, 1]);
  });

  it("keeps the office while answers come later than calls wait for them", async () => {
    const { stand, pass } = world();
    const a = stand("a");
    a.election.start();
    await pass(1500);
    // Every second call's answer is lost: what it wrote is recognised by the next one's conflict.
    for (let i = 0; i < 20; i++) {
      a.port.broken = i % 2 === 0 ? "answer lost" : "no";
      await pass(500);
    }
    expect([a.election.isLeader, a.events.length]).toEqual([true, 1]);
    a.port.broken = "answer lost";
    await pass(20_000);
    // Reads still come through: each renewal is recognised although its own answer never came.
    expect([a.election.isLeader, a.events.length]).toEqual([true, 1]);
  });

  it("takes the office anew, with a new fence, when it finds its own name from an earlier life or a lost answer", async () => {
    const { leases, stand, pass } = world();
    const first = stand("a");
    first.port.broken = "answer lost";
    first.election.start();
    await pass(20);
    expect([leases.lease?.spec.holderIdentity, first.election.isLeader]).toEqual(["a", false]);
    const before = leases.fence;
    first.port.broken = "no";
    await pass(1500);
    expect(first.election.fence()).toBe(`scheduler=${leases.fence}`);
    expect(leases.fence).toBeGreaterThan(before);
  });

  it("leaves when another has taken the office", async () => {
    const { leases, stand, pass } = world();
    const a = stand("a");
    a.election.start();
    await pass(100);
    await leases.port().update({ ...leases.lease!, spec: { ...leases.lease!.spec, holderIdentity: "z" } });
    await pass(1500);
    expect([a.election.isLeader, a.events[1], a.election.holder]).toEqual([false, "lost", "z"]);
  });
});
