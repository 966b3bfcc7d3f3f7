import { TriremeError, assert, assertSafeInteger } from "@trireme/base";
import { Alarms } from "./alarms.ts";
import { inRange, scanEnd } from "./bytes.ts";
import { storeError } from "./errors.ts";
import { EventLog } from "./event-log.ts";
import { type Lease, Leases, MAX_LEASE_TTL_SECONDS } from "./leases.ts";
import { type MemberInfo, Members } from "./members.ts";
import { checkReadable, readRange } from "./range.ts";
import { Tree } from "./tree.ts";
import { addsData, checkOp, holds } from "./txn.ts";
import type {
  Command,
  Compare,
  DeleteRangeOp,
  DeleteRangeResult,
  DoneResult,
  KeyValue,
  LeaseGrantOp,
  LeaseRevokeOp,
  Op,
  OpResult,
  PutOp,
  PutResult,
  RangeOp,
  RangeResult,
  TxnOp,
  TxnResult,
  WriteOp,
} from "./types.ts";
import { type Version, isTombstone, versionAt } from "./version.ts";

/** What applying one command came to. Failures are part of the state machine: the same on every replica. */
export type Outcome =
  | { readonly revision: number; readonly result: OpResult | DoneResult; readonly error?: undefined }
  | { readonly revision: number; readonly error: TriremeError; readonly result?: undefined };

/** Bytes that a version costs beside its key and value: object, chain, tree and log slots. An estimate for quotas. */
const VERSION_OVERHEAD_BYTES = 200;

/** Bytes that a lease costs, so that the quota bounds leases too. */
const LEASE_BYTES = 200;

const DONE: DoneResult = { type: "done" };

/** The empty store's revision, as etcd counts. */
const FIRST_REVISION = 1;

/** What a snapshot holds beside the keys. */
export interface SystemState {
  readonly leases: readonly Lease[];
  readonly alarms: Alarms;
  readonly members: Members;
}

/**
 * The replicated state machine: keys, their history since the last compaction, leases, alarms, members, and the index of
 * the last applied entry.
 *
 * Invariant: state is a function of the applied commands alone. Invariant: revisions are dense; every command that
 * changes anything takes exactly one.
 */
export class MvccStore {
  private tree = new Tree<Version>();
  private events = new EventLog();
  private currentRevision = FIRST_REVISION;
  private compactedRevision = 0;
  private applied = 0;
  private bytes = 0;
  private liveSize = 0;
  private linked = 0;
  private pins = 0;
  private generation = 0;
  private leaseState = new Leases();
  private alarmState = new Alarms();
  private memberState = new Members();

  /** The leases and what is attached to them. */
  get leases(): Leases {
    return this.leaseState;
  }

  /** The alarms that are on. */
  get alarms(): Alarms {
    return this.alarmState;
  }

  /** Who belongs to the cluster. */
  get members(): Members {
    return this.memberState;
  }

  /** The newest revision. */
  get revision(): number {
    return this.currentRevision;
  }

  /** The oldest revision that can be read; 0 before the first compaction. */
  get compactRevision(): number {
    return this.compactedRevision;
  }

  /** Index of the last applied log entry. */
  get appliedIndex(): number {
    return this.applied;
  }

  /** Estimated bytes of memory in use by keys, values and history. */
  get sizeBytes(): number {
    return this.bytes;
  }

  /** The part of {@link sizeBytes} that is no history: keys as they are now. */
  get liveBytes(): number {
    return this.liveSize;
  }

  /** Estimated bytes of all that was ever written in this process; grows only. */
  get writtenBytes(): number {
    return this.linked;
  }

  /** Number of keys, those whose deletion is still in history included. */
  get keyCount(): number {
    return this.tree.size;
  }

  /** History since the last compaction; for the watch hub and snapshots. */
  get log(): EventLog {
    return this.events;
  }

  /** Changes each time {@link replaceWith} swaps the whole state. */
  get restores(): number {
    return this.generation;
  }

  /** Reads at one revision; throws when it is compacted or in the future, or the key is empty. */
  range(op: RangeOp): RangeResult {
    checkOp(op);
    checkReadable(op, this.readable());
    return readRange(this.tree, op);
  }

  /** Applies the log entry at `index`; `undefined` is an entry that carries no command. */
  apply(index: number, command: Command | undefined): Outcome {
    assert(index === this.applied + 1, `entry ${index} applied after ${this.applied}`);
    assertSafeInteger(index, "applied index");
    this.applied = index;
    if (command === undefined) return { revision: this.currentRevision, result: DONE };
    try {
      const result = this.carryOut(command);
      return { revision: this.currentRevision, result };
    } catch (error) {
      // Only the checks throw, and they come before the first write: a failed command has changed nothing.
      if (!(error instanceof TriremeError)) throw error;
      return { revision: this.currentRevision, error };
    }
  }

  private carryOut(command: Command): OpResult | DoneResult {
    this.checkAlarms(command);
    switch (command.type) {
      case "compact":
        return this.compact(command.revision);
      case "leaseGrant":
        return this.grant(command);
      case "leaseRevoke":
        return this.revoke(command);
      case "leaseCheckpoint":
        for (const { id, remaining } of command.leases) this.leaseState.checkpoint(id, remaining);
        return DONE;
      case "alarm":
        this.alarmState.set(command.alarm, command.on);
        return DONE;
      case "memberAdd":
        if (!this.memberState.add(command.member)) throw storeError("memberExists");
        return DONE;
      case "memberRemove":
        if (!this.memberState.remove(command.id)) throw storeError("memberNotFound");
        // Nobody could switch off the alarms of a member that is gone.
        for (const type of ["noSpace", "corrupt"] as const) this.alarmState.set({ member: command.id, type }, false);
        return DONE;
      case "memberUpdate":
        if (!this.memberState.update(command.id, command.change)) throw storeError("memberNotFound");
        return DONE;
      default:
        return this.execute(command);
    }
  }

  /** Throws when an alarm forbids the command. Applied like this, all replicas refuse the same commands. */
  private checkAlarms(command: Command): void {
    switch (command.type) {
      case "alarm":
      case "memberAdd":
      case "memberRemove":
      case "memberUpdate":
        return;
      default:
        if (this.alarmState.isOn("corrupt")) throw storeError("corrupt");
        if (addsData(command) && this.alarmState.isOn("noSpace")) throw storeError("noSpace");
    }
  }

  private grant({ id, ttl }: LeaseGrantOp): DoneResult {
    if (id === 0n) throw storeError("leaseNotFound");
    if (ttl > MAX_LEASE_TTL_SECONDS) throw storeError("leaseTtlTooLarge");
    if (this.leaseState.has(id)) throw storeError("leaseExists");
    this.leaseState.grant({ id, ttl });
    this.bytes += LEASE_BYTES;
    return DONE;
  }

  private revoke({ id, except }: LeaseRevokeOp): DoneResult {
    if (!this.leaseState.has(id)) throw storeError("leaseNotFound");
    const keys = this.leaseState.keysOf(id);
    if (except !== undefined && keys.some((key) => inRange(key, except.key, except.rangeEnd))) {
      throw storeError("permissionDenied");
    }
    const writer = new Writer(this, new Map());
    for (const key of keys) writer.run({ type: "deleteRange", key, rangeEnd: "", prevKv: false });
    if (writer.wrote) this.currentRevision += 1;
    this.leaseState.forget(id);
    this.bytes -= LEASE_BYTES;
    return DONE;
  }

  /**
   * Drops compacted history physically, at most `maxEvents` steps; answers whether more is left. Apart from `apply`,
   * because a compaction of minutes of history would otherwise stop everything else. Never while pinned.
   */
  trim(maxEvents: number): boolean {
    if (this.pins > 0) return false;
    for (let i = 0; i < maxEvents; i++) {
      const event = this.events.at(0);
      if (event === undefined || event.modRevision >= this.compactedRevision) return false;
      this.events.shift();
      this.trimKey(event.key);
    }
    return true;
  }

  /** Whether {@link trim} has work left, also while a pin keeps it away. */
  get holdsCompacted(): boolean {
    return (this.events.at(0)?.modRevision ?? Infinity) < this.compactedRevision;
  }

  /** Keeps {@link trim} away until the returned function is called: for a snapshot that is written in slices. */
  pin(): () => void {
    let pinned = true;
    this.pins += 1;
    return () => {
      if (pinned) this.pins -= 1;
      pinned = false;
    };
  }

  /** Visits chains of versions in key order from `from` on, up to `to` if it is given; see {@link Tree.scan}. */
  scanHeads(from: string, visit: (key: string, head: Version) => boolean, to?: string): boolean {
    return this.tree.scan(from, to, visit);
  }

  /** Swaps in another store's whole state, as when a snapshot arrives; `other` must not be used afterwards. */
  replaceWith(other: MvccStore): void {
    assert(other.applied >= this.applied, "a snapshot never takes the state back");
    this.tree = other.tree;
    this.events = other.events;
    this.currentRevision = other.currentRevision;
    this.compactedRevision = other.compactedRevision;
    this.applied = other.applied;
    this.bytes = other.bytes;
    this.liveSize = other.liveSize;
    this.leaseState = other.leaseState;
    this.alarmState = other.alarmState;
    this.memberState = other.memberState;
    this.generation += 1;
  }

  /** The empty state as of the log entry at `appliedIndex`, where a new cluster of these members begins. */
  static empty(appliedIndex: number, members: readonly MemberInfo[] = []): MvccStore {
    const store = new MvccStore();
    store.applied = appliedIndex;
    store.memberState = new Members(members);
    return store;
  }

  /** Names the members of a state that was saved before states held them; else it changes nothing. */
  adoptMembers(members: readonly MemberInfo[]): void {
    if (this.memberState.size === 0 && this.memberState.removed().length === 0) this.memberState = new Members(members);
  }

  /** Fills an empty store from a snapshot: chains in key order, each oldest first. */
  static fromChains(
    state: { readonly revision: number; readonly compactRevision: number; readonly appliedIndex: number },
    chains: Iterable<Version>,
    system: SystemState,
  ): MvccStore {
    const store = new MvccStore();
    store.alarmState = system.alarms;
    store.memberState = system.members;
    for (const lease of system.leases) store.leaseState.grant(lease);
    store.bytes = system.leases.length * LEASE_BYTES;
    const events: Version[] = [];
    for (const head of chains) {
      store.tree.set(head.key, head);
      store.leaseState.move(head.key, 0n, head.lease);
      store.liveSize += liveSizeOf(head);
      for (let version: Version | undefined = head; version !== undefined; version = version.prev) {
        store.bytes += sizeOf(version);
        if (version.modRevision >= state.compactRevision) events.push(version);
      }
    }
    store.events.fill(events);
    store.currentRevision = state.revision;
    store.compactedRevision = state.compactRevision;
    store.applied = state.appliedIndex;
    return store;
  }

  private readable(): { compacted: number; current: number } {
    return { compacted: this.compactedRevision, current: this.currentRevision };
  }

  private execute(op: WriteOp): OpResult {
    checkOp(op);
    const branches = new Map<TxnOp, boolean>();
    this.checkAgainstState(op, branches);
    const writer = new Writer(this, branches);
    const result = writer.run(op);
    if (writer.wrote) this.currentRevision += 1;
    return result;
  }

  /** Decides every branch and refuses what cannot be done, all before the first write. */
  private checkAgainstState(op: Op, branches: Map<TxnOp, boolean>): void {
    switch (op.type) {
      case "range":
        checkReadable(op, this.readable());
        return;
      case "put":
        if (op.lease !== 0n && !this.leaseState.has(op.lease)) throw storeError("leaseNotFound");
        if ((op.ignoreValue || op.ignoreLease) && this.live(op.key) === undefined) throw storeError("keyNotFound");
        return;
      case "deleteRange":
        return;
      case "txn": {
        const succeeded = op.compare.every((compare) => this.satisfies(compare));
        branches.set(op, succeeded);
        for (const child of succeeded ? op.success : op.failure) this.checkAgainstState(child, branches);
      }
    }
  }

  private satisfies(compare: Compare): boolean {
    if (compare.rangeEnd === "") return holds(compare, this.live(compare.key));
    let found = false;
    const all = this.tree.scan(compare.key, scanEnd(compare.key, compare.rangeEnd), (_key, head) => {
      if (isTombstone(head)) return true;
      found = true;
      return holds(compare, head);
    });
    return found ? all : holds(compare, undefined);
  }

  private live(key: string): Version | undefined {
    const head = this.tree.get(key);
    return head === undefined || isTombstone(head) ? undefined : head;
  }

  private compact(revision: number): DoneResult {
    if (revision > this.currentRevision) throw storeError("futureRevision");
    if (revision <= this.compactedRevision) throw storeError("compacted");
    this.compactedRevision = revision;
    return DONE;
  }

  /** Cuts what no readable revision can reach from one key's chain. */
  private trimKey(key: string): void {
    const head = this.tree.get(key);
    if (head === undefined) return;
    const base = versionAt(head, this.compactedRevision);
    if (base === undefined) return;
    for (let old = base.prev; old !== undefined; old = old.prev) this.bytes -= sizeOf(old);
    base.prev = undefined;
    // A deletion at the compacted revision itself stays: a watch that starts there must still see it.
    if (!isTombstone(base) || base.modRevision >= this.compactedRevision) return;
    this.bytes -= sizeOf(base);
    if (base === head) {
      this.tree.delete(key);
      return;
    }
    let newer: Version = head;
    while (newer.prev !== base) newer = newer.prev!;
    newer.prev = undefined;
  }

  /** One write: the new head of a key's chain. Only for the writer below. */
  link(version: Version): void {
    this.tree.set(version.key, version);
    this.events.append(version);
    const bytes = sizeOf(version);
    this.bytes += bytes;
    this.linked += bytes;
    this.liveSize += liveSizeOf(version) - liveSizeOf(version.prev);
    // A deletion names no lease, and neither does the deletion before a key's next life.
    this.leaseState.move(version.key, version.prev?.lease ?? 0n, version.lease);
  }

  /** The key's newest version, deletions included. Only for the writer below. */
  head(key: string): Version | undefined {
    return this.tree.get(key);
  }

  /** Live keys of a range. Only for the writer below. */
  liveKeys(key: string, rangeEnd: string): Version[] {
    if (rangeEnd === "") {
      const single = this.live(key);
      return single === undefined ? [] : [single];
    }
    const found: Version[] = [];
    this.tree.scan(key, scanEnd(key, rangeEnd), (_key, head) => {
      if (!isTombstone(head)) found.push(head);
      return true;
    });
    return found;
  }

  /** Reads with the writes of the running transaction. Only for the writer below. */
  readNow(op: RangeOp): RangeResult {
    return readRange(this.tree, op);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Executes one checked command: all of its writes share one revision and are numbered in order. */
class Writer {
  private readonly store: MvccStore;
  private readonly branches: ReadonlyMap<TxnOp, boolean>;
  private readonly revision: number;
  private sub = 0;

  constructor(store: MvccStore, branches: ReadonlyMap<TxnOp, boolean>) {
    this.store = store;
    this.branches = branches;
    this.revision = store.revision + 1;
  }

  get wrote(): boolean {
    return this.sub > 0;
  }

  run(op: Op): OpResult {
    switch (op.type) {
      case "range":
        return this.store.readNow(op);
      case "put":
        return this.put(op);
      case "deleteRange":
        return this.deleteRange(op);
      case "txn":
        return this.txn(op);
    }
  }

  private txn(op: TxnOp): TxnResult {
    const succeeded = this.branches.get(op);
    assert(succeeded !== undefined, "every transaction's branch is decided before the first write");
    const responses = (succeeded ? op.success : op.failure).map((child) => this.run(child));
    return { type: "txn", succeeded, responses };
  }

  private put(op: PutOp): PutResult {
    const head = this.store.head(op.key);
    const live: KeyValue | undefined = head === undefined || isTombstone(head) ? undefined : head;
    this.write({
      // The old version's key string is shared, so that a hot key's history holds one copy.
      key: head?.key ?? op.key,
      // A copy: the request's bytes are a view into a far larger message.
      value: op.ignoreValue && live !== undefined ? live.value : new Uint8Array(op.value),
      createRevision: live?.createRevision ?? this.revision,
      version: (live?.version ?? 0) + 1,
      lease: op.ignoreLease && live !== undefined ? live.lease : op.lease,
      prev: head,
    });
    return { type: "put", prevKv: op.prevKv ? live : undefined };
  }

  private deleteRange(op: DeleteRangeOp): DeleteRangeResult {
    const doomed = this.store.liveKeys(op.key, op.rangeEnd);
    for (const prev of doomed) {
      this.write({ key: prev.key, value: NO_BYTES, createRevision: 0, version: 0, lease: 0n, prev });
    }
    return { type: "deleteRange", deleted: doomed.length, prevKvs: op.prevKv ? doomed : [] };
  }

  private write(version: Omit<Version, "modRevision" | "sub">): void {
    this.store.link({ ...version, modRevision: this.revision, sub: this.sub });
    this.sub += 1;
  }
}

/** What the version adds to the live keys, when it is its key's newest. */
function liveSizeOf(version: Version | undefined): number {
  return version === undefined || isTombstone(version) ? 0 : sizeOf(version);
}

function sizeOf(version: Version): number {
  return version.key.length + version.value.length + VERSION_OVERHEAD_BYTES;
}
