import { createPrng } from "@trireme/base";
import { describe, expect, it } from "vitest";
import { bootstrapState } from "./config.ts";
import type { RaftConfig } from "./config.ts";
import { Raft } from "./raft.ts";
import type { AppMessage, Entry, Message } from "./types.ts";

// What needs a message that no honest member sends in a script, and the promises of single calls.

const entry = (term: number, index: number): Entry => ({ term, index, type: "normal", data: new Uint8Array(1) });
const base = bootstrapState([1n, 2n, 3n]);

function member(options: Partial<RaftConfig> = {}): Raft {
  return new Raft({ id: 1n, initial: base, prng: createPrng(1), ...options });
}

/** Carries out all duties at once and returns what was sent. */
function settle(raft: Raft): Message[] {
  const sent: Message[] = [];
  for (let ready = raft.ready(); ready !== undefined; ready = raft.ready()) {
    sent.push(...ready.messages);
    if (ready.append !== undefined) raft.storageAppended(ready.append);
    const last = ready.committedEntries.at(-1);
    if (last !== undefined) raft.applied(last.index);
  }
  return sent;
}

const app = (fields: Partial<AppMessage>): AppMessage => ({
  type: "app",
  from: 2n,
  to: 1n,
  term: 3,
  prevIndex: 1,
  prevTerm: 1,
  entries: [],
  commit: 1,
  ...fields,
});

describe("a follower", () => {
  it("commits no further than the append proves, whatever lies behind in its log", () => {
    const initial = { ...base, hardState: { term: 2, vote: 0n, commit: 1 }, entries: [entry(2, 2), entry(2, 3)] };
    const raft = member({ initial });
    raft.step(app({ entries: [entry(2, 2)], commit: 9 }));
    expect(raft.status().commit).toBe(2);
  });

  it("takes the same append twice and an older one later without losing anything", () => {
    const raft = member();
    const both = app({ entries: [entry(3, 2), entry(3, 3)] });
    raft.step(both);
    raft.step(both);
    raft.step(app({ entries: [entry(3, 2)] }));
    settle(raft);
    expect(raft.status()).toMatchObject({ lastIndex: 3, stableIndex: 3, commit: 1 });
  });

  it("ignores messages that are not for it", () => {
    const raft = member();
    raft.step({ ...app({ entries: [entry(3, 2)] }), to: 3n });
    expect(raft.ready()).toBeUndefined();
  });

  it("refuses terms and indexes that arithmetic cannot keep exact", () => {
    expect(() => member().step(app({ term: 2 ** 53 }))).toThrow("safe integer");
    expect(() => member().step(app({ entries: [entry(3, 5)] }))).toThrow("out of order");
  });

  it("does not believe in two leaders of one term", () => {
    const raft = new Raft({ id: 1n, initial: bootstrapState([1n]), prng: createPrng(1) });
    raft.campaign();
    settle(raft);
    expect(() => raft.step(app({ term: 2 }))).toThrow("both lead term 2");
  });
});

describe("a campaign", () => {
  it("comes after a silence between one and two election timeouts, drawn anew each time", () => {
    const raft = member({ electionTicks: 10 });
    const silences: number[] = [];
    for (let silence = 1; silences.length < 200; silence++) {
      raft.tick();
      if (!settle(raft).some((message) => message.type === "preVote")) continue;
      silences.push(silence);
      silence = 0;
    }
    expect(Math.min(...silences)).toBe(10);
    expect(Math.max(...silences)).toBe(19);
    expect(new Set(silences).size).toBe(10);
  });
});

describe("reads", () => {
  it("have ids that an earlier life of the member cannot have used", () => {
    const id = (seed: number): bigint => {
      const raft = new Raft({ id: 1n, initial: bootstrapState([1n]), prng: createPrng(seed) });
      raft.campaign();
      settle(raft);
      const result = raft.readIndex();
      return result.kind === "waiting" ? result.id : 0n;
    };
    expect(id(1)).not.toBe(0n);
    expect(id(1) >> 32n).not.toBe(id(2) >> 32n);
  });

  it("are refused at the bound and dropped at the deadline", () => {
    const raft = member({ maxPendingReads: 2 });
    raft.step(app({}));
    settle(raft);
    const ids = [raft.readIndex(), raft.readIndex()].map((result) => (result.kind === "waiting" ? result.id : 0n));
    expect(raft.readIndex()).toEqual({ kind: "refused", reason: "tooManyReads" });
    for (let i = 0; i < 10; i++) raft.tick();
    expect(raft.ready()?.readsDropped).toEqual(ids);
    expect(raft.status().pendingReads).toBe(0);
  });
});

describe("a snapshot of its own", () => {
  it("is ignored when the leader's has overtaken it", () => {
    const raft = member();
    raft.step(app({ entries: [entry(3, 2), entry(3, 3)], commit: 3 }));
    settle(raft);
    const { conf } = base.snapshot;
    raft.step({ type: "snap", from: 2n, to: 1n, term: 3, snapshot: { index: 9, term: 3, conf } });
    // Written before, durable only now; the log that it belongs to is gone.
    raft.snapshotCreated({ index: 3, term: 3, conf });
    raft.compact(2);
    settle(raft);
    expect(raft.status()).toMatchObject({ applied: 9, firstIndex: 10 });
  });
});

describe("the caller", () => {
  it("is told when it breaks its duties", () => {
    const raft = new Raft({ id: 1n, initial: bootstrapState([1n]), prng: createPrng(1) });
    raft.campaign();
    raft.ready();
    expect(() => raft.storageAppended({ seq: 2 })).toThrow("out of order");
    expect(() => raft.applied(5)).toThrow("not handed out");
    expect(() => raft.compact(5)).toThrow("not covered");
  });
});
