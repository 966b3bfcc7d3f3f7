import { ManualClock } from "@trireme/base";
import type { Outcome } from "@trireme/mvcc";
import type { Entry, Raft } from "@trireme/raft";
import { describe, expect, it } from "vitest";
import { encodeCommand } from "../apply/command.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";

const OUTCOME: Outcome = { revision: 5, result: { type: "done" } };

function proposals(): {
  clock: ManualClock;
  waiting: Proposals;
  begin: () => { entry: Entry; told: string[]; counter: number };
} {
  const clock = new ManualClock();
  const waiting = new Proposals(clock);
  return {
    clock,
    waiting,
    begin() {
      const told: string[] = [];
      const { origin, outcome } = waiting.begin(7000);
      outcome.then(
        (value) => told.push(`revision ${value.revision}`),
        (error: Error & { code: string }) => told.push(`${error.code}: ${error.message}`),
      );
      const data = encodeCommand(origin, { $case: "compact", value: { revision: 1n, physical: false } });
      return { told, counter: origin.counter, entry: { index: 10, term: 3, type: "normal", data } };
    },
  };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a proposal", () => {
  it("is answered by its own entry, whoever led when it was applied", async () => {
    const { waiting, begin } = proposals();
    const one = begin();
    waiting.forwarded(one.counter, 2n);
    waiting.applied({ ...one.entry, index: 77, term: 9 }, OUTCOME);
    await settle();
    expect([one.told, waiting.size]).toEqual([["revision 5"], 0]);
  });

  it("is not answered by another life's entry with its number", async () => {
    const { waiting, begin } = proposals();
    const one = begin();
    waiting.applied(proposals().begin().entry, OUTCOME);
    await settle();
    expect(one.told).toEqual([]);
  });

  it("certainly failed when another term's entry took its place", async () => {
    const { waiting, begin } = proposals();
    const one = begin();
    waiting.proposed(one.counter, { index: 10, term: 2 });
    waiting.applied({ index: 10, term: 3, type: "empty", data: new Uint8Array(0) }, OUTCOME);
    await settle();
    expect(one.told).toEqual(["ServiceUnavailable: etcdserver: leader changed"]);
  });

  it("that an earlier leader was given is unknown once the next one's term begins", async () => {
    const { waiting, begin } = proposals();
    const [old, fresh, own] = [begin(), begin(), begin()];
    waiting.forwarded(old.counter, 2n);
    waiting.forwarded(fresh.counter, 3n);
    waiting.proposed(own.counter, { index: 10, term: 2 });
    waiting.termBegan(3n);
    await settle();
    expect([old.told.length, fresh.told.length, own.told.length]).toEqual([1, 0, 0]);
    expect(old.told[0]).toMatch(/^Unknown/);
  });

  it("times out as unknown when it was proposed, and for certain when it was not", async () => {
    const { clock, waiting, begin } = proposals();
    const [sent, held] = [begin(), begin()];
    waiting.forwarded(sent.counter, 2n);
    clock.advance(7000);
    waiting.expire();
    await settle();
    expect([sent.told, held.told]).toEqual([
      ["Unknown: etcdserver: request timed out"],
      ["ServiceUnavailable: etcdserver: no leader"],
    ]);
  });
});

describe("a linearizable read", () => {
  function reads(): { clock: ManualClock; reads: Reads; asked: bigint[]; read: () => string[] } {
    const clock = new ManualClock();
    const asked: bigint[] = [];
    const raft: Pick<Raft, "readIndex"> = {
      readIndex() {
        asked.push(BigInt(asked.length + 1));
        return { kind: "waiting", id: asked.at(-1)! };
      },
    };
    const all = new Reads(raft, clock);
    const read = (): string[] => {
      const told: string[] = [];
      all.wait(7000, 3000).then(
        () => told.push("ok"),
        (error: Error) => told.push(error.message),
      );
      return told;
    };
    return { clock, reads: all, asked, read };
  }

  it("waits for a round that began after it, and for the state to reach the round's index", async () => {
    const { reads: all, asked, read } = reads();
    const first = read();
    all.begin();
    const second = read();
    all.begin();
    expect(asked).toEqual([1n]);
    all.answered([{ id: 1n, index: 8 }], []);
    all.applied(7);
    await settle();
    expect([first, second]).toEqual([[], []]);
    all.applied(8);
    await settle();
    expect([first, second]).toEqual([["ok"], []]);
    all.begin();
    all.answered([{ id: 2n, index: 8 }], []);
    all.applied(8);
    await settle();
    expect([second, asked]).toEqual([["ok"], [1n, 2n]]);
  });

  it("asks anew under another id when its round is lost, and ignores the old answer", async () => {
    const { clock, reads: all, asked, read } = reads();
    const told = read();
    all.begin();
    clock.advance(600);
    all.tick(true);
    all.begin();
    expect(asked).toEqual([1n, 2n]);
    all.answered([{ id: 1n, index: 1 }], []);
    all.applied(100);
    await settle();
    expect(told).toEqual([]);
    all.answered([], [2n]);
    all.begin();
    expect(asked.length).toBe(3);
  });

  it("fails by name: no leader after three elections, a timeout at the end", async () => {
    const { clock, reads: all, read } = reads();
    const told = read();
    clock.advance(3100);
    all.tick(true);
    await settle();
    expect(told).toEqual([]);
    all.tick(false);
    await settle();
    expect(told).toEqual(["etcdserver: no leader"]);
    const late = read();
    clock.advance(7100);
    all.tick(true);
    await settle();
    expect(late).toEqual(["etcdserver: request timed out"]);
  });
});
