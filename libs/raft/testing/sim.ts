import { assert, createPrng } from "@trireme/base";
import type { Prng } from "@trireme/base";
import { bootstrapState } from "../src/config.ts";
import type { InitialState } from "../src/config.ts";
import { Raft } from "../src/raft.ts";
import type { ConfState, Entry, HardState, Message, NodeId, SnapshotMeta, StorageAppend } from "../src/types.ts";

/** How unkind a simulated run is. Probabilities are per event, in [0, 1]. */
export interface SimOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly steps: number;
  readonly drop: number;
  readonly duplicate: number;
  readonly crash: number;
  readonly partition: number;
  /** A member stops in the middle of everything and goes on later, as after SIGSTOP. */
  readonly pause: number;
  /** Whether membership changes are proposed. */
  readonly reconfigure: boolean;
}

/** What a run has exercised, so that a test can reject a vacuous seed. */
export interface SimCoverage {
  elections: number;
  commits: number;
  truncations: number;
  crashes: number;
  snapshots: number;
  reads: number;
  changes: number;
}

/** What survives a crash: only whole writes that were synced. */
interface Disk {
  hardState: HardState;
  snapshot: SnapshotMeta;
  entries: readonly Entry[];
  /** The applied state inside the snapshot. */
  snapshotState: readonly string[];
}

interface Node {
  readonly id: NodeId;
  raft: Raft;
  disk: Disk;
  /** Writes handed out and not yet synced. */
  writes: StorageAppend[];
  /** What the state machine did: one string for each applied index after 1. */
  state: string[];
  /** Reads in progress: id -> the acknowledged prefix when it began. */
  reads: Map<bigint, number>;
  waitingReads: { index: number; floor: number }[];
  /** The newest (term, index, commit) seen durable: never goes back (S6). */
  durable: { term: number; vote: NodeId; commit: number };
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Writes of one append to a simulated disk, replacing what they overlap. */
function writeTo(disk: Disk, write: StorageAppend, snapshotStateOf: (meta: SnapshotMeta) => readonly string[]): Disk {
  let { hardState, snapshot, entries, snapshotState } = disk;
  if (write.snapshot !== undefined) {
    snapshot = write.snapshot;
    snapshotState = snapshotStateOf(snapshot);
    entries = [];
  }
  const first = write.entries[0];
  if (first !== undefined) entries = [...entries.filter((entry) => entry.index < first.index), ...write.entries];
  if (write.hardState !== undefined) hardState = write.hardState;
  return { hardState, snapshot, entries, snapshotState };
}

/**
 * A whole Raft group in one process under one seed: messages are dropped, doubled and reordered, links cut, members
 * crash and lose every unsynced write. Checks S1-S6 and the freshness of reads while it runs; `heal` then demands
 * progress.
 */
export class Sim {
  readonly coverage: SimCoverage = {
    elections: 0,
    commits: 0,
    truncations: 0,
    crashes: 0,
    snapshots: 0,
    reads: 0,
    changes: 0,
  };
  private readonly options: SimOptions;
  private readonly prng: Prng;
  private readonly nodes = new Map<NodeId, Node>();
  private network: Message[] = [];
  private cut = new Set<string>();
  private paused: NodeId = 0n;
  /** S1: the leader of each term, in one life of its process. */
  private readonly leaders = new Map<number, Raft>();
  /** S5: the one history that all state machines share; index i holds log index i + 2. */
  private readonly history: string[] = [];
  /** Log indexes that were acknowledged to a client. */
  private acknowledged = 1;
  private proposals = 0;
  private readonly snapshots = new Map<number, readonly string[]>();

  constructor(options: SimOptions) {
    this.options = options;
    this.prng = createPrng(options.seed);
    const ids = Array.from({ length: options.nodes }, (_, i) => BigInt(i + 1));
    this.snapshots.set(1, []);
    for (const id of ids) {
      const initial = bootstrapState(ids);
      const disk: Disk = { ...initial, snapshotState: [] };
      this.nodes.set(id, {
        id,
        raft: this.start(id, initial),
        disk,
        writes: [],
        state: [],
        reads: new Map(),
        waitingReads: [],
        durable: initial.hardState,
      });
    }
  }

  private start(id: NodeId, initial: InitialState): Raft {
    return new Raft({
      id,
      initial,
      prng: createPrng(this.prng.int(0, 0x7fffffff)),
      electionTicks: 6,
      maxInflightMsgs: 3,
      maxMessageBytes: 200,
      maxInflightBytes: 1000,
      maxApplyingBytes: 300,
      commitsRide: this.options.seed % 2 === 1,
    });
  }

  private chance(probability: number): boolean {
    return this.prng.next() < probability;
  }

  private pick<T>(items: readonly T[]): T {
    return items[this.prng.int(0, items.length - 1)]!;
  }

  /** The fault phase. */
  run(): void {
    const all = [...this.nodes.values()];
    for (let i = 0; i < this.options.steps; i++) {
      const node = this.pick(all);
      if (node.id === this.paused) continue;
      const dice = this.prng.int(0, 99);
      if (dice < 9) node.raft.tick();
      else if (dice < 10) node.raft.tellCommits();
      else if (dice < 60) for (let n = 0; n < 3; n++) this.deliver(this.options.drop, this.options.duplicate);
      else if (dice < 75) this.sync(node);
      else if (dice < 83) this.propose(node);
      else if (dice < 88) this.read(node);
      else if (dice < 89) this.transfer(node);
      else if (dice < 92) this.snapshot(node);
      else if (dice < 96 && this.options.reconfigure) this.reconfigure(node);
      if (this.chance(this.options.crash)) this.crash(node);
      if (this.chance(this.options.partition)) this.repartition();
      // A pause lasts shorter than the time between two of them.
      if (this.chance(this.options.pause * (this.paused === 0n ? 1 : 3))) this.pauseOrWake(all);
      // A shell may be late with its duties.
      if (dice >= 5) this.drain(node);
      this.checkLeader(node);
    }
    this.checkLogs();
  }

  /** Faults end; within a bounded number of rounds there is a leader and everybody has applied the same. */
  heal(): void {
    this.cut.clear();
    this.paused = 0n;
    const all = [...this.nodes.values()];
    let target: number | undefined;
    for (let round = 0; round < 400; round++) {
      for (const node of all) {
        node.raft.tick();
        this.drain(node);
      }
      for (let i = 0; i < 400 && this.network.length > 0; i++) this.deliver(0, 0);
      for (const node of all) {
        while (node.writes.length > 0) this.sync(node);
        this.drain(node);
        this.checkLeader(node);
      }
      const leader = all.find((node) => node.raft.status().role === "leader");
      if (leader === undefined || round < 20) continue;
      if (target === undefined) {
        const result = leader.raft.propose(encoder.encode(`heal-${round}`));
        if (result.kind === "proposed") target = result.index;
        this.drain(leader);
        continue;
      }
      const goal = target;
      const { conf } = leader.raft.status();
      const members = all.filter((n) => conf.voters.includes(n.id) || conf.learners.includes(n.id));
      if (conf.votersOutgoing.length === 0 && members.every((n) => n.raft.status().applied >= goal)) {
        this.checkLogs();
        return;
      }
      if (leader.raft.status().commit >= goal + 50) break;
      if (round % 50 === 49) target = undefined;
    }
    const states = all.map((n) =>
      JSON.stringify(n.raft.status(), (_, v: unknown) => (typeof v === "bigint" ? `${v}` : v)),
    );
    assert(false, `no convergence after the faults ended:\n${states.join("\n")}`);
  }

  private deliver(drop: number, duplicate: number): void {
    if (this.network.length === 0) return;
    const at = this.prng.int(0, Math.min(this.network.length - 1, 20));
    const message = this.network[at]!;
    if (message.to === this.paused) {
      // What a paused member is sent waits for it, and must not stand in the others' way.
      this.network.push(...this.network.splice(at, 1));
      return;
    }
    if (!this.chance(duplicate)) this.network.splice(at, 1);
    if (this.cut.has(`${message.from}>${message.to}`) || this.chance(drop)) {
      if (message.type === "snap") this.nodes.get(message.from)!.raft.reportSnapshot(message.to, false);
      return;
    }
    const node = this.nodes.get(message.to)!;
    node.raft.step(message);
    if (message.type === "snap") this.nodes.get(message.from)!.raft.reportSnapshot(message.to, true);
    this.drain(node);
  }

  /** Does the shell's duties up to the write. */
  private drain(node: Node): void {
    for (let ready = node.raft.ready(); ready !== undefined; ready = node.raft.ready()) {
      for (const message of ready.messages) this.checkPromise(node, message);
      this.network.push(...ready.messages);
      // A bound on memory, and one more way to lose messages.
      if (this.network.length > 2000) this.network = this.network.slice(1000);
      if (ready.append !== undefined) node.writes.push(ready.append);
      for (const entry of ready.committedEntries) this.apply(node, entry);
      const last = ready.committedEntries.at(-1);
      if (last !== undefined) node.raft.applied(last.index);
      for (const id of ready.readsDropped) assert(node.reads.delete(id), "only a read in progress is dropped");
      for (const { id, index } of ready.readStates) {
        const floor = node.reads.get(id);
        assert(floor !== undefined, "only a read in progress is answered");
        node.reads.delete(id);
        node.waitingReads.push({ index, floor });
      }
      this.serveReads(node);
    }
  }

  /** What a message promises is on the disk of its sender (B2, B29). */
  private checkPromise(node: Node, message: Message): void {
    const { disk } = node;
    if (message.type === "appResp" && !message.reject) {
      const last = disk.entries.at(-1)?.index ?? disk.snapshot.index;
      assert(message.index <= last, `${node.id} acknowledges ${message.index} but holds only ${last}`);
    }
    if (message.type === "voteResp" && !message.reject) {
      const { term, vote } = disk.hardState;
      assert(
        term > message.term || (term === message.term && vote === message.to),
        "a vote is durable before it leaves",
      );
    }
  }

  private serveReads(node: Node): void {
    const applied = node.state.length + 1;
    for (const read of node.waitingReads) {
      if (read.index > applied) continue;
      // S8 for reads: what was acknowledged before the read began is visible in it.
      assert(read.index >= read.floor, `a read at ${read.index} misses what was acknowledged up to ${read.floor}`);
      this.coverage.reads += 1;
    }
    node.waitingReads = node.waitingReads.filter((read) => read.index > applied);
  }

  private apply(node: Node, entry: Entry): void {
    assert(entry.index === node.state.length + 2, "entries are applied once each, in order");
    // Committed data is durable where it is applied.
    const onDisk = node.disk.entries.find((other) => other.index === entry.index);
    const covered = entry.index <= node.disk.snapshot.index;
    assert(
      covered || onDisk?.term === entry.term,
      `entry ${entry.index} is applied on ${node.id} before it is durable`,
    );
    const value = `${entry.term}:${entry.type}:${decoder.decode(entry.data)}`;
    const at = entry.index - 2;
    const known = this.history[at];
    // S5 (and with it S3 and S4): no two state machines apply different entries at one index.
    assert(known === undefined || known === value, `S5: index ${entry.index} is both ${known} and ${value}`);
    if (known === undefined) {
      assert(at === this.history.length, "the history grows by one");
      this.history.push(value);
      this.coverage.commits += 1;
    }
    node.state.push(value);
    // The proposer, being leader, would now tell its client.
    if (node.raft.status().role === "leader") this.acknowledged = Math.max(this.acknowledged, entry.index);
  }

  /** The oldest write reaches the disk. */
  private sync(node: Node): void {
    const write = node.writes.shift();
    if (write === undefined) return;
    const first = write.entries[0];
    if (first !== undefined && node.disk.entries.some((entry) => entry.index >= first.index)) {
      this.coverage.truncations += 1;
    }
    node.disk = writeTo(node.disk, write, (meta) => this.snapshots.get(meta.index)!);
    if (write.hardState !== undefined) {
      const { durable } = node;
      const { term, vote, commit } = write.hardState;
      // S6: term, commit and the vote of a term never go back.
      assert(
        term > durable.term || (term === durable.term && (durable.vote === 0n || durable.vote === vote)),
        "S6 vote",
      );
      assert(commit >= durable.commit, "S6 commit");
      node.durable = write.hardState;
    }
    if (write.snapshot !== undefined) {
      node.state = [...this.snapshots.get(write.snapshot.index)!];
      this.coverage.snapshots += 1;
    }
    node.raft.storageAppended(write);
    this.drain(node);
  }

  private crash(node: Node): void {
    this.coverage.crashes += 1;
    // Some whole writes may have reached the disk although nobody was told.
    const lucky = this.prng.int(0, node.writes.length);
    for (const write of node.writes.slice(0, lucky)) {
      node.disk = writeTo(node.disk, write, (meta) => this.snapshots.get(meta.index)!);
      if (write.hardState !== undefined) node.durable = write.hardState;
    }
    node.writes = [];
    node.reads.clear();
    node.waitingReads = [];
    node.state = [...node.disk.snapshotState];
    node.raft = this.start(node.id, node.disk);
  }

  private propose(node: Node): void {
    node.raft.propose(encoder.encode(`p${++this.proposals}`));
  }

  private read(node: Node): void {
    const result = node.raft.readIndex();
    if (result.kind === "waiting") node.reads.set(result.id, this.acknowledged);
  }

  private transfer(node: Node): void {
    node.raft.transferLeadership(this.pick([...this.nodes.keys()]));
  }

  private snapshot(node: Node): void {
    const { applied, conf, firstIndex } = node.raft.status();
    if (applied <= node.disk.snapshot.index) return;
    const term = node.raft.termAt(applied);
    // A snapshot is being installed: its index is not applied yet.
    if (term === undefined || applied < firstIndex || node.state.length + 1 !== applied) return;
    // The disk keeps its log and cuts it at the snapshot, so a pending write of entries behind it stays whole.
    if (node.writes.some((write) => write.snapshot !== undefined)) return;
    const meta: SnapshotMeta = { index: applied, term, conf };
    this.snapshots.set(applied, [...node.state]);
    const entries = node.disk.entries.filter((entry) => entry.index > applied - 3);
    node.disk = { ...node.disk, snapshot: meta, snapshotState: [...node.state], entries };
    node.raft.snapshotCreated(meta);
    if (this.chance(0.7)) node.raft.compact(Math.max(applied - 2, firstIndex - 1));
  }

  private reconfigure(node: Node): void {
    const conf: ConfState = node.raft.confState();
    const ids = [...this.nodes.keys()];
    const count = this.prng.int(1, 2);
    const operations = Array.from({ length: count }, () => {
      const id = this.pick(ids);
      const op = this.pick(["addVoter", "addVoter", "addLearner", "remove"] as const);
      return { op, id };
    });
    // Keep a majority of the machines as voters, so that the cluster can always be healed.
    const losing = operations.filter(({ op, id }) => op !== "addVoter" && conf.voters.includes(id)).length;
    if (losing > 0 && conf.voters.length - losing < 2) return;
    const transition = this.pick(["auto", "jointImplicit"] as const);
    const result = node.raft.proposeConfChange({ transition, operations, context: new Uint8Array(0) });
    if (result.kind === "proposed") this.coverage.changes += 1;
  }

  /** Prefers leaders: a paused leader that wakes up and believes that it still leads is the dangerous one. */
  private pauseOrWake(all: readonly Node[]): void {
    const sleeper = this.nodes.get(this.paused);
    this.paused = 0n;
    if (sleeper === undefined) {
      const leader = all.find((node) => node.raft.status().role === "leader");
      this.paused = (leader ?? this.pick(all)).id;
      return;
    }
    this.read(sleeper);
    this.drain(sleeper);
  }

  private repartition(): void {
    this.cut.clear();
    if (this.chance(0.5)) return;
    const ids = [...this.nodes.keys()];
    for (const a of ids) for (const b of ids) if (a !== b && this.chance(0.35)) this.cut.add(`${a}>${b}`);
  }

  /** S1: at most one leader a term; one that leads again after a crash may write other entries in the place of those it lost. */
  private checkLeader(node: Node): void {
    const { role, term } = node.raft.status();
    if (role !== "leader") return;
    const known = this.leaders.get(term);
    assert(
      known === undefined || known === node.raft,
      `S1: ${node.id} is leader of term ${term} after ${known?.status().id}, or after its own crash`,
    );
    if (known === undefined) {
      this.leaders.set(term, node.raft);
      this.coverage.elections += 1;
    }
  }

  /** S3: logs that agree on an entry agree on everything before it. */
  private checkLogs(): void {
    const all = [...this.nodes.values()];
    for (const a of all) {
      for (const b of all) {
        if (a.id >= b.id) continue;
        const [sa, sb] = [a.raft.status(), b.raft.status()];
        const low = Math.max(sa.firstIndex, sb.firstIndex);
        let agreed = false;
        for (let index = Math.min(sa.lastIndex, sb.lastIndex); index >= low; index--) {
          const same = a.raft.termAt(index) === b.raft.termAt(index);
          assert(same || !agreed, `S3: ${a.id} and ${b.id} differ at ${index} below an entry that they share`);
          agreed ||= same;
        }
      }
    }
  }
}
