import { type Clock, assert, errorFrom, systemClock } from "@trireme/base";
import { type Logger, type Registry, silentLogger } from "@trireme/telemetry";
import { ELECTION_TIMING, ElectionObserver, type ElectionTiming } from "./election-core.ts";
import { ELECTION_NAMESPACE, type LeaseObject, type LeasePort } from "./election-lease.ts";
import { type ElectionMetrics, electionMetrics } from "./metrics.ts";

/** One candidacy for one office. */
export interface ElectionOptions {
  /** The office, e.g. `scheduler`; its Lease is `trireme-scheduler` in kube-system. */
  readonly name: string;
  /** Who stands: the server's name. */
  readonly identity: string;
  readonly leases: LeasePort;
  /**
   * In office. `fence` is the value of the `Trireme-Fence` header for every write; `signal` aborts when the office is
   * lost or given up: whatever acts in office ends with it.
   */
  readonly onAcquired: (fence: string, signal: AbortSignal) => void;
  readonly onLost: () => void;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly registry?: Registry;
  readonly timing?: ElectionTiming;
}

/** A candidacy. At most one candidate of an office has a valid fence at any time; two may believe that they do. */
export interface Election {
  start(): void;
  /** Gives up the office, if held, so that another takes it at once, and ends the candidacy. */
  stop(): Promise<void>;
  readonly isLeader: boolean;
  /** `<election>=<revision>` while in office. */
  fence(): string | undefined;
  /** Who held the office when last looked at; empty if nobody. */
  readonly holder: string;
}

/** While calls keep failing, one line per this time: the first says why, the rest would be the same. */
const LOG_EVERY_MS = 10_000;

/** Renewals whose answer never came and that may yet turn out to have happened: at most those of one deadline. */
const MAX_UNANSWERED = 64;

/** Shortest pause between looks at the Lease, so that a Lease on the brink of expiry is not asked for in a loop. */
const MIN_PAUSE_MS = 50;

/** Stands for an office. */
export function createElection(options: ElectionOptions): Election {
  return new Candidate(options);
}

interface Office {
  lease: LeaseObject;
  readonly fence: string;
  readonly controller: AbortController;
  /** Monotonic time at which the last successful renewal was sent. */
  renewedAt: number;
  /** When renewals were sent whose fate is unknown, by the renewTime that they would have written. */
  readonly unanswered: Map<string, number>;
  cancelDeadline: () => void;
}

class Candidate implements Election {
  holder = "";
  private readonly options: ElectionOptions;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly metrics: ElectionMetrics;
  private readonly timing: ElectionTiming;
  private readonly observer: ElectionObserver;
  private office: Office | undefined;
  private running: Promise<void> | undefined;
  private stopped = false;
  private complainedAt = -Infinity;
  private wake: (() => void) | undefined;

  constructor(options: ElectionOptions) {
    assert(options.identity !== "", "a candidate has a name");
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.log = (options.log ?? silentLogger).child({ election: options.name });
    this.metrics = electionMetrics(options.registry);
    this.timing = options.timing ?? ELECTION_TIMING;
    this.observer = new ElectionObserver(options.identity);
    this.metrics.leader.set(0, { election: options.name });
  }

  get isLeader(): boolean {
    return this.office !== undefined;
  }

  fence(): string | undefined {
    return this.office?.fence;
  }

  start(): void {
    if (this.running !== undefined || this.stopped) return;
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake?.();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await (this.office === undefined ? this.stand() : this.renew(this.office));
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (this.office !== undefined && error.code === "Fenced") this.leave("fenced");
        // A lost race is the normal end of a candidacy; anything else is worth knowing.
        if (error.code !== "Conflict" && error.code !== "AlreadyExists") this.complain(error);
      }
      if (!this.stopped) await this.pause(this.nextPauseMs());
    }
    await this.release();
  }

  private complain(error: Error): void {
    const now = this.clock.monotonic();
    if (now - this.complainedAt < LOG_EVERY_MS) return;
    this.complainedAt = now;
    this.log.warn("election call failed", { leader: this.isLeader, err: error });
  }

  private nextPauseMs(): number {
    const { renewMs } = this.timing;
    if (this.office !== undefined) {
      // After a failed renewal there is no time to lose; after a good one the next is due a period after it was sent.
      return Math.max(MIN_PAUSE_MS, this.office.renewedAt + renewMs - this.clock.monotonic());
    }
    return Math.max(MIN_PAUSE_MS, Math.min(renewMs, this.observer.expiresInMs(this.clock.monotonic())));
  }

  /** Looks at the Lease and takes the office if it is free. */
  private async stand(): Promise<void> {
    const name = `trireme-${this.options.name}`;
    const current = await this.options.leases.get(name);
    this.holder = current?.spec.holderIdentity ?? "";
    const observed =
      current === undefined
        ? undefined
        : {
            holder: this.holder,
            renewal: current.spec.renewTime ?? "",
            leaseDurationMs: (current.spec.leaseDurationSeconds ?? this.timing.leaseMs / 1000) * 1000,
          };
    if (this.observer.observe(observed, this.clock.monotonic()) === "wait" || this.stopped) return;
    // The Lease bears our name, but we are not in office: an earlier life's, or an answer that never came. Its fence is
    // not known, and one is only given when the holder changes.
    const base =
      current !== undefined && this.holder === this.options.identity
        ? await this.options.leases.update(this.vacated(current))
        : current;
    const sentAt = this.clock.monotonic();
    const wanted = this.taken(name, base);
    const lease = await (base === undefined ? this.options.leases.create(wanted) : this.options.leases.update(wanted));
    this.enter(lease, sentAt);
  }

  private enter(lease: LeaseObject, sentAt: number): void {
    const { name, identity, onAcquired } = this.options;
    const fence = `${name}=${lease.metadata.resourceVersion ?? ""}`;
    const office: Office = {
      lease,
      fence,
      controller: new AbortController(),
      renewedAt: sentAt,
      unanswered: new Map(),
      cancelDeadline: () => {},
    };
    if (this.clock.monotonic() - sentAt >= this.timing.renewDeadlineMs) return;
    this.office = office;
    this.holder = identity;
    this.armDeadline(office);
    this.metrics.leader.set(1, { election: name });
    this.metrics.transitions.inc({ election: name, to: "leader" });
    this.log.info("election won", { identity, fence });
    onAcquired(fence, office.controller.signal);
  }

  private async renew(office: Office): Promise<void> {
    const sentAt = this.clock.monotonic();
    const wanted = this.renewed(office.lease);
    const stamp = wanted.spec.renewTime ?? "";
    if (office.unanswered.size < MAX_UNANSWERED) office.unanswered.set(stamp, sentAt);
    let lease: LeaseObject;
    try {
      lease = await this.options.leases.update(wanted);
    } catch (thrown) {
      if (errorFrom(thrown).code !== "Conflict") throw thrown;
      office.unanswered.delete(stamp);
      await this.recognise(office);
      return;
    }
    if (this.office !== office) return;
    this.prolong(office, lease, sentAt);
  }

  /**
   * The Lease changed under us: perhaps by an earlier renewal of ours whose answer never came. It is still our tenure if
   * it began when ours did, and prolonged since that renewal was sent.
   */
  private async recognise(office: Office): Promise<void> {
    const current = await this.options.leases.get(office.lease.metadata.name);
    if (this.office !== office) return;
    const { spec } = office.lease;
    const isOurs =
      current?.spec.holderIdentity === this.options.identity &&
      current.spec.acquireTime === spec.acquireTime &&
      current.spec.leaseTransitions === spec.leaseTransitions;
    if (!isOurs) {
      this.holder = current?.spec.holderIdentity ?? "";
      this.leave("taken by another");
      return;
    }
    this.prolong(office, current, office.unanswered.get(current.spec.renewTime ?? "") ?? office.renewedAt);
  }

  private prolong(office: Office, lease: LeaseObject, sentAt: number): void {
    office.lease = lease;
    office.renewedAt = Math.max(office.renewedAt, sentAt);
    for (const [stamp, at] of office.unanswered) if (at <= sentAt) office.unanswered.delete(stamp);
    this.armDeadline(office);
  }

  /** The holder stops by its own clock, a second before anyone else may take over, even if a call hangs. */
  private armDeadline(office: Office): void {
    office.cancelDeadline();
    const leftMs = Math.max(0, office.renewedAt + this.timing.renewDeadlineMs - this.clock.monotonic());
    office.cancelDeadline = this.clock.after(leftMs, () => this.office === office && this.leave("not renewed in time"));
  }

  private leave(reason: string): void {
    const office = this.office;
    if (office === undefined) return;
    this.office = undefined;
    office.cancelDeadline();
    const { name, identity, onLost } = this.options;
    this.metrics.leader.set(0, { election: name });
    this.metrics.transitions.inc({ election: name, to: "candidate" });
    this.log.warn("election lost", { identity, reason });
    office.controller.abort(new Error(`the office ${name} was lost: ${reason}`));
    onLost();
  }

  private async release(): Promise<void> {
    const office = this.office;
    if (office === undefined) return;
    // First stop acting, then let others in.
    this.leave("given up");
    try {
      await this.options.leases.update(this.vacated(office.lease));
    } catch (err) {
      this.log.info("election release failed", { err });
    }
  }

  private now(): string {
    // MicroTime: six decimals.
    return new Date(this.clock.now()).toISOString().replace("Z", "000Z");
  }

  private taken(name: string, base: LeaseObject | undefined): LeaseObject {
    const now = this.now();
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: base?.metadata ?? { name, namespace: ELECTION_NAMESPACE },
      spec: {
        holderIdentity: this.options.identity,
        leaseDurationSeconds: Math.ceil(this.timing.leaseMs / 1000),
        acquireTime: now,
        renewTime: now,
        leaseTransitions: (base?.spec.leaseTransitions ?? 0) + 1,
      },
    };
  }

  private renewed(lease: LeaseObject): LeaseObject {
    return { ...lease, spec: { ...lease.spec, renewTime: this.now() } };
  }

  private vacated(lease: LeaseObject): LeaseObject {
    return { ...lease, spec: { ...lease.spec, holderIdentity: "", renewTime: this.now() } };
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(ms, resolve);
      this.wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
