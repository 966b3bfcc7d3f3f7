import { type Clock, errorFrom, hasCode } from "@trireme/base";
import { type KubeObject, LEASES, type Lease, type Resource } from "@trireme/api";
import type { Logger } from "@trireme/telemetry";
import { ELECTION_NAMESPACE } from "../auth/fence.ts";
import { RELAY } from "../auth/user.ts";
import type { RequestPipeline } from "../pipeline/pipeline.ts";
import type { Caller } from "../pipeline/request.ts";

const RENEW_EVERY_MS = 1000;
const LEASE_SECONDS = 4;

/** A holder that could not renew for this long stops: a second before anybody may take over. */
const GIVE_UP_MS = 3000;

const LEASE_NAME = "trireme-relay";
const CALLER: Caller = { user: RELAY, userAgent: "trireme-relay" };
const TARGET = { resource: LEASES as Resource, namespace: ELECTION_NAMESPACE, name: LEASE_NAME };

/** What an election tells its candidate. */
export interface Candidate {
  /** In office; `term` is the fence's revision and grows with each term. */
  onAcquired(term: number): void;
  onLost(): void;
}

/**
 * The relay's election, a Lease like any other actor's, but asked for inside the process. Others' clocks are not
 * trusted: a lease is stale when its renewTime has not changed for its duration by our own clock.
 */
export class RelayElection {
  private readonly pipeline: RequestPipeline;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly identity: string;
  private readonly candidate: Candidate;
  private holding = false;
  private renewedAt = 0;
  private seen: { readonly stamp: string; readonly at: number } | undefined;
  private cancel: (() => void) | undefined;
  private stopped = false;
  private round: Promise<void> = Promise.resolve();

  constructor(
    options: { pipeline: RequestPipeline; clock: Clock; log: Logger; identity: string },
    candidate: Candidate,
  ) {
    this.pipeline = options.pipeline;
    this.clock = options.clock;
    this.log = options.log;
    this.identity = options.identity;
    this.candidate = candidate;
  }

  start(): void {
    this.round = this.tick();
  }

  /** Leaves office so that another server takes over at once. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    await this.round;
    if (!this.holding) return;
    this.lose();
    try {
      await this.write({ holderIdentity: "" });
    } catch (thrown) {
      this.log.info("relay lease not released, it will run out", { err: thrown });
    }
  }

  private async tick(): Promise<void> {
    try {
      await this.tryOnce();
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code !== "Conflict") this.log.debug("relay election round failed", { err: thrown });
    }
    if (this.holding && this.clock.monotonic() - this.renewedAt > GIVE_UP_MS) this.lose();
    if (this.stopped) return;
    this.cancel = this.clock.after(RENEW_EVERY_MS, () => {
      this.round = this.tick();
    });
  }

  private async tryOnce(): Promise<void> {
    const present = await this.read();
    const started = this.clock.monotonic();
    if (present === undefined) {
      const created = await this.pipeline.create(CALLER, TARGET, this.document(undefined), {});
      this.win(created.object, started);
      return;
    }
    const holder = present.spec?.holderIdentity ?? "";
    if (holder !== this.identity && holder !== "" && !this.isStale(present)) {
      if (this.holding) this.lose();
      return;
    }
    if (holder === this.identity && !this.holding && !this.isStale(present)) {
      // Our own name from a former life of this process: its fence is unknown to us, so the term starts afresh when it
      // has run out, as for anybody else. Being the same server makes no difference.
      return;
    }
    if (holder === this.identity && this.holding) {
      await this.write({ renewTime: this.nowMicro() }, present.metadata.resourceVersion);
      this.renewedAt = started;
      return;
    }
    const body = this.document(present);
    const taken = await this.pipeline.update(CALLER, TARGET, body, {});
    this.win(taken.object, started);
  }

  private isStale(lease: Lease): boolean {
    const stamp = `${lease.spec?.holderIdentity}@${lease.spec?.renewTime}`;
    const now = this.clock.monotonic();
    if (this.seen?.stamp !== stamp) this.seen = { stamp, at: now };
    return now - this.seen.at > LEASE_SECONDS * 1000;
  }

  private win(lease: KubeObject, at: number): void {
    this.holding = true;
    this.renewedAt = at;
    this.log.info("relay elected", { revision: Number(lease.metadata.resourceVersion) });
    this.candidate.onAcquired(Number(lease.metadata.resourceVersion));
  }

  private lose(): void {
    this.holding = false;
    this.log.info("relay out of office");
    this.candidate.onLost();
  }

  private async read(): Promise<Lease | undefined> {
    try {
      return (await this.pipeline.get(CALLER, TARGET)).object as Lease;
    } catch (thrown) {
      if (hasCode(thrown, "NotFound")) return undefined;
      throw thrown;
    }
  }

  private async write(spec: Record<string, unknown>, resourceVersion?: string): Promise<void> {
    const metadata = resourceVersion === undefined ? {} : { resourceVersion };
    await this.pipeline.patch(CALLER, TARGET, { type: "merge", body: { metadata, spec } });
  }

  private document(present: Lease | undefined): Lease {
    const now = this.nowMicro();
    const transitions = present === undefined ? 0 : (present.spec?.leaseTransitions ?? 0) + 1;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: present?.metadata ?? { name: LEASE_NAME, namespace: ELECTION_NAMESPACE },
      spec: {
        holderIdentity: this.identity,
        leaseDurationSeconds: LEASE_SECONDS,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: transitions,
      },
    } as Lease;
  }

  private nowMicro(): string {
    return new Date(this.clock.now()).toISOString().replace("Z", "000Z");
  }
}
