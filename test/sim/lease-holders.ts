import { KVClient, LeaseClient, type LeaseGrantResponse } from "@trireme/proto/etcdserverpb/rpc";
import { call, clientOf, sleepMs, within } from "./calls.ts";
import { putOf } from "./clients.ts";
import type { Coverage } from "./coverage.ts";
import type { Machine } from "./machine.ts";
import type { Oracle } from "./oracle.ts";
import { type World, must } from "./world/world.ts";

/** How long a request may take. */
const PATIENCE_MS = 4000;

/** Long enough for an ordinary change of leader. */
const TTL_SECONDS = 3;

/** No clock runs faster than this: what a holder may count on. */
export const FASTEST_RATE = 1.1;

/** Holders of leases: each keeps one alive for a while, then lets it end or revokes it. T1 is held here. */
export class LeaseHolders {
  private readonly world: World;
  private readonly coverage: Coverage;
  private readonly machines: () => readonly Machine[];
  /** Until when each lease was promised to live, by the holder's own count. */
  private readonly promised = new Map<bigint, number>();
  private readonly revoked = new Set<bigint>();
  private readonly ended = new Set<bigint>();
  private nextId = 1000n;
  stopped = false;

  constructor(options: {
    readonly world: World;
    readonly oracle: Oracle;
    readonly coverage: Coverage;
    readonly machines: () => readonly Machine[];
  }) {
    this.world = options.world;
    this.coverage = options.coverage;
    this.machines = options.machines;
    options.oracle.onFirstApplied = (command, outcome) => {
      if (command.type === "leaseRevoke" && outcome.error === undefined) this.ends(command.id);
    };
  }

  private ends(id: bigint): void {
    this.ended.add(id);
    if (this.revoked.has(id)) return;
    this.coverage.add("leases expired");
    const until = this.promised.get(id) ?? 0;
    must(this.world.now >= until, `T1: lease ${id} ends at ${this.world.now} and was promised until ${until}`);
  }

  async run(): Promise<void> {
    const { work } = this.world.chance;
    while (!this.stopped) {
      await sleepMs(200 + work.next() * 1000);
      const machine = this.any();
      if (machine !== undefined) await this.hold(machine);
    }
  }

  private any(): Machine | undefined {
    const up = this.machines().filter((machine) => machine.host.up);
    return up[this.world.chance.work.int(0, up.length - 1)];
  }

  private async hold(machine: Machine): Promise<void> {
    const { work } = this.world.chance;
    const id = this.nextId++;
    const asked = this.world.now;
    const request = { ID: id, TTL: BigInt(TTL_SECONDS) };
    const granted = await call<LeaseGrantResponse>((done) =>
      clientOf(LeaseClient, machine).leaseGrant(request, ...within(PATIENCE_MS), done),
    );
    if (granted.error !== undefined) return;
    this.coverage.add("leases granted");
    this.promise(id, asked, Number(granted.response.TTL));
    await call((done) => clientOf(KVClient, machine).put(putOf(`l${id}`, `${id}`, id), ...within(PATIENCE_MS), done));
    for (let times = work.int(0, 8); times > 0 && !this.stopped; times--) {
      await sleepMs(300 + work.next() * 1500);
      await this.renew(id);
      if (this.ended.has(id)) return;
    }
    if (work.next() < 0.3) await this.revoke(id);
  }

  private async renew(id: bigint): Promise<void> {
    const machine = this.any();
    if (machine === undefined) return;
    const stream = clientOf(LeaseClient, machine).leaseKeepAlive();
    const asked = this.world.now;
    const wasOver = this.ended.has(id);
    const answered = new Promise<void>((resolve) => {
      stream.on("data", ({ TTL }: { TTL: bigint }) => {
        if (TTL > 0n) {
          // What has ended is not renewed any more (B19).
          must(!wasOver, `T1: lease ${id} is renewed after its end`);
          this.coverage.add("leases renewed");
          this.promise(id, asked, Number(TTL));
        } else {
          must(this.ended.has(id), `T1: lease ${id} is said to have ended, and has not`);
        }
        resolve();
      });
      stream.on("error", () => resolve());
      stream.on("end", () => resolve());
    });
    stream.write({ ID: id });
    await Promise.race([answered, sleepMs(3000)]);
    stream.cancel();
  }

  private async revoke(id: bigint): Promise<void> {
    const machine = this.any();
    if (machine === undefined) return;
    this.revoked.add(id);
    await call((done) => clientOf(LeaseClient, machine).leaseRevoke({ ID: id }, ...within(PATIENCE_MS), done));
  }

  /** A holder counts from the sending of its request, and knows how wrong clocks may be. */
  private promise(id: bigint, asked: number, ttl: number): void {
    const until = asked + (ttl * 1000) / FASTEST_RATE;
    this.promised.set(id, Math.max(this.promised.get(id) ?? 0, until));
  }

  /** L1 and T1: some time after the last renewal no lease is left. */
  checkEnded(oracle: Oracle): void {
    must(oracle.model.leaseCount === 0, `T1: ${oracle.model.leaseCount} leases live on that nobody renews`);
  }
}
