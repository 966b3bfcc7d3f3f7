import { randomBytes } from "node:crypto";
import { type Clock, errorFrom, sleep } from "@trireme/base";
import { type Command, Lessor, MAX_LEASE_TTL_SECONDS, type MvccStore, type Outcome, storeError } from "@trireme/mvcc";
import type { LeaseGrantRequest } from "@trireme/proto/etcdserverpb/rpc";
import type { Logger } from "@trireme/telemetry";
import type { Answer, Question } from "../peers/ask.ts";
import { FAILURE } from "../replica/failures.ts";
import type { Replica } from "../replica/replica.ts";

/** How often the leader looks for leases whose time is over: what a lease may live too long. */
const CHECK_MS = 100;

/** Ends of leases that are in the log at a time; each is one entry, and clients' writes share the pipe. As etcd's 16 plus. */
const MAX_ENDING = 64;

/** A leader is looked for again after this time, until the request's time is over. */
const RETRY_MS = 50;
const REQUEST_TIMEOUT_MS = 7000;

/** The shortest lease, in election timeouts: it must outlive an ordinary change of leader. As etcd. */
const MIN_TTL_ELECTIONS = 1.5;

/** What is left of a lease. */
export interface TimeToLive {
  /** Whole seconds; -1 when there is no such lease. */
  readonly ttl: number;
  readonly grantedTtl: number;
  readonly keys: readonly string[];
}

/** How a question reaches another member. */
export type AskMember = (id: bigint, question: Question, timeoutMs: number) => Promise<Answer>;

export interface LeaseKeeperOptions {
  readonly store: MvccStore;
  readonly self: bigint;
  readonly electionMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ask: AskMember;
}

/**
 * The leases' shell: gives the Lessor its time and its office, and carries out what it says. Whatever is asked of a member
 * that does not lead is asked of the leader.
 */
export class LeaseKeeper {
  private readonly options: LeaseKeeperOptions;
  private readonly lessor: Lessor;
  private replica: Replica | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly takingBack = new Map<bigint, Promise<void>>();
  /** Settles when all that was noted so far is applied or given up. */
  private noting: Promise<void> = Promise.resolve();
  private ending = 0;
  private waiting: bigint[] = [];

  constructor(options: LeaseKeeperOptions) {
    this.options = options;
    this.lessor = new Lessor(options.store);
  }

  start(replica: Replica): void {
    this.replica = replica;
    this.timer = setInterval(() => this.expire(), CHECK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.lessor.demote();
  }

  /** This member took or lost office. */
  office(isLeader: boolean): void {
    if (isLeader === this.lessor.isPrimary) return;
    this.waiting = [];
    if (isLeader) this.lessor.promote(this.options.clock.monotonic(), this.options.electionMs);
    else this.lessor.demote();
  }

  /** A command was applied. */
  applied(command: Command | undefined, outcome: Outcome): void {
    if (command === undefined || outcome.error !== undefined) return;
    if (command.type === "leaseGrant") this.lessor.granted(command.id, this.options.clock.monotonic());
    if (command.type === "leaseRevoke") this.lessor.revoked(command.id);
    if (command.type !== "leaseCheckpoint") return;
    for (const { id, remaining } of command.leases) if (remaining === 0) this.lessor.takenBack(id);
  }

  /** Completes a grant before it enters the log: replicas choose nothing by themselves. */
  complete(request: LeaseGrantRequest): LeaseGrantRequest {
    if (request.TTL > BigInt(MAX_LEASE_TTL_SECONDS)) throw storeError("leaseTtlTooLarge");
    const least = BigInt(Math.ceil((MIN_TTL_ELECTIONS * this.options.electionMs) / 1000));
    return {
      ID: request.ID === 0n ? this.freeId() : request.ID,
      TTL: request.TTL < least ? least : request.TTL,
    };
  }

  /** Renews a lease; answers its whole time in seconds, 0 when there is no such lease any more. */
  async renew(id: bigint): Promise<number> {
    return this.byLeader(
      () => this.renewHere(id),
      async (leader, timeoutMs) => {
        const answer = await this.options.ask(leader, { $case: "renewLease", value: { ID: id } }, timeoutMs);
        return answer.$case === "renewLease" ? Number(answer.value.TTL) : 0;
      },
    );
  }

  async timeToLive(id: bigint, withKeys: boolean): Promise<TimeToLive> {
    return this.byLeader(
      () => this.timeToLiveHere(id, withKeys),
      async (leader, timeoutMs) => {
        const question: Question = { $case: "leaseTimeToLive", value: { ID: id, keys: withKeys } };
        const answer = await this.options.ask(leader, question, timeoutMs);
        if (answer.$case !== "leaseTimeToLive") throw FAILURE.leaderChanged();
        const { TTL, grantedTTL, keys } = answer.value;
        return { ttl: Number(TTL), grantedTtl: Number(grantedTTL), keys: keys.map((key) => key.toString("latin1")) };
      },
    );
  }

  /**
   * On the leader alone; throws "not leader". A round of heartbeats proves after the request came that this member leads, and
   * everything committed before is applied: a lease whose end was acknowledged is not renewed any more (B19), and one who
   * counts from the sending of its request is never promised more than the next leader grants.
   */
  async renewHere(id: bigint): Promise<number> {
    await this.confirmOffice();
    for (;;) {
      while (this.lessor.isNoted(id) && !this.lessor.isExpiring(id)) await this.takeBack(id);
      const ttl = this.lessor.renew(id, this.options.clock.monotonic());
      if (ttl !== undefined) return ttl;
      if (!this.lessor.isExpiring(id)) return 0;
      // Its end is in the log: only when that is applied may its holder be told.
      await sleep(RETRY_MS);
      if (!this.lessor.isPrimary) throw FAILURE.notLeader();
    }
  }

  /** A lease of which less than its whole time is noted gets that back in the log before it is renewed; once for all who ask. */
  private takeBack(id: bigint): Promise<void> {
    const running = this.takingBack.get(id);
    if (running !== undefined) return running;
    // After whatever was noted before: in the log the last word counts.
    const taken = this.noting
      .then(() => this.note([{ id, remaining: 0 }]))
      .then(() => this.lessor.unnoted(id))
      .finally(() => this.takingBack.delete(id));
    this.takingBack.set(id, taken);
    return taken;
  }

  /** Puts what is left of leases into the log; throws "not leader" when another one leads before that is applied. */
  private async note(leases: readonly { readonly id: bigint; readonly remaining: number }[]): Promise<void> {
    const { replica } = this;
    if (replica === undefined || !this.lessor.isPrimary) throw FAILURE.notLeader();
    const term = replica.currentTerm;
    const wire = leases.map(({ id, remaining }) => ({ id, remaining: BigInt(remaining) }));
    const { error } = await replica.propose(
      { $case: "leaseCheckpoint", value: { term: BigInt(term), leases: wire } },
      true,
    );
    if (error !== undefined) throw error;
    if (!this.lessor.isPrimary || replica.currentTerm !== term) throw FAILURE.notLeader();
  }

  /** On the leader alone; throws "not leader". */
  async timeToLiveHere(id: bigint, withKeys: boolean): Promise<TimeToLive> {
    await this.confirmOffice();
    const lease = this.options.store.leases.get(id);
    const remainingMs = this.lessor.remainingMs(id, this.options.clock.monotonic());
    if (lease === undefined || remainingMs === undefined) return { ttl: -1, grantedTtl: 0, keys: [] };
    const keys = withKeys ? this.options.store.leases.keysOf(id) : [];
    return { ttl: Math.floor(remainingMs / 1000), grantedTtl: lease.ttl, keys };
  }

  private async confirmOffice(): Promise<void> {
    const { replica } = this;
    if (replica === undefined || !this.lessor.isPrimary) throw FAILURE.notLeader();
    const term = replica.currentTerm;
    await replica.readBarrier();
    if (!this.lessor.isPrimary || replica.currentTerm !== term) throw FAILURE.notLeader();
  }

  /** Carries out `here` when this member leads, else `there`; again with the next leader while there is time. */
  private async byLeader<T>(
    here: () => Promise<T>,
    there: (leader: bigint, timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const { clock, self } = this.options;
    const deadline = clock.monotonic() + REQUEST_TIMEOUT_MS;
    for (;;) {
      const leader = this.replica?.currentLeader ?? 0n;
      try {
        if (leader === self) return await here();
        if (leader !== 0n) return await there(leader, deadline - clock.monotonic());
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (!error.retryable) throw error;
      }
      if (clock.monotonic() + RETRY_MS > deadline) throw leader === 0n ? FAILURE.noLeader() : FAILURE.readTimeout();
      await sleep(RETRY_MS);
    }
  }

  private expire(): void {
    const now = this.options.clock.monotonic();
    // While a lease is being given its whole time back nothing else is noted of it.
    for (const id of this.takingBack.keys()) this.lessor.keepUnnoted(id);
    const left = this.lessor.checkpoints(now);
    if (left.length > 0) {
      const before = this.noting;
      this.noting = this.note(left)
        .catch((error: unknown) => this.options.log.debug("leases not noted", { err: errorFrom(error) }))
        .then(() => before);
    }
    this.waiting.push(...this.lessor.due(this.options.clock.monotonic()));
    while (this.ending < MAX_ENDING && this.waiting.length > 0) void this.end(this.waiting.shift()!);
  }

  /** Ends a lease, if this member leads indeed: after a pause it may think so and be long deposed (B18). */
  private async end(id: bigint): Promise<void> {
    const { replica } = this;
    if (replica === undefined) return;
    this.ending += 1;
    try {
      const term = replica.currentTerm;
      await this.confirmOffice();
      if (!this.lessor.stillDue(id, this.options.clock.monotonic())) return;
      const value = { id, expiredInTerm: BigInt(term), spareApiKeys: false };
      await replica.propose({ $case: "leaseRevoke", value }, true);
    } catch (error) {
      this.options.log.debug("a lease's end did not come about; it is tried again", { err: errorFrom(error) });
    } finally {
      this.ending -= 1;
      if (this.waiting.length > 0 && this.lessor.isPrimary) void this.end(this.waiting.shift()!);
    }
  }

  /** A positive id, as etcd draws them. */
  private freeId(): bigint {
    for (;;) {
      const id = randomBytes(8).readBigUInt64BE() >> 1n;
      if (id !== 0n && !this.options.store.leases.has(id)) return id;
    }
  }
}
