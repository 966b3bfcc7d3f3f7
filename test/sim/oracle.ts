import type { Command, MvccStore, Outcome } from "@trireme/mvcc";
import { rangeOp } from "@trireme/mvcc";
import { type ConfState, type Raft, isVoter } from "@trireme/raft";
import type { ConnectRequest } from "@trireme/proto/trireme/raft/v1/raft";
import type { Coverage } from "./coverage.ts";
import { Model, eventText, stateText } from "./model.ts";
import { Stability } from "./stability.ts";
import { must } from "./world/world.ts";

/** The empty state of a new cluster is a snapshot at this index. */
const FIRST_INDEX = 1;

/** What the log was first seen to hold at an index, and what came of it. */
interface Known {
  readonly term: number;
  /** The term in which it was first applied: not before the one in which it was committed. */
  readonly appliedIn: number;
  readonly told: string;
  readonly revision: number;
}

/** What a member has promised by what it sent. */
interface Promised {
  term: number;
  readonly votes: Map<number, bigint>;
  /** The entry that it said to hold, under which leader's term. */
  ack: { readonly term: number; readonly index: number };
  /** The highest entry that it acknowledged to the leader of each term. */
  readonly acks: Map<number, number>;
}

/** What the simulation reads of a core, beside its public surface. */
interface CoreView {
  readonly role: string;
  readonly term: number;
  readonly log: {
    readonly committed: number;
    readonly last: number;
    readonly offset: number;
    term(index: number): number | undefined;
  };
}

/** Everything in (first, end) of the key space. */
const ALL = { key: "\0", end: "\0" };

/**
 * Knows the one history that all members must share, and holds every member to it: S1 to S7, S9, F7 and T1 of the reliability
 * checklist. The first member to apply an entry tells what it is; an independent model says what must come of it.
 */
export class Oracle {
  readonly model = new Model();
  readonly stability = new Stability();
  /** What changed at each revision, as watchers hear it. */
  readonly events: (readonly string[])[] = [];
  private readonly history: Known[] = [];
  /** Of each term, in one life of its process: in another it may write other entries in the place of those it lost. */
  private readonly leaders = new Map<number, { readonly id: bigint; readonly raft: Raft }>();
  /** How far the leader of each term has committed. */
  private readonly committed = new Map<number, number>();
  private readonly promised = new Map<bigint, Promised>();
  private readonly coverage: Coverage;
  /** Told of each command when its entry is first applied anywhere. */
  onFirstApplied: (command: Command, outcome: Outcome) => void = () => undefined;

  constructor(coverage: Coverage) {
    this.coverage = coverage;
  }

  /** The last index that anybody has applied. */
  get lastIndex(): number {
    return this.history.length + FIRST_INDEX;
  }

  /** A member applies an entry. */
  applied(raft: Raft, store: MvccStore, index: number, command: Command | undefined, outcome: Outcome): void {
    const term = raft.termAt(index);
    must(term !== undefined, `S3: entry ${index} is applied and not in the log`);
    const { revision } = outcome;
    const events = outcome.error === undefined ? eventsAt(store, revision) : "";
    const told = `${command?.type ?? "nothing"} ${revision} ${outcome.error?.message ?? ""} ${store.leases.size}`;
    const known = this.history[index - FIRST_INDEX - 1];
    if (known === undefined) {
      must(index === this.lastIndex + 1, `S5: entry ${index} is applied before entry ${this.lastIndex + 1}`);
      const appliedIn = (Reflect.get(raft, "core") as CoreView).term;
      this.first(index, { term, appliedIn, told, revision }, command, outcome, events);
      return;
    }
    must(known.term === term, `S3: entry ${index} has terms ${known.term} and ${term}`);
    must(known.told === told, `S5: entry ${index} comes to "${known.told}" and to "${told}"`);
    const expected = (this.events[revision] ?? []).join(" ");
    // What this entry did not change was compared at the entry that did.
    if (outcome.error !== undefined) return;
    must(
      store.compactRevision > revision || events === expected,
      `S5: revision ${revision}: "${expected}", "${events}"`,
    );
  }

  private first(index: number, known: Known, command: Command | undefined, outcome: Outcome, events: string): void {
    const before = this.model.revision;
    const should = this.model.apply(command);
    const what = `entry ${index}, ${command?.type ?? "nothing"}`;
    // The model knows nothing of members; whether they exist is checked by the store's own assertions.
    const aboutKeys = command !== undefined && !command.type.startsWith("member");
    must(
      !aboutKeys || (outcome.error !== undefined) === should.failed,
      `S8: ${what}: ${outcome.error?.message ?? "done"}, but it should ${should.failed ? "fail" : "succeed"}`,
    );
    must(outcome.revision === should.revision, `S9: ${what}: revision ${outcome.revision}, not ${should.revision}`);
    if (should.revision > before) {
      const expected = should.events.join(" ");
      must(events === expected, `S8: ${what} changes "${events}", not "${expected}"`);
      this.events[should.revision] = should.events;
    }
    this.history.push(known);
    if (command !== undefined) this.onFirstApplied(command, outcome);
  }

  /** A member has a state that it did not reach by applying: recovered, or installed from a snapshot. */
  adopted(store: MvccStore, how: string): void {
    const index = store.appliedIndex;
    if (index === 0) return;
    must(index <= this.lastIndex, `S7: a state is ${how} at entry ${index}, which nobody has applied`);
    const revision = index <= FIRST_INDEX ? 1 : this.history[index - FIRST_INDEX - 1]!.revision;
    must(
      store.revision === revision,
      `S9: a state is ${how} at entry ${index} with revision ${store.revision}, not ${revision}`,
    );
    const { kvs } = store.range(rangeOp(ALL.key, ALL.end));
    const found = kvs.map((kv) => `${kv.key}=${textOf(kv)}`).join(" ");
    const state = [...this.model.states[revision]!].sort(([a], [b]) => (a < b ? -1 : 1));
    const expected = state.map(([key, kv]) => `${key}=${stateText(kv.value, kv.mod, kv.version)}`).join(" ");
    must(found === expected, `S5: a state is ${how} at revision ${revision} as "${found}", not "${expected}"`);
  }

  /** Checks a member after each of its steps. */
  look(id: bigint, raft: Raft): void {
    const core = Reflect.get(raft, "core") as CoreView;
    if (core.role !== "leader") return;
    must(isVoter(raft.confState(), id), `S1: ${id.toString(16)} leads term ${core.term} and has no vote any more`);
    const known = this.leaders.get(core.term);
    if (known?.raft === raft) {
      this.lookAtCommit(core);
      return;
    }
    const again = known?.id === id ? "again after a crash" : `after ${known?.id.toString(16)}`;
    must(known === undefined, `S1: ${id.toString(16)} leads term ${core.term} ${again}`);
    this.leaders.set(core.term, { id, raft });
    this.committed.set(core.term, core.log.committed);
    this.coverage.add("elections");
    // S4: it holds everything that was committed in earlier terms. The votes of a term may come late, when a later term has
    // long committed more.
    const { log } = core;
    for (let index = Math.max(log.offset + 1, FIRST_INDEX + 1); index <= this.lastIndex; index++) {
      const { term, appliedIn } = this.history[index - FIRST_INDEX - 1]!;
      if (appliedIn >= core.term) continue;
      must(log.term(index) === term, `S4: the leader of term ${core.term} lacks entry ${index} of term ${term}`);
    }
  }

  /** S4: a leader moves the commit index only to entries of its own term; older ones are committed along with them. */
  private lookAtCommit({ term, log }: CoreView): void {
    const { committed } = log;
    if (committed === this.committed.get(term)) return;
    this.committed.set(term, committed);
    const found = log.term(committed);
    must(found === term, `S4: the leader of term ${term} commits entry ${committed} of term ${found}`);
  }

  /** Whom a term has for leader. */
  readonly leaderOf = (term: number): bigint | undefined => this.leaders.get(term)?.id;

  /** S4: a leader takes for committed what a majority of the voters has acknowledged, and of both halves of a joint one. */
  commits(id: bigint, term: number, conf: ConfState, index: number, ownStable: number): void {
    for (const voters of [conf.voters, conf.votersOutgoing]) {
      const holding = voters.filter((voter) =>
        voter === id ? ownStable >= index : (this.promised.get(voter)?.acks.get(term) ?? 0) >= index,
      );
      must(
        voters.length === 0 || holding.length > voters.length / 2,
        `S4: the leader of term ${term} commits entry ${index}, which ${holding.length} of ${voters.length} voters hold`,
      );
    }
  }

  /** Messages leave a member: what they promise must outlive its process. */
  promises(request: ConnectRequest): void {
    for (const { from: id, term: wireTerm, to, body } of request.messages) {
      const term = Number(wireTerm);
      if (body?.$case === "voteResponse" && !body.value.pre && !body.value.reject) this.grants(id, term, to);
      // Who asks for votes has voted for itself.
      if (body?.$case === "vote" && !body.value.pre) this.grants(id, term, id);
      if (body?.$case === "appendResponse" && !body.value.reject) this.acknowledges(id, term, Number(body.value.index));
    }
  }

  private of(id: bigint): Promised {
    let found = this.promised.get(id);
    if (found === undefined) {
      found = { term: 0, votes: new Map(), ack: { term: 0, index: 0 }, acks: new Map() };
      this.promised.set(id, found);
    }
    return found;
  }

  private grants(id: bigint, term: number, candidate: bigint): void {
    const promised = this.of(id);
    const before = promised.votes.get(term);
    must(before === undefined || before === candidate, `S6: ${id.toString(16)} votes twice in term ${term}`);
    promised.votes.set(term, candidate);
    promised.term = Math.max(promised.term, term);
  }

  private acknowledges(id: bigint, term: number, index: number): void {
    const promised = this.of(id);
    promised.term = Math.max(promised.term, term);
    const { ack, acks } = promised;
    acks.set(term, Math.max(acks.get(term) ?? 0, index));
    if (term > ack.term || (term === ack.term && index > ack.index)) promised.ack = { term, index };
  }

  /** A member has recovered: what it promised in earlier lives is still there. */
  recovered(id: bigint, raft: Raft, store: MvccStore): void {
    this.adopted(store, "recovered");
    const { term, vote, lastIndex } = raft.status();
    const promised = this.promised.get(id);
    if (promised === undefined) return;
    const name = id.toString(16);
    must(term >= promised.term, `S6: ${name} comes back in term ${term} and spoke in term ${promised.term}`);
    const voted = promised.votes.get(term);
    must(voted === undefined || voted === vote, `S6: ${name} forgot its vote in term ${term}`);
    const { ack } = promised;
    // Only a leader of a later term may take back what was acknowledged.
    must(ack.term < term || lastIndex >= ack.index, `S7: ${name} acknowledged entry ${ack.index} and has ${lastIndex}`);
  }
}

function textOf(kv: { value: Uint8Array; modRevision: number; version: number }): string {
  return stateText(Buffer.from(kv.value).toString("latin1"), kv.modRevision, kv.version);
}

/** What happened at one revision, as its watchers hear it. */
function eventsAt(store: MvccStore, revision: number): string {
  const events: string[] = [];
  for (let at = store.log.find(revision); at < store.log.length; at++) {
    const event = store.log.at(at)!;
    if (event.modRevision === revision) events.push(eventText(event));
  }
  return events.join(" ");
}
