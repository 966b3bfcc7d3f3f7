import { TriremeError, assert, createPrng } from "@trireme/base";
import { bootstrapState, joiningState } from "../src/config.ts";
import type { InitialState } from "../src/config.ts";
import { describeConf, describeEntry, describeMessage, describeReady, describeWrite } from "./describe.ts";
import { Raft } from "../src/raft.ts";
import type { ConfOperation, Entry, Message, NodeId, SnapshotMeta, StorageAppend } from "../src/types.ts";

/** What {@link Interaction} needs of a script's command; testkit's ScriptCommand has this shape. */
export interface Command {
  readonly name: string;
  readonly positional: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
}

interface Member {
  readonly id: NodeId;
  raft: Raft;
  disk: InitialState;
  writes: StorageAppend[];
  /** Async storage: writes wait for `ack`, else they are durable at once. */
  asyncStorage: boolean;
  /** Committed entries wait for `apply`. */
  holdApply: boolean;
  toApply: Entry[];
  bounds: Record<string, number>;
}

/** Enough for any script to come to rest; more means that members talk for ever. */
const MAX_STABILIZE_ROUNDS = 1000;
const ELECTION_TICKS = 3;

/**
 * The world of a golden script: members, the messages under way between them, and commands that move one thing at a time.
 * Nothing depends on luck: after ELECTION_TICKS of silence a member is no longer loyal to its leader, and it campaigns by
 * itself after the longest possible timeout of 2 * ELECTION_TICKS - 1.
 */
export class Interaction {
  private readonly members = new Map<NodeId, Member>();
  private network: Message[] = [];
  private lines: string[] = [];

  /** Runs one command and returns what happened, one event a line. */
  execute(command: Command): string {
    this.lines = [];
    const { positional, options } = command;
    const ids = positional.filter((word) => /^\d+$/.test(word)).map(BigInt);
    const member = (): Member => this.member(ids[0] ?? 0n);
    const text = (): string => positional.slice(1).join(" ");
    switch (command.name) {
      case "nodes":
        this.addNodes(Number(positional[0]), options);
        break;
      case "join":
        this.add(firstId(ids), joiningState(), options);
        break;
      case "campaign":
        member().raft.campaign();
        break;
      case "tick":
        for (let i = 0; i < Number(positional[1] ?? 1); i++) member().raft.tick();
        break;
      case "propose":
        this.report(member().raft.propose(new TextEncoder().encode(text())));
        break;
      case "conf-change":
        this.confChange(member(), positional.slice(1), options);
        break;
      case "read":
        this.read(member());
        break;
      case "transfer":
        if (!member().raft.transferLeadership(ids[1] ?? 0n)) this.lines.push("no leader known");
        break;
      case "ready":
        for (const id of ids) while (this.ready(this.member(id)));
        break;
      case "elect":
        this.elect(ids);
        break;
      case "ack":
        this.acknowledge(member(), Number(positional[1] ?? 1));
        break;
      case "apply":
        this.apply(member());
        break;
      case "storage":
        member().asyncStorage = positional[1] === "async";
        if (!member().asyncStorage) this.acknowledge(member(), member().writes.length);
        break;
      case "applying":
        member().holdApply = positional[1] === "hold";
        break;
      case "deliver":
        this.deliver(ids, options);
        break;
      case "drop":
        this.drop(ids, options);
        break;
      case "network":
        this.lines.push(...this.network.map(describeMessage));
        break;
      case "stabilize":
        this.stabilize(ids.length === 0 ? [...this.members.keys()] : ids);
        break;
      case "snapshot":
        this.snapshot(member());
        break;
      case "inject-snapshot":
        this.injectSnapshot(member(), ids[1] ?? 0n, Number(positional[2]));
        break;
      case "compact":
        this.compact(member(), Number(positional[1]));
        break;
      case "report-snapshot":
        member().raft.reportSnapshot(ids[1] ?? 0n, positional[2] === "ok");
        break;
      case "report-unreachable":
        member().raft.reportUnreachable(ids[1] ?? 0n);
        break;
      case "report-gone":
        member().raft.reportGone(ids[1] ?? 0n);
        break;
      case "tell-commits":
        member().raft.tellCommits();
        break;
      case "restart":
        this.restart(member(), options);
        break;
      case "crash":
        this.crash(member());
        break;
      case "log":
        this.log(member());
        break;
      case "state":
        for (const id of ids.length === 0 ? [...this.members.keys()] : ids) this.state(this.member(id));
        break;
      case "progress":
        this.progress(member());
        break;
      default:
        throw new TriremeError("BadRequest", `unknown command ${command.name}`);
    }
    // Scripts that want silence say so: `stabilize quiet`.
    return positional.includes("quiet") ? "" : this.lines.join("\n");
  }

  private member(id: NodeId): Member {
    const member = this.members.get(id);
    assert(member !== undefined, `no member ${id} in this script`);
    return member;
  }

  private addNodes(count: number, options: Command["options"]): void {
    const ids = Array.from({ length: count }, (_, i) => BigInt(i + 1));
    const voters = options.get("voters")?.map(BigInt) ?? ids;
    const learners = options.get("learners")?.map(BigInt) ?? [];
    const base = bootstrapState(voters);
    const initial = { ...base, snapshot: { ...base.snapshot, conf: { ...base.snapshot.conf, learners } } };
    for (const id of ids) this.add(id, initial, options);
  }

  private add(id: NodeId, initial: InitialState, options: Command["options"]): void {
    const bounds: Record<string, number> = {};
    for (const [key, [value]] of options) if (key !== "voters" && key !== "learners") bounds[key] = Number(value);
    const disk = initial;
    const raft = this.start(id, initial, bounds);
    this.members.set(id, {
      id,
      raft,
      disk,
      writes: [],
      asyncStorage: false,
      holdApply: false,
      toApply: [],
      bounds,
    });
  }

  private start(id: NodeId, initial: InitialState, bounds: Record<string, number>): Raft {
    const prng = { ...createPrng(1), int: (_: number, max: number) => max };
    return new Raft({ id, initial, prng, electionTicks: ELECTION_TICKS, ...bounds });
  }

  private report(result: ReturnType<Raft["propose"]>): void {
    if (result.kind === "proposed") this.lines.push(`proposed at ${result.term}/${result.index}`);
    else if (result.kind === "forwarded") this.lines.push(`forwarded to ${result.leader}`);
    else this.lines.push(`refused: ${result.reason}`);
  }

  private confChange(member: Member, words: readonly string[], options: Command["options"]): void {
    const ops = { v: "addVoter", l: "addLearner", r: "remove" } as const;
    const operations = words.map((word): ConfOperation => {
      const op = ops[word[0] as keyof typeof ops];
      assert(op !== undefined, `a membership operation is v<id>, l<id> or r<id>, not ${word}`);
      return { op, id: BigInt(word.slice(1)) };
    });
    const [transition = "auto"] = options.get("transition") ?? [];
    assert(
      transition === "auto" || transition === "jointImplicit" || transition === "jointExplicit",
      "known transition",
    );
    this.report(member.raft.proposeConfChange({ transition, operations, context: new Uint8Array(0) }));
  }

  private read(member: Member): void {
    const result = member.raft.readIndex();
    if (result.kind === "waiting") this.lines.push(`read ${result.id & 0xffffffffn} waits`);
    else this.lines.push(`refused: ${result.reason}`);
  }

  private ready(member: Member): boolean {
    const ready = member.raft.ready();
    if (ready === undefined) return false;
    this.lines.push(...describeReady(ready).map((line) => `${member.id}: ${line}`));
    this.network.push(...ready.messages);
    member.toApply.push(...ready.committedEntries);
    if (ready.append !== undefined) {
      member.writes.push(ready.append);
      if (!member.asyncStorage) this.write(member);
    }
    if (!member.holdApply) this.apply(member, false);
    return true;
  }

  private write(member: Member): void {
    const write = member.writes.shift();
    assert(write !== undefined, `member ${member.id} has no write in flight`);
    let { entries, snapshot, hardState } = member.disk;
    if (write.snapshot !== undefined) [snapshot, entries] = [write.snapshot, []];
    const first = write.entries[0];
    if (first !== undefined) entries = [...entries.filter((entry) => entry.index < first.index), ...write.entries];
    hardState = write.hardState ?? hardState;
    member.disk = { entries, snapshot, hardState };
    member.raft.storageAppended(write);
  }

  private acknowledge(member: Member, count: number): void {
    for (let i = 0; i < count; i++) {
      const write = member.writes[0];
      if (write === undefined) {
        this.lines.push(`${member.id}: nothing in flight`);
        return;
      }
      this.lines.push(`${member.id}: durable ${describeWrite(write)}`);
      this.write(member);
    }
  }

  private apply(member: Member, verbose = true): void {
    const last = member.toApply.at(-1);
    if (last === undefined) return;
    const before = describeConf(member.raft.confState());
    if (verbose) this.lines.push(`${member.id}: applied up to ${last.index}`);
    member.toApply = [];
    member.raft.applied(last.index);
    const after = describeConf(member.raft.confState());
    if (after !== before) this.lines.push(`${member.id}: members ${after}`);
  }

  private matching(ids: readonly NodeId[], options: Command["options"]): (message: Message) => boolean {
    const from = options.get("from")?.map(BigInt);
    const types = options.get("type");
    return (message) =>
      (ids.length === 0 || ids.includes(message.to)) &&
      (from === undefined || from.includes(message.from)) &&
      (types === undefined || types.includes(message.type));
  }

  private take(matches: (message: Message) => boolean, limit = Number.MAX_SAFE_INTEGER): Message[] {
    const taken: Message[] = [];
    this.network = this.network.filter((message) => {
      if (taken.length >= limit || !matches(message)) return true;
      taken.push(message);
      return false;
    });
    return taken;
  }

  private deliver(ids: readonly NodeId[], options: Command["options"]): void {
    const [limit] = options.get("count") ?? [];
    const taken = this.take(this.matching(ids, options), limit === undefined ? undefined : Number(limit));
    const twice = options.get("times")?.[0] === "2";
    for (const message of taken) {
      this.lines.push(`recv ${describeMessage(message)}`);
      this.member(message.to).raft.step(message);
      if (twice) this.member(message.to).raft.step(message);
    }
  }

  private drop(ids: readonly NodeId[], options: Command["options"]): void {
    for (const message of this.take(this.matching(ids, options))) this.lines.push(`lost ${describeMessage(message)}`);
  }

  /** Messages between the named members, their Readys and writes, until nothing moves. */
  private stabilize(ids: readonly NodeId[]): void {
    for (let round = 0; round < MAX_STABILIZE_ROUNDS; round++) {
      let moved = false;
      for (const id of ids) while (this.ready(this.member(id))) moved = true;
      for (const id of ids) {
        for (const message of this.take((m) => m.to === id && ids.includes(m.from))) {
          this.member(id).raft.step(message);
          moved = true;
          if (message.type === "snap") this.members.get(message.from)?.raft.reportSnapshot(id, true);
        }
      }
      if (!moved) return;
    }
    assert(false, "the members talk for ever");
  }

  /** Makes the first of `ids` leader by the votes of the others; what it then sends stays in the network. */
  private elect(ids: readonly NodeId[]): void {
    const candidate = this.member(firstId(ids));
    candidate.raft.campaign();
    const isVote = (message: Message): boolean => message.type.toLowerCase().includes("vote");
    for (let round = 0; round < MAX_STABILIZE_ROUNDS && candidate.raft.status().role !== "leader"; round++) {
      for (const id of ids) while (candidate.raft.status().role !== "leader" && this.ready(this.member(id)));
      for (const message of this.take((m) => isVote(m) && ids.includes(m.to) && ids.includes(m.from))) {
        this.member(message.to).raft.step(message);
      }
    }
    // Votes for members that are not asked here are lost: they would disturb the next election of the script.
    this.take(isVote);
    this.lines = [];
    this.state(candidate);
  }

  private snapshot(member: Member): void {
    const { applied, conf } = member.raft.status();
    const term = member.raft.termAt(applied);
    assert(term !== undefined, "the applied entry is in the log");
    const snapshot: SnapshotMeta = { index: applied, term, conf };
    const entries = member.disk.entries.filter((entry) => entry.index >= applied);
    member.disk = { ...member.disk, snapshot, entries };
    member.raft.snapshotCreated(snapshot);
    this.lines.push(`${member.id}: snapshot ${term}/${applied} conf=${describeConf(conf)}`);
  }

  /** A snapshot message at `index` from a leader, as a delayed or doubled stream would bring it. */
  private injectSnapshot(from: Member, to: NodeId, index: number): void {
    const { term, conf } = from.raft.status();
    const snapshot: SnapshotMeta = { index, term: from.raft.termAt(index) ?? 0, conf };
    this.member(to).raft.step({ type: "snap", from: from.id, to, term, snapshot });
  }

  private compact(member: Member, index: number): void {
    member.raft.compact(index);
    this.lines.push(`${member.id}: log begins at ${member.raft.status().firstIndex}`);
  }

  /** Power failure: every write in flight is lost, and the member starts again from its disk. */
  private crash(member: Member): void {
    member.writes = [];
    member.toApply = [];
    member.raft = this.start(member.id, member.disk, member.bounds);
    this.state(member);
  }

  /** Starts a member from a log of the given terms, entry 2 first: shapes that would take long to bring about. */
  private restart(member: Member, options: Command["options"]): void {
    const terms = options.get("terms")?.map(Number) ?? [];
    const entries = terms.map((term, i): Entry => ({ term, index: i + 2, type: "empty", data: new Uint8Array(0) }));
    const hardState = { term: terms.at(-1) ?? 1, vote: 0n, commit: 1 };
    member.disk = { ...member.disk, hardState, entries };
    this.crash(member);
  }

  private log(member: Member): void {
    const { raft } = member;
    const { firstIndex, lastIndex, stableIndex } = raft.status();
    this.lines.push(`log ${firstIndex}..${lastIndex} stable=${stableIndex}`);
    const kept = member.disk.entries.filter((entry) => entry.index >= firstIndex);
    this.lines.push(...kept.map((entry) => `  disk ${describeEntry(entry)}`));
  }

  private state(member: Member): void {
    const { role, term, vote, leader, commit, applied, lastIndex, conf } = member.raft.status();
    const who = `${member.id}: ${role} term=${term} vote=${vote} leader=${leader}`;
    this.lines.push(`${who} commit=${commit} applied=${applied} last=${lastIndex} members=${describeConf(conf)}`);
  }

  private progress(member: Member): void {
    for (const [id, progress] of member.raft.status().progress) {
      const { match, next, state, learner, paused, inflight, pendingSnapshot } = progress;
      const flags = [learner ? "learner" : "", paused ? "paused" : "", inflight > 0 ? `inflight=${inflight}` : ""];
      if (pendingSnapshot > 0) flags.push(`pendingSnapshot=${pendingSnapshot}`);
      const tail = flags.filter((flag) => flag !== "").join(" ");
      this.lines.push(`${id}: ${state} match=${match} next=${next}${tail === "" ? "" : ` ${tail}`}`);
    }
  }
}

function firstId(ids: readonly NodeId[]): NodeId {
  const [id] = ids;
  assert(id !== undefined, "the command names a member");
  return id;
}
