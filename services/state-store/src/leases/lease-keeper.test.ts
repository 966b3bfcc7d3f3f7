import { ManualClock } from "@trireme/base";
import { MvccStore, type Outcome } from "@trireme/mvcc";
import { silentLogger } from "@trireme/telemetry";
import { afterEach, describe, expect, it } from "vitest";
import type { Request } from "../apply/command.ts";
import { toCommand } from "../grpc/convert.ts";
import type { Replica } from "../replica/replica.ts";
import { LeaseKeeper } from "./lease-keeper.ts";

let keeper: LeaseKeeper | undefined;
afterEach(() => keeper?.stop());

/** A keeper in office; what it proposes waits until it is let through. `barrier` proves that it leads. */
function office(barrier = () => Promise.resolve()): {
  clock: ManualClock;
  store: MvccStore;
  keeper: LeaseKeeper;
  proposed: { request: Request; apply: () => void }[];
} {
  const clock = new ManualClock();
  const store = new MvccStore();
  const proposed: { request: Request; apply: () => void }[] = [];
  const made = new LeaseKeeper({
    store,
    self: 1n,
    electionMs: 1000,
    clock,
    log: silentLogger,
    ask: () => Promise.reject(new Error("nobody to ask")),
  });
  const replica = {
    store,
    currentTerm: 4,
    currentLeader: 1n,
    readBarrier: barrier,
    propose: (request: Request) =>
      new Promise<Outcome>((resolve) => {
        const apply = (): void => {
          const command = toCommand(request);
          const outcome = store.apply(store.appliedIndex + 1, command);
          made.applied(command, outcome);
          resolve(outcome);
        };
        proposed.push({ request, apply });
      }),
  };
  keeper = made;
  made.start(replica as unknown as Replica);
  made.office(true);
  return { clock, store, keeper: made, proposed };
}

/** The keeper takes office with 100 s noted of lease 7; what it answers applies an earlier leader's taking back. */
function inherit(store: MvccStore, leases: LeaseKeeper): () => void {
  const apply = (command: Parameters<MvccStore["apply"]>[1]): void => {
    leases.applied(command, store.apply(store.appliedIndex + 1, command));
  };
  leases.office(false);
  apply({ type: "leaseGrant", id: 7n, ttl: 1000 });
  apply({ type: "leaseCheckpoint", leases: [{ id: 7n, remaining: 100 }] });
  leases.office(true);
  return () => apply({ type: "leaseCheckpoint", leases: [{ id: 7n, remaining: 0 }] });
}

describe("a long lease", () => {
  it("is noted in the log now and then, and gets its whole time back there before it is renewed (T1)", async () => {
    const { clock, store, keeper: leases, proposed } = office();
    const grant = { type: "leaseGrant", id: 7n, ttl: 1000 } as const;
    leases.applied(grant, store.apply(1, grant));
    expect(await leases.renew(7n)).toBe(1000);
    expect(proposed).toEqual([]);
    clock.advance(301_000);
    await expect.poll(() => proposed.length, { timeout: 5000 }).toBe(1);
    expect(proposed[0]!.request).toEqual({
      $case: "leaseCheckpoint",
      value: { term: 4n, leases: [{ id: 7n, remaining: 699n }] },
    });
    // Two ask while the checkpoint is on its way: nothing is renewed or taken back before it has its place.
    const answers: number[] = [];
    const renewals = [leases.renew(7n), leases.renew(7n)].map((each) => each.then((ttl) => answers.push(ttl)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([proposed.length, answers]).toEqual([1, []]);
    proposed[0]!.apply();
    expect(store.leases.get(7n)?.remaining).toBe(699);
    await expect.poll(() => proposed.length, { timeout: 5000 }).toBe(2);
    expect([store.leases.get(7n)?.remaining, answers]).toEqual([699, []]);
    proposed[1]!.apply();
    await Promise.all(renewals);
    expect([answers, store.leases.get(7n)?.remaining, proposed.length]).toEqual([[1000, 1000], undefined, 2]);
    expect((await leases.timeToLive(7n, false)).ttl).toBe(1000);
  });

  it("has its whole time under a leader that finds the taking back in its log after it took office (T1)", async () => {
    const { store, keeper: leases } = office();
    const takeBack = inherit(store, leases);
    expect((await leases.timeToLive(7n, false)).ttl).toBe(101);
    takeBack();
    expect((await leases.timeToLive(7n, false)).ttl).toBe(1001);
  });

  it("is not ended where its end was due only while the taking back was not applied (T1)", async () => {
    const proofs: (() => void)[] = [];
    const { clock, store, keeper: leases, proposed } = office(() => new Promise((resolve) => proofs.push(resolve)));
    const takeBack = inherit(store, leases);
    clock.advance(102_000);
    await expect.poll(() => proofs.length, { timeout: 5000 }).toBe(1);
    // With the proof comes what was committed before.
    takeBack();
    proofs[0]!();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(proposed).toEqual([]);
    clock.advance(900_000);
    await expect.poll(() => proofs.length, { timeout: 5000 }).toBe(2);
    proofs[1]!();
    await expect.poll(() => proposed.map(({ request }) => request.$case), { timeout: 5000 }).toEqual(["leaseRevoke"]);
  });
});
