import type { ProfileName } from "./scenario.ts";

/** One change of a source text as it is loaded. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A known mistake, planted while modules load: the proof that the simulation would find it. */
export interface Bug {
  readonly name: string;
  readonly changes: readonly Change[];
  /** Where it is most likely found: the hunt begins with the seeds of this profile. */
  readonly profile?: ProfileName;
  /** Found in the first seeds, so that continuous integration has time for it. */
  readonly quick?: boolean;
}

const WAL = "state-store/src/wal/wal.ts";
const CORE = "raft/src/core.ts";
const STORE = "mvcc/src/store.ts";
const MVCC_SNAPSHOT = "mvcc/src/snapshot.ts";
const SNAPSHOT_FILE = "state-store/src/snapshot/snapshot-file.ts";
const SNAPSHOTTER = "state-store/src/replica/snapshotter.ts";
const WATCH_HUB = "mvcc/src/watch-hub.ts";
const LEASE_KEEPER = "state-store/src/leases/lease-keeper.ts";

/** A write of the log whose acknowledgement does not wait for the disk when `test` holds of it. */
function early(test: string): Change {
  const from = `        await this.write(
          this.writer.take(),
          batch.some((write) => write.mustSync),
        );
        for (const write of batch) write.onDurable();`;
  const to = `        const bytes = this.writer.take();
        const isEarly = (write: WalWrite): boolean => ${test};
        // In their order, as ever: what comes behind a write that waits for the disk waits with it.
        const late = batch.findIndex((write) => !isEarly(write));
        const told = late === -1 ? batch.length : late;
        for (const write of batch.slice(0, told)) write.onDurable();
        await this.write(bytes, batch.some((write) => write.mustSync));
        for (const write of batch.slice(told)) write.onDurable();`;
  return { file: WAL, from, to };
}

/** The twenty of issue 5's gate, and what the simulation has found since. Each change says what somebody could well have written. */
export const BUGS: readonly Bug[] = [
  { name: "acknowledge before fsync", quick: true, changes: [early("write.entries.length > 0")] },
  {
    name: "vote before fsync",
    profile: "snapshots",
    changes: [early("write.hardState !== undefined && write.entries.length === 0 && write.snapshot === undefined")],
  },
  {
    name: "commit an entry of an old term by counting",
    profile: "leases",
    changes: [
      {
        file: CORE,
        from: "if (index <= this.log.committed || !this.log.matches(index, this.term)) return false;",
        to: "if (index <= this.log.committed) return false;",
      },
    ],
  },
  {
    // That a pre-vote of a lower term is refused and not dropped is libs/raft's own script, prevote_lower_term.
    name: "skip the pre-vote rejection",
    quick: true,
    profile: "isolation",
    changes: [
      {
        file: "raft/src/raft.ts",
        from: "if (asksVote && !message.transfer && isLoyal(core)) return false;",
        to: `if (message.type === "vote" && !message.transfer && isLoyal(core)) return false;`,
      },
    ],
  },
  {
    name: "reuse a ReadIndex request id",
    profile: "latency",
    changes: [
      {
        file: "state-store/src/replica/reads.ts",
        from: "    if (this.round !== undefined || this.waiting.length === 0) return;",
        to: `    if (this.round !== undefined) this.round.waiters.push(...this.waiting.splice(0));
    if (this.round !== undefined || this.waiting.length === 0) return;`,
      },
    ],
  },
  {
    name: "serve ReadIndex before the first commit of the term",
    profile: "pauses",
    changes: [
      {
        file: "raft/src/reads.ts",
        from: "if (core.committedInTerm) core.reads.add(",
        to: "if (core.term > 0) core.reads.add(",
      },
    ],
  },
  {
    name: "heartbeat commit past match",
    profile: "latency",
    changes: [
      { file: CORE, from: "commit: Math.min(progress.match, this.log.committed)", to: "commit: this.log.committed" },
    ],
  },
  {
    name: "count a removed leader",
    profile: "members",
    changes: [
      {
        file: "raft/src/membership.ts",
        from: `  if (!isVoter(conf, core.id)) {
    core.becomeFollower(core.term, NONE);
    return;
  }
`,
        to: "",
      },
      {
        file: CORE,
        from: "    const index = quorumIndex(this.conf, (id) => this.progress.get(id)?.match ?? 0);",
        to: `    const voters = [...new Set([...this.conf.voters, this.id])];
    const matchOf = (id: NodeId): number => (id === this.id ? this.log.stable : (this.progress.get(id)?.match ?? 0));
    const index = quorumIndex({ ...this.conf, voters }, matchOf);`,
      },
    ],
  },
  {
    name: "second configuration change while one is pending",
    profile: "members",
    changes: [
      {
        file: "raft/src/membership.ts",
        from: "if (core.pendingConfIndex > core.log.applied || !core.committedInTerm)",
        to: "if (core.term === 0)",
      },
    ],
  },
  {
    name: "learner counted in the quorum",
    quick: true,
    profile: "members",
    changes: [
      {
        file: CORE,
        from: "    const index = quorumIndex(this.conf, (id) => this.progress.get(id)?.match ?? 0);",
        to: `    const voters = [...this.conf.voters, ...this.conf.learners];
    const index = quorumIndex({ ...this.conf, voters }, (id) => this.progress.get(id)?.match ?? 0);`,
      },
    ],
  },
  {
    name: "snapshot installed without fsync",
    profile: "snapshots",
    changes: [
      {
        file: SNAPSHOT_FILE,
        from: "    await this.handle.sync();\n    await this.handle.close();\n",
        to: "    await this.handle.close();\n",
      },
    ],
  },
  {
    name: "WAL truncated before the snapshot is durable",
    profile: "snapshots",
    changes: [
      {
        file: SNAPSHOTTER,
        from: "      const { bytes } = await writeSnapshotFile(",
        to: `      await this.options.wal.release(index);
      const { bytes } = await writeSnapshotFile(`,
      },
    ],
  },
  {
    name: "applied index not atomic",
    profile: "snapshots",
    changes: [
      {
        file: MVCC_SNAPSHOT,
        from: "headFrame(revision, compactRevision, appliedIndex)",
        to: "headFrame(revision, compactRevision, Math.max(1, appliedIndex - 1))",
      },
      {
        file: SNAPSHOTTER,
        from: "const meta: SnapshotMeta = { index, term, conf",
        to: "const meta: SnapshotMeta = { index: index - 1, term: raft.termAt(index - 1) ?? term, conf",
      },
    ],
  },
  {
    name: "watch restarted one revision late",
    quick: true,
    changes: [
      {
        file: WATCH_HUB,
        from: "store.revision + 1 : spec.startRevision;",
        to: "store.revision + 1 : spec.startRevision + 1;",
      },
    ],
  },
  {
    name: "compaction that drops a delete event",
    changes: [
      {
        file: STORE,
        from: "if (event === undefined || event.modRevision >= this.compactedRevision) return false;",
        to: `if (event === undefined || event.modRevision > this.compactedRevision) return false;
      if (event.modRevision === this.compactedRevision && !isTombstone(event)) return false;`,
      },
    ],
  },
  {
    name: "progress notified ahead of events",
    changes: [
      {
        file: WATCH_HUB,
        from: "if (this.behind || this.pending.length > 0 || this.next > this.store.revision + 1) return undefined;",
        to: "if (this.next > this.store.revision + 1) return undefined;",
      },
      {
        file: "state-store/src/grpc/watch.ts",
        from: "        this.progressWanted = true;\n        this.schedule();",
        to: "        this.progressWanted = true;\n        this.answerProgress();",
      },
    ],
  },
  {
    name: "lease expired by a deposed leader",
    profile: "leases",
    changes: [
      {
        file: "state-store/src/apply/command.ts",
        from: "return isVoid(command, entry.term) ? undefined : toCommand(command);",
        to: "return toCommand(command);",
      },
      {
        file: LEASE_KEEPER,
        from: "    else this.lessor.demote();\n",
        to: "",
      },
      {
        file: LEASE_KEEPER,
        from: "      await this.confirmOffice();\n      if (!this.lessor.stillDue",
        to: "      if (!this.lessor.stillDue",
      },
    ],
  },
  {
    name: "transaction partly applied",
    quick: true,
    changes: [
      {
        file: STORE,
        from: "for (const child of succeeded ? op.success : op.failure) this.checkAgainstState(child, branches);",
        to: `for (const child of (succeeded ? op.success : op.failure).slice(0, 1)) this.checkAgainstState(child, branches);`,
      },
      {
        file: STORE,
        from: "    const head = this.store.head(op.key);\n",
        to: `    if (op.lease !== 0n && !this.store.leases.has(op.lease)) throw storeError("leaseNotFound");
    const head = this.store.head(op.key);
`,
      },
    ],
  },
  {
    name: "revision used twice after restart",
    profile: "snapshots",
    changes: [
      {
        file: STORE,
        from: "store.currentRevision = state.revision;",
        to: "store.currentRevision = Math.max(1, state.revision - 1);",
      },
    ],
  },
  {
    name: "stale term ack marks entries stable",
    profile: "latency",
    changes: [
      {
        file: "raft/src/log.ts",
        from: "      for (const write of this.writes) write.last = Math.min(write.last, keep);\n",
        to: "",
      },
    ],
  },
  // Seed 1749 had found it, before a leader's second life in one term was seen as such.
  {
    name: "ask for votes before fsync",
    profile: "snapshots",
    changes: [{ file: CORE, from: '      case "vote":\n', to: "" }],
  },
];

/** The bug of that name. */
export function bugNamed(name: string): Bug {
  const found = BUGS.find((bug) => bug.name === name);
  if (found === undefined)
    throw new Error(`there is no bug "${name}"; there are: ${BUGS.map((bug) => bug.name).join("; ")}`);
  return found;
}
