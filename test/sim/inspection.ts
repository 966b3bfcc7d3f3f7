import type { ConfState, Entry, Message, Raft, StorageAppend } from "@trireme/raft";
import { isVoter } from "@trireme/raft";
import type { StoreApp } from "@trireme/state-store";
import type { Coverage } from "./coverage.ts";
import type { Oracle } from "./oracle.ts";
import { type Host, Violation, type World, must } from "./world/world.ts";

/** What is looked at inside of a core. */
interface CoreInside {
  readonly role: string;
  readonly term: number;
  readonly conf: ConfState;
  readonly committedInTerm: boolean;
  becomeCandidate(): void;
  becomeFollower(term: number, leader: bigint): void;
  readonly log: {
    readonly last: number;
    readonly applied: number;
    readonly stable: number;
    readonly committed: number;
    readonly offset: number;
    term(index: number): number | undefined;
    some(after: number, to: number, predicate: (entry: Entry) => boolean): boolean;
    append(entries: readonly Entry[]): void;
    commitTo(index: number): void;
  };
}

/** A member that has just started, and what is known of the others. */
interface Inspected {
  readonly host: Host;
  readonly world: World;
  readonly oracle: Oracle;
  readonly coverage: Coverage;
  readonly app: StoreApp;
  readonly raft: Raft;
  /** In which life the member of an id is; undefined: it is down. */
  readonly lifeOf: (id: bigint) => number | undefined;
}

const isConfChange = (entry: Entry): boolean => entry.type === "confChange";

/** Watches from within what a member does to its log, its membership and its term; the product has no hooks for that. */
export function inspect(inspected: Inspected): void {
  const core = Reflect.get(inspected.raft, "core") as CoreInside;
  watchLog(inspected, core);
  watchCommit(inspected, core);
  watchStable(inspected, core);
  watchElections(inspected, core);
}

function watchLog({ host, world, coverage, app }: Inspected, core: CoreInside): void {
  const { log } = core;
  const append = log.append.bind(log);
  log.append = (entries) => {
    if (entries[0] !== undefined && entries[0].index <= log.last) coverage.add("log truncations");
    if (core.role === "leader" && entries.some(isConfChange)) {
      // One change at a time, and none before the term's first commit (rows 17 and 18 of the checklist). Not thrown: the
      // request that it belongs to would swallow it.
      if (log.some(log.applied, log.last, isConfChange)) {
        world.fail(new Violation(`S1: ${host.name} begins a second change of members`));
      }
      if (!core.committedInTerm) {
        world.fail(new Violation(`S1: ${host.name} changes members before its term's first commit`));
      }
    }
    append(entries);
  };
  const wal = Reflect.get(app.replica, "wal") as { roll(): Promise<void> };
  const roll = wal.roll.bind(wal);
  wal.roll = () => {
    coverage.add("segments begun");
    return roll();
  };
}

/** S4, S1: who counts for a commit, and who leads once a change of members is in force. */
function watchCommit({ host, oracle, raft }: Inspected, core: CoreInside): void {
  const { log } = core;
  const { id } = raft.status();
  const commitTo = log.commitTo.bind(log);
  log.commitTo = (index) => {
    if (core.role === "leader" && index > log.committed) oracle.commits(id, core.term, core.conf, index, log.stable);
    commitTo(index);
  };
  const applied = raft.applied.bind(raft);
  raft.applied = (index) => {
    applied(index);
    must(core.role !== "leader" || isVoter(core.conf, id), `S1: ${host.name} leads on without a vote`);
  };
}

/** S7: what the core takes for durable is what was written: the same entry, not another one at its index. */
function watchStable({ host, raft }: Inspected, core: CoreInside): void {
  const written = new Map<number, number>();
  const storageAppended = raft.storageAppended.bind(raft);
  raft.storageAppended = (append: StorageAppend) => {
    for (const { index, term } of append.entries) written.set(index, term);
    storageAppended(append);
    const { stable, offset } = core.log;
    // What a snapshot of the leader replaced is not compared: its file vouches for it.
    const term = stable > offset ? written.get(stable) : undefined;
    must(
      term === undefined || term === core.log.term(stable),
      `S7: ${host.name} takes entry ${stable} for durable, and wrote one of term ${term} there`,
    );
  };
}

/** F7: what a member hears of leaders, and when it campaigns without having been asked to. */
function watchElections({ host, world, oracle, raft, lifeOf }: Inspected, core: CoreInside): void {
  const { id } = raft.status();
  const { life } = host;
  let isAsked = false;
  const step = raft.step.bind(raft);
  raft.step = (message: Message) => {
    const { type, term, from } = message;
    const leader = { id: from, life: lifeOf(from) };
    const isLeaders = type === "heartbeat" || type === "app" || type === "snap";
    if (isLeaders && term >= core.term) oracle.stability.hears(id, life, term, leader, world.now);
    isAsked = type === "timeoutNow";
    step(message);
    isAsked = false;
  };
  const becomeFollower = core.becomeFollower.bind(core);
  core.becomeFollower = (term, leader) => {
    if (core.role === "leader" && term === core.term) oracle.stability.stepsDown(term);
    becomeFollower(term, leader);
  };
  const becomeCandidate = core.becomeCandidate.bind(core);
  core.becomeCandidate = () => {
    if (!isAsked) {
      oracle.stability.campaigns({ id, term: core.term, voters: core.conf.voters }, oracle.leaderOf, lifeOf, world.now);
    }
    becomeCandidate();
  };
}
